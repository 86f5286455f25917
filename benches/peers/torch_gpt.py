"""char-gpt in PyTorch eager: steps per second, for comparison with
`cargo bench --bench step -- char-gpt 16 DEVICE 64`.

    python benches/peers/torch_gpt.py [BATCH] [DEVICE]
"""

import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 65, 64, 128, 4, 4
batch = int(sys.argv[1]) if len(sys.argv) > 1 else 16
device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
torch.manual_seed(0)


class Block(nn.Module):
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
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.ln = nn.LayerNorm(WIDTH)

    def forward(self, x):
        h = self.tokens(x) + self.positions.weight
        return self.ln(self.blocks(h)) @ self.tokens.weight.T


model = Gpt().to(device)
optimizer = torch.optim.AdamW(model.parameters())
x = torch.randint(0, VOCABULARY, (batch, CONTEXT), device=device)
y = torch.randint(0, VOCABULARY, (batch, CONTEXT), device=device)


def step():
    optimizer.zero_grad()
    F.cross_entropy(model(x).view(-1, VOCABULARY), y.view(-1)).backward()
    optimizer.step()


def wait():
    if device != "cpu":
        torch.cuda.synchronize()


for _ in range(5):
    step()
rates = []
for _ in range(3):
    wait()
    begun, n = time.perf_counter(), 0
    while time.perf_counter() - begun < 2.0:
        step()
        n += 1
    wait()
    rates.append(n / (time.perf_counter() - begun))
print(f"PyTorch {torch.__version__} eager on {device}, {torch.get_num_threads()} threads, batch {batch}: "
      f"{statistics.median(rates):.1f} steps/s (median of 3; {min(rates):.1f} to {max(rates):.1f})")
