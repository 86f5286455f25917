#!/usr/bin/env python3
"""Damages ONNX files at random and runs what is left: no panic, no signal, no hang, and no more
memory than --memory.

    python3 tests/onnx/fuzz.py --wgrad target/release/wgrad --minutes 10

The seeds are the cases of the package `onnx` (needed, with `numpy`). A file gets a few changes:
bytes turned, numbers of the format replaced by extreme ones, parts cut out or doubled. Files that
end badly are kept in --keep. Exit code 1 if there is any.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import warnings

import numpy as np
from onnx import TensorProto, numpy_helper
from onnx.backend.test.loader import load_model_tests

warnings.filterwarnings("ignore")
EXTREMES = [b"\x00", b"\x7f", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x10"]


def damaged(data, rng):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        if not data:
            break
        at = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.randrange(256)
        elif kind == 2:
            data[at:at + 1] = rng.choice(EXTREMES)
        elif kind == 3:
            del data[at:at + rng.choice([1, 2, 4, 16])]
        else:
            data[at:at] = data[at:at + rng.choice([1, 4, 16, 64])]
    return bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wgrad", default="target/release/wgrad")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=2 << 30, help="bytes of address space beyond what the program maps")
    parser.add_argument("--keep", default="target/onnx-fuzz")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    seeds = [c for c in load_model_tests(kind="node") if len(c.model.SerializeToString()) < 20000]
    end, tried, bad = time.time() + 60 * args.minutes, 0, 0

    def limits():
        resource.setrlimit(resource.RLIMIT_AS, (args.memory + (1 << 30),) * 2)

    with tempfile.TemporaryDirectory() as folder:
        while time.time() < end:
            case = rng.choice(seeds)
            path = os.path.join(folder, "m.onnx")
            data = damaged(case.model.SerializeToString(), rng)
            with open(path, "wb") as f:
                f.write(data)
            command = [args.wgrad, "run", path, "--device", "cpu"]
            for i, (info, value) in enumerate(zip(case.model.graph.input, case.data_sets[0][0])):
                if isinstance(value, TensorProto) or (value is not None and not isinstance(value, (list, tuple))):
                    tensor = value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value))
                    with open(os.path.join(folder, f"{i}.pb"), "wb") as f:
                        f.write(tensor.SerializeToString())
                    command += ["--input", f"{info.name}={folder}/{i}.pb"]
            try:
                done = subprocess.run(command, capture_output=True, timeout=60, check=False, preexec_fn=limits)
                said = done.stderr.decode(errors="replace")
                wrong = done.returncode not in (0, 1, 2) or "internal error" in said
            except subprocess.TimeoutExpired:
                wrong, said = True, "not done after 60 s"
            tried += 1
            if wrong:
                bad += 1
                os.makedirs(args.keep, exist_ok=True)
                name = os.path.join(args.keep, f"{case.name}-{tried}.onnx")
                with open(name, "wb") as f:
                    f.write(data)
                print(f"{name}: {said.strip()[-300:]}", flush=True)
    print(f"{tried} damaged files, {bad} ended badly")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
