"""Makes windows.safetensors: convolutions and pools whose windows reach beyond
what they look at, as PyTorch computes them, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_windows.py

The format is that of make_goldens.py. Names end in what is special: a tap that
never meets the input, a window larger than it, windows that lie in the padding.
"""

import os

import numpy as np
import torch.nn.functional as F

from make_goldens import DIVISION, Draw, golden, write


def convolutions():
    def case(name, x, w, padding, stride=(1, 1), dilation=(1, 1), groups=1):
        d = Draw(f"beyond/{name}")
        inputs = [d.normal(*x), d.normal(*w, std=0.5), d.normal(w[0])]
        attrs = dict(stride=stride, dilation=dilation, groups=groups, padding=padding)

        def run(x, w, b):
            if padding == "same":
                return F.conv2d(x, w, b, stride, "same", dilation, groups)
            down, across = padding
            return F.conv2d(F.pad(x, (*across, *down)), w, b, stride, 0, dilation, groups)

        terms = max(int(np.prod(w[1:])), x[0] * x[2] * x[3] * 4, w[0] * w[2] * w[3])
        golden(f"conv2d/beyond_{name}", "conv2d", attrs, inputs, run, terms=terms)

    case("dilated", (2, 2, 8, 8), (3, 2, 3, 3), "same", dilation=(9, 9))
    case("window", (2, 1, 3, 3), (2, 1, 8, 8), "same")
    case("sequence", (2, 3, 1, 6), (4, 3, 1, 3), "same", dilation=(1, 8))
    case("column", (2, 3, 5, 1), (4, 3, 4, 4), "same")
    case("causal", (2, 3, 1, 1), (4, 3, 1, 3), [[0, 0], [4, 0]], dilation=(1, 2))
    case("stride", (2, 2, 7, 5), (3, 2, 3, 3), [[9, 8], [7, 8]], stride=(2, 3), dilation=(9, 8))
    case("groups", (2, 6, 4, 3), (8, 3, 5, 5), "same", dilation=(1, 4), groups=2)
    case("depthwise", (2, 5, 3, 4), (5, 1, 7, 3), "same", dilation=(1, 6), groups=5)
    case("padding", (1, 16, 2, 3), (17, 16, 3, 3), [[9, 4], [5, 9]])
    case("many_channels", (1, 33, 4, 5), (34, 33, 3, 3), "same", dilation=(4, 6))


def pools():
    def maximum(name, x, kernel, stride, padding, dilation=(1, 1), ceil=False):
        attrs = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)
        run = lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil, return_indices=True)
        inputs = [Draw(f"beyond/max_{name}").normal(*x)]
        golden(f"max_pool2d/beyond_{name}", "max_pool2d", attrs, inputs, run, terms=kernel[0] * kernel[1])

    def average(name, x, kernel, stride, padding, ceil=False, include=True):
        attrs = dict(kernel=kernel, stride=stride, padding=padding, ceil=ceil, count_include_pad=include)
        run = lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, include)
        inputs = [Draw(f"beyond/average_{name}").normal(*x)]
        golden(f"avg_pool2d/beyond_{name}", "avg_pool2d", attrs, inputs, run, terms=kernel[0] * kernel[1], ulps=DIVISION)

    maximum("window", (2, 2, 3, 2), (5, 4), (1, 1), (2, 2))
    maximum("sequence", (2, 3, 1, 3), (1, 7), (1, 2), (0, 3))
    maximum("dilated", (1, 2, 3, 5), (3, 3), (1, 1), (1, 1), dilation=(2, 3))
    maximum("ceil", (1, 2, 2, 3), (4, 5), (3, 2), (2, 2), ceil=True)
    for include in (True, False):
        name = "" if include else "_not_counted"
        average(f"window{name}", (2, 2, 3, 2), (5, 4), (1, 1), (2, 2), include=include)
        average(f"sequence{name}", (2, 3, 1, 3), (1, 7), (1, 2), (0, 3), include=include)
        average(f"ceil{name}", (1, 2, 2, 3), (4, 5), (3, 2), (2, 2), ceil=True, include=include)


if __name__ == "__main__":
    convolutions()
    pools()
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "windows.safetensors"))
