#!/usr/bin/env python3
"""PyTorch's DistributedDataParallel (gloo, 2 processes) beside `mpirun -n 2 wgrad train`: the same
model, initial weights, batches and optimiser; the losses of 20 steps agree to 1e-4.

    tests/mpi/ddp.py --wgrad target/release/wgrad [--mpirun mpirun]

Needs torch, safetensors and numpy.
"""

import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file

STEPS, EACH, RANKS, LR, MOMENTUM, CLASSES = 20, 8, 2, 0.05, 0.9, 3

CONFIG = f"""
[data]
source = "set"
val_split = 0.0
normalize = "none"
[train]
epochs = 1
min_steps = 0
shuffle = false
batch_size = {EACH}
micro_batches = {RANKS}
[optimizer]
name = "sgd"
lr = {LR}
momentum = {MOMENTUM}
[schedule]
name = "constant"
[model]
name = "small"
layer = [
    {{ type = "Conv2D", name = "conv", filters = 4, kernel_size = 3, activation = "relu" }},
    {{ type = "MaxPooling2D", pool_size = 2 }},
    {{ type = "Flatten" }},
    {{ type = "Dense", name = "hidden", units = 32, activation = "relu" }},
    {{ type = "Dense", name = "out", units = "classes" }},
]
"""


def model():
    nn = torch.nn
    layers = [
        ("conv", nn.Conv2d(1, 4, 3)),
        ("act1", nn.ReLU()),
        ("pool", nn.MaxPool2d(2)),
        ("flat", nn.Flatten()),
        ("hidden", nn.Linear(4 * 5 * 5, 32)),
        ("act2", nn.ReLU()),
        ("out", nn.Linear(32, CLASSES)),
    ]
    net = nn.Sequential()
    for name, layer in layers:
        net.add_module(name, layer)
    return net


def data():
    draw = np.random.default_rng(3)
    labels = draw.integers(0, CLASSES, STEPS * EACH * RANKS).astype(np.uint8)
    pixels = draw.integers(0, 150, (len(labels), 12, 12)).astype(np.uint8)
    for image, label in zip(pixels, labels):
        image[4 * label : 4 * label + 4] += 60
    return pixels, labels


def write(at, pixels, labels):
    folder = at / "set"
    folder.mkdir()
    header = struct.pack(">4B3I", 0, 0, 8, 3, *pixels.shape)
    (folder / "train-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + labels.tobytes())
    (at / "run.toml").write_text(CONFIG)


def worker(rank, at, losses):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=os.environ.get("DDP_PORT", "29511"))
    dist.init_process_group("gloo", rank=rank, world_size=RANKS)
    torch.set_num_threads(1)
    net = model()
    net.load_state_dict(load_file(at / "begin.safetensors"))
    net = torch.nn.parallel.DistributedDataParallel(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=LR, momentum=MOMENTUM)
    pixels, labels = data()
    x = torch.from_numpy(pixels).float().div(255).unsqueeze(1)
    y = torch.from_numpy(labels.astype(np.int64))
    for step in range(STEPS):
        first = (step * RANKS + rank) * EACH
        loss = torch.nn.functional.cross_entropy(net(x[first : first + EACH]), y[first : first + EACH])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        losses[step] = float(mean) / RANKS
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wgrad", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--mpirun", default="mpirun")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        pixels, labels = data()
        write(at, pixels, labels)
        torch.manual_seed(1)
        save_file(model().state_dict(), at / "begin.safetensors")
        theirs = mp.Manager().list([0.0] * STEPS)
        mp.spawn(worker, (at, theirs), nprocs=RANKS)
        env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", RAYON_NUM_THREADS="1")
        version = subprocess.run([args.mpirun, "--version"], capture_output=True, text=True).stdout
        many = ["--oversubscribe"] if "Open MPI" in version else []
        command = [args.mpirun, *many, "-n", str(RANKS), str(args.wgrad), "train", "run.toml", "--device", "cpu"]
        command += ["--init", "begin.safetensors", "--out", "run"]
        done = subprocess.run(command, cwd=at, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        records = [json.loads(line) for line in (at / "run/metrics.jsonl").read_text().splitlines()]
        # A short run has a point for each step.
        points = {r["step"]: r["loss"] for r in records if "seconds" not in r and "step" in r and "loss" in r}
    worst = 0.0
    for step, wanted in enumerate(theirs, 1):
        found = points.get(step)
        if found is None:
            sys.exit(f"no loss of step {step} in metrics.jsonl: {records[:3]}")
        worst = max(worst, abs(found - wanted) / abs(wanted))
        print(f"step {step:2}  PyTorch {wanted:.6f}  wgrad {found:.6f}")
    print(f"largest relative difference {worst:.1e}")
    sys.exit(not worst < 1e-4)


if __name__ == "__main__":
    main()
