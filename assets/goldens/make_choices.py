"""Makes choices.safetensors: ops that choose, order and move elements, and functions and
arithmetic that imported models have, as PyTorch computes them, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_choices.py

The format is that of make_goldens.py.
"""

import os

import torch
import torch.nn.functional as F

from make_goldens import DIVISION, EXP, Draw, golden, r, write


def choices():
    d = Draw("choices")
    golden("select/mask", "select", {}, [d.grid(4, 1, 5, values=2), d.normal(4, 3, 5), d.normal(3, 1)],
           lambda c, a, b: torch.where(c != 0, a, b), terms=60, gradients=[1, 2])
    for name, largest in [("largest", True), ("smallest", False)]:
        pick = torch.argmax if largest else torch.argmin
        golden(f"arg_max/{name}", "arg_max", dict(axis=1, largest=largest), [d.normal(3, 17, 5)],
               lambda x, pick=pick: pick(x, 1), gradients=[])
        golden(f"top_k/{name}", "top_k", dict(k=4, axis=1, largest=largest), [d.normal(3, 17, 5)],
               lambda x, largest=largest: torch.topk(x, 4, 1, largest))
    golden("index_float/there", "index_to_float", {}, [d.below(1000, 7, 3)], lambda x: x.to(torch.float64), gradients=[])
    golden("index_float/back", "float_to_index", {}, [d.uniform(0, 99, 7, 3)], lambda x: x.to(torch.int64), gradients=[])
    golden("cumulative/sum", "cumsum", dict(axis=1, reverse=False), [d.normal(3, 17, 5)],
           lambda x: torch.cumsum(x, 1), terms=17)
    golden("cumulative/sum_reverse", "cumsum", dict(axis=0, reverse=True), [d.normal(9, 4)],
           lambda x: torch.flip(torch.cumsum(torch.flip(x, [0]), 0), [0]), terms=9)
    zeros = d.normal(3, 11)
    zeros[1, 4] = 0.0
    zeros[2, 3] = zeros[2, 7] = 0.0
    golden("cumulative/product", "cumprod", dict(axis=1, reverse=False), [zeros], lambda x: torch.cumprod(x, 1),
           terms=66, ulps=DIVISION)


def scatter():
    d = Draw("scatter")
    index = torch.tensor([2, 0, 4, 2, 2, 0])
    x, u = lambda: d.normal(6, 3), lambda: d.normal(6, 3)
    golden("scatter_rows/add", "scatter_rows", dict(mode="add"), [x(), index, u()],
           lambda x, i, u: x.index_add(0, i, u), terms=6, gradients=[0, 2])
    once = torch.tensor([5, 1, 3])
    golden("scatter_rows/replace", "scatter_rows", dict(mode="replace"), [x(), once, d.normal(3, 3)],
           lambda x, i, u: x.index_copy(0, i, u), gradients=[0, 2])
    for mode, name in [("mul", "prod"), ("max", "amax"), ("min", "amin")]:
        golden(f"scatter_rows/{mode}", "scatter_rows", dict(mode=mode), [x(), index, u()],
               lambda x, i, u, name=name: x.scatter_reduce(0, i[:, None].expand(-1, 3), u, name), terms=6,
               ulps=DIVISION, gradients=[0, 2])


def grids():
    d = Draw("grids")
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            corners = padding == "border"
            attrs = dict(mode=mode, padding=padding, align_corners=corners)
            run = lambda x, g, m=mode, p=padding, c=corners: F.grid_sample(x, g, m, p, c)
            inputs = [d.normal(2, 3, 5, 4), d.uniform(-1.3, 1.3, 2, 3, 4, 2)]
            golden(f"grid_sample/{mode}_{padding}", "grid_sample", attrs, inputs, run, terms=64, ulps=DIVISION)


def functions():
    d = Draw("functions")
    inner, plain = (lambda: d.uniform(-0.9, 0.9, 3, 11)), (lambda: d.normal(3, 11))
    above = lambda: d.uniform(1.1, 4.0, 3, 11)
    cases = {
        "reciprocal": (above, torch.reciprocal, []), "sin": (plain, torch.sin, []), "cos": (plain, torch.cos, []),
        "tan": (inner, torch.tan, []), "asin": (inner, torch.asin, []), "acos": (inner, torch.acos, []),
        "atan": (plain, torch.atan, []), "sinh": (plain, torch.sinh, []), "cosh": (plain, torch.cosh, []),
        "asinh": (plain, torch.asinh, []), "acosh": (above, torch.acosh, []), "atanh": (inner, torch.atanh, []),
        "erf": (plain, torch.erf, []), "softsign": (plain, F.softsign, []), "mish": (plain, F.mish, []),
        "celu": (plain, lambda x: F.celu(x, r(1.5)), [r(1.5)]),
        "hard_sigmoid": (plain, F.hardsigmoid, [r(1 / 6), 0.5]),
        "thresholded_relu": (plain, lambda x: F.threshold(x, 0.5, 0.0), [0.5]),
        "clip": (plain, lambda x: torch.clamp(x, -0.5, 0.75), [-0.5, 0.75]),
        "round": (lambda: d.uniform(-4, 4, 3, 11), torch.round, []),
    }
    for name, (draw, run, constants) in cases.items():
        # 1 / 6 is no number of f32: the slope is the nearest one, which shows in the ninth digit.
        if name == "hard_sigmoid":
            run = lambda x: torch.clamp(r(1 / 6) * x + 0.5, 0.0, 1.0)
        golden(f"unary/{name}", "unary", dict(function=name, constants=constants), [draw()], run, ulps=4 * EXP)


def arithmetic():
    d = Draw("arithmetic")
    golden("binary/maximum", "binary", dict(op="maximum"), [d.grid(4, 5), d.grid(5)], torch.maximum, terms=4)
    golden("binary/minimum", "binary", dict(op="minimum"), [d.grid(4, 5), d.grid(5)], torch.minimum, terms=4)
    golden("binary/power", "binary", dict(op="power"), [d.uniform(0.2, 3, 4, 5), d.normal(5)], torch.pow, terms=4,
           ulps=4 * EXP)
    golden("binary/modulo", "binary", dict(op="modulo"), [d.normal(4, 5, std=4.0), d.uniform(0.5, 2, 5)],
           torch.remainder, ulps=DIVISION, gradients=[0])
    golden("binary/fmod", "binary", dict(op="fmod"), [d.normal(4, 5, std=4.0), d.uniform(0.5, 2, 5)], torch.fmod,
           ulps=DIVISION, gradients=[0])
    golden("reduce/min", "reduce", dict(fold="min", axes=[1], keep=False), [d.normal(3, 7, 2)],
           lambda x: torch.amin(x, 1))
    zeros = d.normal(4, 6)
    zeros[1, 2] = 0.0
    zeros[2, 1] = zeros[2, 5] = 0.0
    golden("reduce/prod", "reduce", dict(fold="prod", axes=[1], keep=False), [zeros], lambda x: torch.prod(x, 1),
           terms=6, ulps=DIVISION)


if __name__ == "__main__":
    for part in (choices, scatter, grids, functions, arithmetic):
        part()
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "choices.safetensors"))
