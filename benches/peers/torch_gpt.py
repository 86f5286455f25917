"""char-gpt in PyTorch eager: steps per second, for comparison with
`cargo bench --bench step -- char-gpt 16 DEVICE 64`.

    python benches/peers/torch_gpt.py [BATCH] [DEVICE]
"""

import torch
import torch.nn.functional as F
from torch import nn

from timing import arguments, report

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 65, 64, 128, 4, 4
batch, device = arguments(16)
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


report(step, batch, device)
