#!/usr/bin/env python3
"""Exports trained runs as modules of PyTorch or Keras, and compares them with wgrad itself.

    tests/onnx/modules.py WGRAD OUTPUTS WORK pytorch|keras [--only NAME]

WORK is the folder of runs that `tests/onnx/export.py` has made. Needs torch or keras, safetensors
and numpy. Ends with 1 if a difference is above 1e-4; what has no module is listed.
"""

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np

TOLERANCE = 1e-4
SAMPLES = 20


def old_torch():
    """What the modules use of PyTorch 2 in the words of PyTorch 1, where that is installed."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    def attention(q, k, v, attn_mask=None, dropout_p=0.0):
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        return scores.masked_fill(~attn_mask, float("-inf")).softmax(-1) @ v

    class RMSNorm(nn.Module):
        def __init__(self, width, eps):
            super().__init__()
            self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

        def forward(self, x):
            return x * (x.square().mean(-1, keepdim=True) + self.eps).rsqrt() * self.weight

    if not hasattr(F, "scaled_dot_product_attention"):
        F.scaled_dot_product_attention = attention
    if not hasattr(nn, "RMSNorm"):
        nn.RMSNorm = RMSNorm


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wgrad")
    parser.add_argument("outputs")
    parser.add_argument("work")
    parser.add_argument("format", choices=["pytorch", "keras"])
    parser.add_argument("--only", default="", help="runs by a regular expression of their names")
    args = parser.parse_args()
    env = {**os.environ, "WGRAD_DEVICE": "cpu"}
    rng, failed, count = np.random.default_rng(1), False, 0
    work = Path(args.work).resolve()
    for run in sorted(p.parent for p in work.glob("*/checkpoints")):
        if not re.search(args.only, run.name):
            continue
        path = work / f"{run.name.replace('-', '_')}_{args.format}.py"
        command = [args.wgrad, "export", run, "--format", args.format, "--out", path]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            print(f"{run.name:18} refused: {done.stderr.strip()}")
            assert "export as ONNX" in done.stderr, done.stderr
            continue
        weights = run / "checkpoints/last/model.safetensors"
        header = weights.read_bytes()
        about = json.loads(json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]["wgrad"])
        shape = about["input"]
        tokens = bool(about["interface"].get("vocabulary"))
        if tokens:
            x = rng.integers(1, 6, size=(SAMPLES, *shape)).astype("<u4")
            for row in range(SAMPLES):
                # The last sample has no token but filling.
                x[row, max(0 if row == SAMPLES - 1 and args.format == "pytorch" else 1, shape[0] - row) :] = 0
        else:
            x = rng.normal(size=(SAMPLES, *shape)).astype("<f4")
        x.tofile(work / "m-inputs.bin")
        found = subprocess.run(
            [args.outputs, run, work / "m-inputs.bin", work / "m-outputs.bin"], env=env, capture_output=True, text=True, check=True
        )
        wanted = np.fromfile(work / "m-outputs.bin", "<f4").reshape(json.loads(found.stdout))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        if args.format == "pytorch":
            old_torch()
            import torch

            spec.loader.exec_module(module)
            model = module.load()
            with torch.no_grad():
                y = model(torch.from_numpy(x.astype(np.int64 if tokens else np.float32))).numpy()
        else:
            spec.loader.exec_module(module)
            model = module.load()
            pictures = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
            y = np.asarray(model(pictures.astype(np.int32 if tokens else np.float32)))
        worst = float(np.max(np.abs(y - wanted) / np.maximum(1.0, np.abs(wanted))))
        bad = not worst <= TOLERANCE
        failed, count = failed or bad, count + 1
        print(f"{run.name:18} {worst:10.2e}{'   DIFFERS' if bad else ''}", flush=True)
    print(f"{count} modules of {args.format}")
    sys.exit(1 if failed or not count else 0)


if __name__ == "__main__":
    main()
