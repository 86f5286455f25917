#!/usr/bin/env python3
"""Compares `wgrad run` with onnxruntime on ONNX files, with inputs drawn at random.

    python3 tests/onnx/compare.py --wgrad target/release/wgrad model.onnx [more.onnx ..]
    python3 tests/onnx/compare.py --axis sequence=7 --int-below 256 model.onnx

Open axes take the length 2, or what --axis or --shape say. Floats are normal numbers, integers are below
--int-below; --set NAME=VALUE gives an input a value everywhere. Prints the largest difference of
each output, as a share of the largest value. Exit code 1 if one is above --tolerance.
Needs the packages `onnx`, `onnxruntime` and `numpy`.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnxruntime

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
         "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": bool, "tensor(uint8)": np.uint8,
         "tensor(int8)": np.int8}


def compare(path, args, rng):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    lengths = dict(a.split("=") for a in args.axis)
    shapes = {k: [int(d) for d in v.split(",")] for k, v in (a.split("=") for a in args.shape)}
    fixed = dict(a.split("=") for a in args.set)
    feeds = {}
    for port in session.get_inputs():
        shape = [d if isinstance(d, int) else int(lengths.get(d, 2)) for d in port.shape]
        shape = shapes.get(port.name, shape)
        dtype = TYPES[port.type]
        if port.name in fixed:
            feeds[port.name] = np.full(shape, float(fixed[port.name])).astype(dtype)
        elif np.dtype(dtype).kind == "f":
            feeds[port.name] = rng.standard_normal(shape).astype(dtype)
        else:
            feeds[port.name] = rng.integers(0, args.int_below, shape).astype(dtype)
    expected = session.run(None, feeds)
    with tempfile.TemporaryDirectory() as folder:
        command = [args.wgrad, "run", path, "--device", args.device, "--output-dir", folder]
        for i, (name, value) in enumerate(feeds.items()):
            file = os.path.join(folder, f"in-{i}.npy")
            np.save(file, value)
            command += ["--input", f"{name}={file}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{path}: {done.stderr.strip().splitlines()[-1]}")
            return False
        worst = 0.0
        for port, value in zip(session.get_outputs(), expected):
            name = "".join(c if c.isalnum() or c in "._-" else "_" for c in port.name)
            found = np.load(os.path.join(folder, f"{name}.npy"))
            if found.shape != value.shape or found.dtype != value.dtype:
                print(f"{path}: {port.name} is {found.dtype} {found.shape}, expected {value.dtype} {value.shape}")
                return False
            if value.size:
                a, b = found.astype(np.float64), value.astype(np.float64)
                worst = max(worst, float(np.nanmax(np.abs(a - b)) / max(1.0, np.nanmax(np.abs(b)))))
    print(f"{path}: differs by up to {worst:.1e}")
    return worst <= args.tolerance


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--wgrad", default="target/release/wgrad")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--axis", action="append", default=[], metavar="NAME=N")
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=N,..")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--int-below", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    args.wgrad = os.path.abspath(args.wgrad)
    rng = np.random.default_rng(args.seed)
    sys.exit(not all([compare(path, args, rng) for path in args.models]))


if __name__ == "__main__":
    main()
