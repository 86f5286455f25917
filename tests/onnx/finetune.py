#!/usr/bin/env python3
"""Trains a small residual network in PyTorch, exports it, imports it, and trains a new head for
50 steps in both.

    python3 tests/onnx/finetune.py --wgrad target/release/wgrad [--device cpu]

Compares the logits of the imported model with PyTorch's, and the losses of the steps: same
weights, same batches, SGD with momentum. Exports are PyTorch's default, which folds batch norms
into convolutions, and one that keeps them. Needs `torch`, `onnx`, `onnxscript`, `numpy` and
`safetensors`. Exit code 1 where logits differ by more than 1e-4 of the largest or losses by more
than 1e-3.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
STEPS, BATCH, CLASSES, NEW_CLASSES, RATE = 50, 32, 10, 5, 0.01


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, norms):
        super().__init__()
        norm = (lambda n: nn.BatchNorm2d(n)) if norms else (lambda n: nn.Identity())
        conv = lambda i, o, k, s, p: nn.Conv2d(i, o, k, s, p, bias=not norms)
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride, 1), norm(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3, 1, 1), norm(outputs)
        self.down = None
        if stride != 1 or inputs != outputs:
            self.down = nn.Sequential(conv(inputs, outputs, 1, stride, 0), norm(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.down is None else self.down(x)))


class Net(nn.Module):
    """A ResNet for 32x32 pictures; without norms their work is in the convolutions."""

    def __init__(self, norms=True):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=not norms)
        self.bn1 = nn.BatchNorm2d(16) if norms else nn.Identity()
        self.pool = nn.MaxPool2d(3, 2, 1)
        pairs = [(16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1)]
        self.blocks = nn.Sequential(*[Block(i, o, s, norms) for i, o, s in pairs])
        self.avg, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.blocks(self.pool(F.relu(self.bn1(self.conv1(x)))))
        return self.fc(torch.flatten(self.avg(x), 1))


def trained(rng):
    """A network after a few steps, and what it was trained on."""
    torch.manual_seed(0)
    net = Net()
    y = rng.integers(0, CLASSES, 512)
    x = rng.standard_normal((512, 3, 32, 32)).astype(np.float32)
    x += np.linspace(-1, 1, CLASSES)[y][:, None, None, None].astype(np.float32)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for _ in range(30):
        i = rng.integers(0, 512, 64)
        loss = F.cross_entropy(net(torch.tensor(x[i])), torch.tensor(y[i]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval(), x


def exported(net, x, path, folds):
    example, names = (torch.tensor(x[:2]),), {"input_names": ["x"], "output_names": ["logits"]}
    if folds:
        axes = {"x": {0: torch.export.Dim("batch")}}
        torch.onnx.export(net, example, path, dynamo=True, dynamic_shapes=axes, external_data=False, **names)
    else:
        torch.onnx.export(net, example, path, dynamo=False, dynamic_axes={"x": {0: "batch"}},
                          training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False, **names)
    net.eval()


def folded(path, net):
    """The network without norms that the exporter has made: its convolutions in order."""
    graph = onnx.load(path).graph
    values = {t.name: torch.tensor(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    plain = Net(norms=False)
    convs = [m for m in plain.modules() if isinstance(m, nn.Conv2d)]
    made = [n for n in graph.node if n.op_type == "Conv"]
    order = {n.input[1]: n for n in made}
    names = {m: k for k, m in plain.named_modules()}
    for conv in convs:
        node = order[f"{names[conv]}.weight"]
        conv.weight.data, conv.bias.data = values[node.input[1]], values[node.input[2]]
    plain.fc.load_state_dict(net.fc.state_dict())
    return plain


def wgrad(args, *command):
    done = subprocess.run([args.wgrad, *map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"wgrad {' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def compare(args, folder, folds, rng):
    net, x = trained(rng)
    path = os.path.join(folder, "net.onnx")
    exported(net, x, path, folds)
    run = os.path.join(folder, "run")
    wgrad(args, "import", path, "--out", run, "--mean", "0,0,0", "--std", "1,1,1")
    # The same answers, of the run that was imported and exported again.
    again = os.path.join(folder, "again.onnx")
    wgrad(args, "export", run, "--out", again)
    np.save(os.path.join(folder, "x.npy"), x[:7])
    wgrad(args, "run", again, "--input", os.path.join(folder, "x.npy"), "--output-dir", folder, "--device", args.device)
    found = np.load(os.path.join(folder, "output.npy"))
    expected = net(torch.tensor(x[:7])).detach().numpy()
    far = np.abs(found - expected).max() / np.abs(expected).max()
    # A new head of other classes, the same in both.
    student = folded(path, net) if folds else net
    student.fc = nn.Linear(64, NEW_CLASSES)
    weights = load_file(os.path.join(run, "checkpoints", "last", "model.safetensors"))
    head = [k for k in weights if k.endswith("fc.weight") and not k.startswith("body")]
    assert head == ["fc.weight"], list(weights)
    weights |= {f"fc.{k}": v.detach().numpy() for k, v in student.fc.state_dict().items()}
    init = os.path.join(folder, "init.safetensors")
    save_file(weights, init)
    y = rng.integers(0, NEW_CLASSES, len(x)).astype(np.int64)
    y[:NEW_CLASSES] = np.arange(NEW_CLASSES)
    data = os.path.join(folder, "data.npz")
    np.savez(data, x_train=x, y_train=y, x_test=x[:64], y_test=y[:64])
    tuned = os.path.join(folder, "tuned")
    wgrad(args, "train", "--data", data, "--model", os.path.join(run, "model.toml"), "--init", init, "--out", tuned,
          "--device", args.device, "--epochs", 1 + STEPS * BATCH // len(x), "--batch-size", BATCH,
          "--optimizer", "sgd", "--lr", RATE, "--schedule", "constant", "--set", "optimizer.momentum=0.9",
          "--set", "train.shuffle=false", "--set", "data.val_split=0", "--set", "data.normalize=none",
          "--set", "train.max_steps=" + str(STEPS), "--set", "train.min_steps=0")
    records = [json.loads(line) for line in open(os.path.join(tuned, "metrics.jsonl"))]
    # Points of the curves are of single steps, and their epoch is a fraction.
    losses = [r["loss"] for r in records if isinstance(r["epoch"], float)][:STEPS]
    student.train()
    optimizer = torch.optim.SGD(student.parameters(), lr=RATE, momentum=0.9)
    wanted = []
    for step in range(STEPS):
        i = np.arange(step * BATCH, (step + 1) * BATCH) % len(x)
        loss = F.cross_entropy(student(torch.tensor(x[i])), torch.tensor(y[i]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wanted.append(loss.item())
    off = max(abs(a - b) for a, b in zip(losses, wanted)) if len(losses) == STEPS else float("nan")
    kind = "folded norms" if folds else "norms kept"
    print(f"{kind}: logits differ by {far:.1e}, {len(losses)} losses by up to {off:.1e} "
          f"(from {wanted[0]:.4f} to {wanted[-1]:.4f})")
    return far <= 1e-4 and off <= 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wgrad", default="target/release/wgrad")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    args.wgrad = os.path.abspath(args.wgrad)
    good = True
    for folds in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            good &= compare(args, folder, folds, np.random.default_rng(0))
    sys.exit(not good)


if __name__ == "__main__":
    main()
