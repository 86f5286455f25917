"""Makes attention.safetensors: what PyTorch computes for attention, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_attention.py

The format is that of make_goldens.py, which says how to read it. Inputs are q,
k, v, then lengths and the additive mask where `attrs` has them. A row that sees
no key is 0 and passes no gradient. Wherever every row sees a key, the formula
written out here is checked against F.scaled_dot_product_attention.
"""

import os

import numpy as np
import torch
import torch.nn.functional as F

from make_goldens import GOLDENS, TENSORS, Draw, write

EXP = 64  # WGSL allows exp 3 + 2|x| units in the last place.


def keep(name, what, tensor, result=False):
    """As `put` of make_goldens.py, but an additive mask may hold minus infinity."""
    assert not torch.isnan(tensor).any(), (name, what)
    array = tensor.detach().numpy()
    array = array.astype(np.uint32 if not tensor.is_floating_point() else np.float64 if result else np.float32)
    assert result or (array == tensor.detach().numpy()).all(), (name, what)
    TENSORS[f"{name}/{what}"] = np.ascontiguousarray(array).reshape(array.shape)


def golden(name, op, attrs, inputs, learn, forward, terms):
    """Runs `forward` and keeps inputs, output, cotangent and the gradients of `learn`."""
    for i, x in enumerate(inputs):
        keep(name, f"x{i}", x)
    leaves = [x.clone().requires_grad_(i in learn) for i, x in enumerate(inputs)]
    y = forward(*leaves)
    c = Draw(name + "/cotangents").normal(*y.shape)
    keep(name, "y0", y, result=True)
    keep(name, "c0", c)
    for i, d in zip(learn, torch.autograd.grad((c * y).sum(), [leaves[i] for i in learn])):
        keep(name, f"d{i}", d, result=True)
    GOLDENS.append(dict(name=name, op=op, attrs=attrs, inputs=len(inputs), outputs=1, updates=0, gradients=learn,
                        terms=terms, ulps=EXP))


def attention(name, b, heads, t, d, dv=None, causal=False, lengths=None, mask=None, scale=None):
    """`heads` and `t`: of queries and of keys; `mask`: its shape before [Tq, Tk]."""
    name = f"attention/{name}"
    draw = Draw(name)
    (hq, hkv), (tq, tk), dv = heads, t, dv or d
    inputs = [draw.normal(b, hq, tq, d), draw.normal(b, hkv, tk, d), draw.normal(b, hkv, tk, dv)]
    if lengths is not None:
        inputs.append(torch.tensor(lengths))
    if mask is not None:
        added = draw.normal(*mask, tq, tk)
        inputs.append(added.masked_fill(draw.uniform(0, 1, *mask, tq, tk) < 0.2, -torch.inf))

    def run(q, k, v, *rest):
        rest = list(rest)
        seen = rest.pop(0) if lengths is not None else torch.full((b,), tk)
        hidden = torch.arange(tk) >= seen.reshape(b, 1, 1, 1)
        if causal:
            hidden = hidden | (torch.arange(tk) > torch.arange(tq).reshape(tq, 1))
        added = torch.zeros(1, 1, 1, 1).masked_fill(hidden, -torch.inf).expand(b, hq, tq, tk)
        if mask is not None:
            added = added + rest.pop(0)
        blind = (added == -torch.inf).all(-1, keepdim=True)
        k2, v2 = (x.repeat_interleave(hq // hkv, 1) for x in (k, v))
        s = (d**-0.5 if scale is None else scale) * q @ k2.transpose(-1, -2)
        p = torch.softmax(torch.where(blind, 0.0, s + added), -1)
        o = torch.where(blind, 0.0, p) @ v2
        if not blind.any():
            torch_o = F.scaled_dot_product_attention(q, k, v, attn_mask=added, scale=scale, enable_gqa=True)
            assert (o - torch_o).abs().max() < 1e-12, name
            if causal and lengths is None and mask is None:
                torch_o = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=True)
                assert (o - torch_o).abs().max() < 1e-12, name
        return o

    attrs = dict(causal=causal, scale=scale, lengths=lengths is not None, mask=mask is not None)
    # With one key its share is 1 whatever q and k are: their gradients are zero,
    # and what PyTorch gives is rounding.
    learn = [0, 1, 2] if tk > 1 else [2]
    golden(name, "attention", attrs, inputs, learn, run, max(tk, tq * (hq // hkv), d, dv))


def multi_head(name, b, t, width, heads, causal=False, lengths=None):
    """torch.nn.MultiheadAttention: inputs x, in_proj weight and bias, out_proj weight and bias, lengths."""
    name = f"attention/{name}"
    draw = Draw(name)
    inputs = [draw.normal(b, t, width), draw.normal(3 * width, width, std=0.3), draw.normal(3 * width),
              draw.normal(width, width, std=0.3), draw.normal(width)]
    if lengths is not None:
        inputs.append(torch.tensor(lengths))

    def run(x, *parameters):
        layer = torch.nn.MultiheadAttention(width, heads, batch_first=True, dtype=torch.float64)
        names = ["in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"]
        padding = None if lengths is None else torch.arange(t) >= parameters[4].reshape(b, 1)
        above = torch.ones(t, t, dtype=torch.bool).triu(1) if causal else None
        call = dict(key_padding_mask=padding, attn_mask=above, need_weights=False)
        return torch.func.functional_call(layer, dict(zip(names, parameters)), (x, x, x), call)[0]

    attrs = dict(heads=[heads, heads], causal=causal, lengths=lengths is not None)
    golden(name, "multi_head_attention", attrs, inputs, [0, 1, 2, 3, 4], run, max(b * t, width))


def main():
    for d in [8, 16, 32, 64, 80, 128]:
        attention(f"one_{d}", 1, (2, 1), (1, 1), d, scale=0.5)
    attention("63_lengths", 3, (2, 2), (63, 63), 8, lengths=[63, 20, 0])
    attention("64_causal_grouped", 1, (4, 2), (64, 64), 16, causal=True)
    attention("64_width_32", 1, (1, 1), (64, 64), 32, causal=True)
    attention("65_mask_shared", 1, (2, 2), (65, 65), 8, mask=())
    attention("65_all", 2, (2, 1), (65, 65), 16, causal=True, lengths=[65, 40], mask=(2, 2))
    attention("257_none", 1, (1, 1), (257, 257), 8)
    attention("257_causal_lengths", 2, (1, 1), (257, 257), 8, causal=True, lengths=[257, 130])
    attention("257_mask_of_samples", 2, (2, 2), (9, 257), 8, mask=(2, 1))
    attention("257_queries_of_one_key", 1, (2, 1), (257, 1), 8)
    attention("one_query_of_257", 1, (3, 1), (1, 257), 16)
    attention("63_of_65_causal", 1, (1, 1), (63, 65), 16, causal=True)
    attention("65_of_63_causal", 1, (1, 1), (65, 63), 16, causal=True)
    attention("width_64", 1, (1, 1), (33, 63), 64, causal=True)
    attention("width_80", 1, (2, 1), (20, 33), 80, dv=16, lengths=[30])
    attention("width_128", 1, (2, 1), (33, 34), 128, mask=(1, 2))
    attention("odd", 2, (3, 3), (5, 7), 5, dv=3, scale=-0.25)
    multi_head("multi_head", 2, 7, 12, 3)
    multi_head("multi_head_causal", 2, 33, 16, 2, causal=True, lengths=[33, 12])


if __name__ == "__main__":
    main()
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "attention.safetensors"))
