"""Makes sequence.safetensors: norms, embeddings, rotary positions and padded
sequences as PyTorch computes them, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_sequence.py

The format is that of make_goldens.py. PyTorch has no function for rotary
positions: those are the formulas of Su et al., arXiv:2104.09864 (neighbouring
pairs, equation 34) and of GPT-NeoX and Llama (`x cos + rotate_half(x) sin`).
"""

import os

import torch
import torch.nn.functional as F

from make_goldens import DIVISION, Draw, golden, r, write


def norms():
    def layer(name, shape, weight=True, bias=True, eps=1e-5):
        d = Draw(f"layer_norm/{name}")
        n = shape[-1]
        inputs = [d.normal(*shape, std=1.5)]
        inputs += [d.uniform(0.5, 1.5, n)] if weight else []
        inputs += [d.normal(n)] if bias else []
        attrs = dict(eps=r(eps), weight=weight, bias=bias)

        def run(x, *rest):
            w = rest[0] if weight else None
            b = rest[-1] if bias else None
            return F.layer_norm(x, (n,), w, b, r(eps))

        golden(f"layer_norm/{name}", "layer_norm", attrs, inputs, run, terms=max(n, x_rows(shape)), ulps=DIVISION)

    def rms(name, shape, weight=True, eps=1e-6):
        d = Draw(f"layer_norm/{name}")
        n = shape[-1]
        inputs = [d.normal(*shape, std=1.5)] + ([d.uniform(0.5, 1.5, n)] if weight else [])
        run = lambda x, w=None: F.rms_norm(x, (n,), w, r(eps))
        attrs = dict(eps=r(eps), weight=weight)
        golden(f"layer_norm/{name}", "rms_norm", attrs, inputs, run, terms=max(n, x_rows(shape)), ulps=DIVISION)

    x_rows = lambda shape: max(1, torch.Size(shape[:-1]).numel())
    layer("plain", (5, 7), weight=False, bias=False)
    layer("affine", (3, 4, 10))
    layer("weight", (6, 12), bias=False)
    layer("bias", (6, 12), weight=False)
    layer("large_eps", (4, 9), eps=0.3)
    layer("long", (2, 150))
    rms("rms_plain", (5, 7), weight=False)
    rms("rms_weight", (3, 4, 12))
    rms("rms_large_eps", (4, 9), eps=0.3)
    rms("rms_long", (2, 150))


def embeddings():
    def case(name, table, index, padding=None):
        d = Draw(f"embedding/{name}")
        run = lambda t, i: F.embedding(i, t, padding_idx=padding)
        golden(f"embedding/{name}", "embedding", dict(padding=padding), [d.normal(*table), index], run,
               terms=index.numel())

    below = lambda name, bound, *shape: Draw(name).below(bound, *shape)
    case("repeated", (7, 5), below("repeated", 7, 3, 11))
    case("sparse", (300, 4), below("sparse", 300, 2, 9))
    case("one_index", (4, 8), torch.full((130,), 2))
    case("padding", (6, 4), below("padding", 6, 40), padding=3)
    case("padding_first", (6, 3), below("padding_first", 6, 5, 5), padding=0)
    case("two_digits", (1500, 2), below("two_digits", 1500, 400))


def rotary():
    def angles(t, d, base, start):
        frequency = base ** (-torch.arange(0, d, 2) / d)
        return (start + torch.arange(t, dtype=torch.float64))[:, None] * frequency

    def halves(x, base, start):
        a = angles(*x.shape[-2:], base, start)
        a = torch.cat([a, a], -1)
        first, second = x.chunk(2, -1)
        return x * a.cos() + torch.cat([-second, first], -1) * a.sin()

    def interleaved(x, base, start):
        a = torch.repeat_interleave(angles(*x.shape[-2:], base, start), 2, -1)
        turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
        return x * a.cos() + turned * a.sin()

    for kind, run in [("halves", halves), ("interleaved", interleaved)]:
        for name, shape, base, start in [
            ("plain", (2, 3, 9, 8), 10_000.0, None),
            ("odd", (5, 6), 10_000.0, None),
            ("started", (2, 4, 16), 500_000.0, 1000),
            ("far", (3, 8), 10_000.0, 100_000),
        ]:
            d = Draw(f"rotary/{name}")
            inputs = [d.normal(*shape)] + ([torch.tensor([start])] if start else [])
            attrs = dict(base=base, interleaved=kind == "interleaved")
            forward = lambda x, s=None, b=base, f=run: f(x, b, 0 if s is None else int(s))
            golden(f"rotary/{kind}_{name}", "rotary", attrs, inputs, forward, terms=2)


def padded():
    d = Draw("padded")
    x, lengths = d.normal(5, 6, 4), torch.tensor([0, 1, 4, 6, 5])
    valid = (torch.arange(6) < lengths[:, None])[..., None].double()
    last = (torch.arange(6) == lengths[:, None] - 1)[..., None].double()
    mean = lambda x, n: (x * valid).sum(1) / n.clamp(min=1)[:, None]
    golden("mask_rows/mixed", "mask_rows", {}, [x, lengths], lambda x, n: x * valid)
    golden("mean_rows/mixed", "mean_rows", {}, [x, lengths], mean, terms=6, ulps=DIVISION)
    golden("take_row/mixed", "take_row", {}, [x, lengths], lambda x, n: (x * last).sum(1))


if __name__ == "__main__":
    for make in [norms, embeddings, rotary, padded]:
        make()
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "sequence.safetensors"))
