"""200 losses of a small GPT in PyTorch, from the weights and batches that
`tests/sequence.rs` uses. Both sides draw them from the same counter-based
generator (draws.py), as in make_losses.py.

    python assets/goldens/make_gpt_losses.py > assets/goldens/gpt_losses.json

Made with PyTorch 2.15.0 on the CPU, one thread.
"""

import json

import numpy as np
import torch
import torch.nn.functional as F

from draws import CASES, bits, unit

SEED, SAMPLES, BATCH, STEPS = 11, 64, 8, 200
VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 23, 16, 32, 4, 2


def shapes():
    """Parameters in the order of their names, with how far each is drawn."""
    yield "embedding1.weight", (VOCABULARY, WIDTH), 0.05
    yield "position1.weight", (CONTEXT, WIDTH), 0.05
    for i in range(1, LAYERS + 1):
        b = f"block{i}."
        yield b + "norm1.weight", (WIDTH,), None
        yield b + "norm1.bias", (WIDTH,), 0.05
        yield b + "self_attn.in_proj_weight", (3 * WIDTH, WIDTH), 0.1
        yield b + "self_attn.in_proj_bias", (3 * WIDTH,), 0.05
        yield b + "self_attn.out_proj.weight", (WIDTH, WIDTH), 0.1
        yield b + "self_attn.out_proj.bias", (WIDTH,), 0.05
        yield b + "norm2.weight", (WIDTH,), None
        yield b + "norm2.bias", (WIDTH,), 0.05
        yield b + "linear1.weight", (4 * WIDTH, WIDTH), 0.1
        yield b + "linear1.bias", (4 * WIDTH,), 0.05
        yield b + "linear2.weight", (WIDTH, 4 * WIDTH), 0.1
        yield b + "linear2.bias", (WIDTH,), 0.05
    yield "ln1.weight", (WIDTH,), None
    yield "ln1.bias", (WIDTH,), 0.05


def weights():
    """Parameter `i` is drawn from seed SEED + i: uniform within its limit, or
    within 0.1 of 1 for the factors of a norm."""
    made = {}
    for i, (name, shape, limit) in enumerate(shapes()):
        u = unit(bits(SEED + i, CASES, int(np.prod(shape))))
        limit_, middle = (np.float32(0.1), np.float32(1)) if limit is None else (np.float32(limit), np.float32(0))
        low, high = middle - limit_, middle + limit_
        made[name] = torch.from_numpy((low + (high - low) * u).reshape(shape)).requires_grad_(True)
    return made


def tokens():
    """Each token follows from the one before, but for a draw among three."""
    b = bits(SEED, CASES, SAMPLES * CONTEXT + 1)
    text, last = [], 0
    for x in b:
        last = (last * 5 + 1 + int(x % np.uint32(3))) % VOCABULARY
        text.append(last)
    x = torch.tensor(text[:-1]).view(SAMPLES, CONTEXT)
    y = torch.tensor(text[1:]).view(SAMPLES, CONTEXT)
    return x, y


def model(p, x):
    h = p["embedding1.weight"][x] + p["position1.weight"]
    for i in range(1, LAYERS + 1):
        w = {k.removeprefix(f"block{i}."): v for k, v in p.items() if k.startswith(f"block{i}.")}
        a = F.layer_norm(h, (WIDTH,), w["norm1.weight"], w["norm1.bias"])
        qkv = F.linear(a, w["self_attn.in_proj_weight"], w["self_attn.in_proj_bias"])
        n, t, _ = qkv.shape
        q, k, v = (s.view(n, t, HEADS, WIDTH // HEADS).transpose(1, 2) for s in qkv.split(WIDTH, dim=2))
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(n, t, WIDTH)
        h = h + F.linear(a, w["self_attn.out_proj.weight"], w["self_attn.out_proj.bias"])
        a = F.layer_norm(h, (WIDTH,), w["norm2.weight"], w["norm2.bias"])
        a = F.gelu(F.linear(a, w["linear1.weight"], w["linear1.bias"]))
        h = h + F.linear(a, w["linear2.weight"], w["linear2.bias"])
    h = F.layer_norm(h, (WIDTH,), p["ln1.weight"], p["ln1.bias"])
    return h @ p["embedding1.weight"].T


torch.set_num_threads(1)
parameters = weights()
optimizer = torch.optim.Adam(parameters.values(), lr=1e-3)
x, y = tokens()
losses = []
for step in range(STEPS):
    at = step * BATCH % SAMPLES
    logits = model(parameters, x[at : at + BATCH])
    loss = F.cross_entropy(logits.reshape(-1, VOCABULARY), y[at : at + BATCH].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps({"torch": torch.__version__, "losses": losses}))
