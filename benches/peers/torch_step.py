"""Training steps per second in PyTorch, for comparison with
`cargo bench --bench step -- MODEL BATCH DEVICE`.

    python benches/peers/torch_step.py MODEL [BATCH] [DEVICE] [--compile | --graphs] [--json]

MODEL is keras-cnn, lstm, char-gpt, resnet8 or mlp, or matmul, BATCH then being
the side of the two square matrices. All in f32 without TF32, as wgrad computes,
unless --tf32 is given; --f16 multiplies matrices of halves. On the CPU subnormal
numbers are flushed to zero, which wgrad's optimisers do too.
"""

import argparse
import sys

import torch
import torch.nn.functional as F
from torch import nn

from timing import rates, report

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 65, 64, 128, 4, 4


class Rows(nn.Module):
    """One row of the image per step; the last state is classified."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True)
        self.dense = nn.Linear(128, 10)

    def forward(self, x):
        y, _ = self.lstm(x)
        return self.dense(y[:, -1])


class Block(nn.Module):
    """A pre-norm block of a GPT."""

    def __init__(self):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.fc, self.proj = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = (p.view(n, t, HEADS, w // HEADS).transpose(1, 2) for p in self.qkv(self.ln_1(x)).split(w, dim=2))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(n, t, w))
        return x + self.proj(F.gelu(self.fc(self.ln_2(x))))


class Gpt(nn.Module):
    """The scores of the next character, the embedding used again for them."""

    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.ln = nn.LayerNorm(WIDTH)

    def forward(self, x):
        h = self.tokens(x) + self.positions.weight
        return (self.ln(self.blocks(h)) @ self.tokens.weight.T).flatten(0, 1)


class Residual(nn.Module):
    """Two convolutions of 3x3 and a projection where the shape changes."""

    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.short = nn.Identity()
        if stride != 1:
            self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.short(x))


def model(name):
    """A model, the shape of one sample of its, and how many classes it tells apart."""
    if name == "keras-cnn":
        convolution = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        return nn.Sequential(*convolution, nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, 10)), (1, 28, 28), 10
    if name == "mlp":
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)), (1, 28, 28), 10
    if name == "lstm":
        return Rows(), (28, 28), 10
    if name == "char-gpt":
        return Gpt(), (CONTEXT,), VOCABULARY
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *blocks, *head), (3, 32, 32), 10


def training(name, batch, device, mode):
    """A function that makes one training step."""
    net, shape, classes = model(name)
    net = net.to(device)
    if name == "char-gpt":
        x = torch.randint(0, VOCABULARY, (batch, *shape), device=device)
        y = torch.randint(0, classes, (batch * CONTEXT,), device=device)
    else:
        x = torch.randn(batch, *shape, device=device)
        y = torch.randint(0, classes, (batch,), device=device)
    # Compiled, the optimiser is one kernel too where there is one.
    fused = mode != "eager" and device != "cpu"
    optimizer = torch.optim.AdamW(net.parameters(), fused=fused or None)
    loss = lambda x, y: F.cross_entropy(net(x), y)
    if mode != "eager":
        loss = torch.compile(loss, mode="reduce-overhead" if mode == "graphs" else "default")

    def step():
        optimizer.zero_grad()
        loss(x, y).backward()
        optimizer.step()

    return step


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", choices=["keras-cnn", "lstm", "char-gpt", "resnet8", "mlp", "matmul"])
    p.add_argument("batch", nargs="?", type=int, default=128)
    p.add_argument("device", nargs="?", default="cpu", help="cpu or cuda")
    how = p.add_mutually_exclusive_group()
    how.add_argument("--compile", action="store_true", help="with torch.compile")
    how.add_argument("--graphs", action="store_true", help="with torch.compile and CUDA's graphs")
    p.add_argument("--tf32", action="store_true")
    p.add_argument("--f16", action="store_true", help="matmul of halves")
    p.add_argument("--threads", type=int)
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    # Before any thread is made: threads take the mode from the one that makes them.
    if not torch.set_flush_denormal(True) and a.device == "cpu":
        print("this processor does not flush subnormal numbers", file=sys.stderr)
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.backends.cuda.matmul.allow_tf32 = a.tf32
    torch.backends.cudnn.allow_tf32 = a.tf32
    torch.manual_seed(0)
    mode = "compile" if a.compile else "graphs" if a.graphs else "eager"
    workload, unit, scale, batch = a.model, "steps/s", 1.0, a.batch
    if a.model == "matmul":
        n, dtype = a.batch, torch.float16 if a.f16 else torch.float32
        x, y = (torch.randn(n, n, device=a.device).to(dtype) for _ in range(2))
        z = torch.empty_like(x)
        step = lambda: torch.mm(x, y, out=z)
        workload, unit, scale, batch = f"matmul-{n}" + "-f16" * a.f16, "GFLOP/s", 2e-9 * n**3, 1
    else:
        step = training(a.model, a.batch, a.device, mode)

    def repeat(n):
        for _ in range(n):
            step()
        if a.device != "cpu":
            torch.cuda.synchronize()

    if a.device == "cpu":
        device = f"CPU, {torch.get_num_threads()} threads"
    else:
        device = torch.cuda.get_device_name() + ", TF32" * a.tf32
    peer = "PyTorch " + {"eager": "eager", "compile": "compiled", "graphs": "compiled, graphs"}[mode]
    report(
        rates(repeat, scale), a.json, workload=workload, peer=peer, version=torch.__version__, device=device,
        batch=batch, unit=unit,
    )


if __name__ == "__main__":
    main()
