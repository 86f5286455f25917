"""Makes ops.safetensors: what PyTorch computes, op by op, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_goldens.py

Inputs and attributes are numbers that f32 holds, so that a GPU and the f64
judge start from the same ones; results are F64. Each golden has its own seed,
so that adding one leaves the others as they are. tests/goldens.rs reads the
file: tensors are named `GOLDEN/x0`, `GOLDEN/y0`, `GOLDEN/c0` (the cotangent of
y0) and `GOLDEN/d0` (the gradient of x0); the metadata key `goldens` lists op,
attributes, the longest sum (`terms`) and the allowance for inexact functions in
units in the last place (`ulps`), both for the tolerance on GPUs.
"""

import json
import os
import struct
import zlib

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

EXP = 64  # WGSL allows exp 3 + 2|x| units in the last place, and tanh follows from it.
DIVISION = 16  # WGSL allows division and square root 2.5 each.

TENSORS = {}
GOLDENS = []


def r(value):
    """The nearest number that f32 holds."""
    return float(np.float32(value))


class Draw:
    """Random tensors of f32 numbers, from the golden's name."""

    def __init__(self, name):
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))

    def normal(self, *shape, std=1.0):
        return torch.from_numpy(np.asarray(std * self.rng.standard_normal(shape), np.float32).astype(np.float64))

    def uniform(self, low, high, *shape):
        return torch.from_numpy(self.rng.uniform(low, high, shape).astype(np.float32).astype(np.float64))

    def grid(self, *shape, values=4):
        """Small integers: full of ties."""
        return torch.from_numpy(self.rng.integers(0, values, shape).astype(np.float64))

    def below(self, bound, *shape):
        return torch.from_numpy(self.rng.integers(0, bound, shape))


def golden(name, op, attrs, inputs, forward, terms=1, ulps=0, updates=0, gradients=None):
    """Runs `forward` on the inputs and keeps outputs and gradients.

    The last `updates` inputs are written in place; what they hold afterwards is
    kept as further outputs without cotangents.
    """
    draw = Draw(name + "/cotangents")
    floats = [i for i, x in enumerate(inputs[: len(inputs) - updates]) if x.is_floating_point()]
    wanted = floats if gradients is None else gradients
    for i, x in enumerate(inputs):
        put(name, f"x{i}", x)
    leaves = [x.clone() for x in inputs]
    for i in wanted:
        leaves[i].requires_grad_(True)
    outputs = forward(*leaves)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    loss = 0.0
    for i, y in enumerate(outputs):
        put(name, f"y{i}", y.detach(), result=True)
        if wanted and y.is_floating_point():
            c = draw.normal(*y.shape)
            put(name, f"c{i}", c)
            loss = loss + (c * y).sum()
    if wanted:
        for i, d in zip(wanted, torch.autograd.grad(loss, [leaves[i] for i in wanted])):
            put(name, f"d{i}", d, result=True)
    for i in range(len(inputs) - updates, len(inputs)):
        put(name, f"u{i}", leaves[i].detach(), result=True)
    GOLDENS.append(
        dict(name=name, op=op, attrs=attrs, inputs=len(inputs), outputs=len(outputs), updates=updates,
             gradients=wanted, terms=terms, ulps=ulps)
    )


def put(name, what, tensor, result=False):
    assert torch.isfinite(tensor).all(), (name, what)
    array = tensor.numpy()
    if not tensor.is_floating_point():
        array = array.astype(np.uint32)
    elif not result:
        assert (array == array.astype(np.float32)).all(), (name, what)
        array = array.astype(np.float32)
    TENSORS[f"{name}/{what}"] = np.ascontiguousarray(array).reshape(array.shape)


def matmul():
    for form in ["nn", "nt", "tn", "tt"]:
        d = Draw(form)
        a = d.normal(*((7, 5) if form[0] == "t" else (5, 7)))
        b = d.normal(*((3, 7) if form[1] == "t" else (7, 3)))
        t = lambda x, on: x.transpose(-1, -2) if on == "t" else x
        attrs = dict(transpose_a=form[0] == "t", transpose_b=form[1] == "t")
        golden(f"matmul/{form}", "matmul", attrs, [a, b], lambda a, b, f=form: t(a, f[0]) @ t(b, f[1]), terms=7)
    d = Draw("batched")
    attrs = dict(transpose_a=False, transpose_b=False)
    golden("matmul/batched", "matmul", attrs, [d.normal(2, 3, 4, 5), d.normal(2, 3, 5, 6)], torch.matmul, terms=6)
    golden("matmul/one_for_all", "matmul", attrs, [d.normal(3, 4, 5), d.normal(5, 6)], torch.matmul, terms=12)
    golden("matmul/linear", "linear", {}, [d.normal(6, 5), d.normal(4, 5), d.normal(4)], F.linear, terms=6)


def conv2d():
    def case(name, x, w, bias=True, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
        d = Draw(name)
        inputs = [d.normal(*x), d.normal(*w, std=0.5)] + ([d.normal(w[0])] if bias else [])
        attrs = dict(stride=stride, dilation=dilation, groups=groups)
        attrs["padding"] = padding if padding == "same" else [[p, p] for p in padding]
        run = lambda x, w, b=None: F.conv2d(x, w, b, stride, padding, dilation, groups)
        terms = max(int(np.prod(w[1:])), x[0] * x[2] * x[3], w[0] * w[2] * w[3])
        golden(f"conv2d/{name}", "conv2d", attrs, inputs, run, terms=terms)

    case("plain", (2, 3, 6, 7), (4, 3, 3, 3))
    case("no_bias", (1, 2, 5, 5), (3, 2, 3, 3), bias=False)
    case("pointwise", (2, 4, 3, 5), (3, 4, 1, 1))
    case("stride", (2, 2, 8, 7), (3, 2, 3, 2), stride=(2, 3))
    case("padding", (1, 2, 5, 6), (3, 2, 3, 5), padding=(1, 2))
    case("dilation", (1, 2, 9, 8), (2, 2, 3, 2), dilation=(2, 3))
    case("everything", (2, 4, 9, 10), (6, 2, 3, 3), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2)
    case("depthwise", (2, 3, 6, 6), (6, 1, 3, 3), padding=(1, 1), groups=3)
    case("same_odd", (1, 2, 6, 5), (2, 2, 3, 5), padding="same")
    case("same_even", (1, 2, 6, 5), (2, 2, 2, 4), padding="same")
    case("same_dilated", (1, 2, 7, 6), (2, 2, 2, 3), padding="same", dilation=(3, 2))


def pools():
    def maximum(name, x, kernel, stride=None, padding=(0, 0), dilation=(1, 1), ceil=False):
        stride = stride or kernel
        attrs = dict(kernel=kernel, stride=stride, padding=padding, dilation=dilation, ceil=ceil)
        run = lambda x: F.max_pool2d(x, kernel, stride, padding, dilation, ceil, return_indices=True)
        golden(f"max_pool2d/{name}", "max_pool2d", attrs, [x], run, terms=kernel[0] * kernel[1])

    d = Draw("max_pool2d")
    maximum("plain", d.normal(2, 2, 6, 4), (2, 2))
    maximum("odd", d.normal(1, 2, 7, 5), (2, 2))
    maximum("overlap", d.normal(2, 1, 7, 7), (3, 3), stride=(2, 1))
    maximum("padding", -d.uniform(1, 2, 1, 2, 5, 6), (3, 4), stride=(2, 2), padding=(1, 2))
    maximum("dilation", d.normal(1, 1, 9, 8), (3, 2), stride=(1, 2), dilation=(2, 3))
    maximum("ceil", d.normal(1, 2, 7, 8), (3, 3), stride=(2, 2), ceil=True)
    maximum("ceil_padding", d.normal(1, 1, 6, 7), (2, 3), stride=(3, 3), padding=(1, 1), ceil=True)
    maximum("ties", d.grid(2, 2, 6, 6, values=2), (3, 3), stride=(1, 2))

    def average(name, x, kernel, stride=None, padding=(0, 0), ceil=False, include=True):
        stride = stride or kernel
        attrs = dict(kernel=kernel, stride=stride, padding=padding, ceil=ceil, count_include_pad=include)
        run = lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, include)
        golden(f"avg_pool2d/{name}", "avg_pool2d", attrs, [x], run, terms=kernel[0] * kernel[1], ulps=DIVISION)

    d = Draw("avg_pool2d")
    average("plain", d.normal(2, 2, 6, 4), (2, 2))
    average("overlap", d.normal(1, 2, 7, 6), (3, 2), stride=(2, 1))
    average("padding", d.normal(1, 2, 5, 6), (3, 4), stride=(2, 2), padding=(1, 2))
    average("padding_not_counted", d.normal(1, 2, 5, 6), (3, 4), stride=(2, 2), padding=(1, 2), include=False)
    average("ceil", d.normal(1, 2, 7, 8), (3, 3), stride=(2, 2), ceil=True)
    average("ceil_padding", d.normal(1, 1, 6, 7), (2, 3), stride=(3, 3), padding=(1, 1), ceil=True)
    average("ceil_padding_not_counted", d.normal(1, 1, 6, 7), (2, 3), stride=(3, 3), padding=(1, 1), ceil=True, include=False)


def elementwise():
    c = dict(leaky=r(0.01), elu=r(1.3))
    functions = dict(
        relu=(F.relu, {}), leaky_relu=(lambda x: F.leaky_relu(x, c["leaky"]), dict(a=c["leaky"])),
        elu=(lambda x: F.elu(x, c["elu"]), dict(a=c["elu"])), gelu=(F.gelu, {}),
        gelu_tanh=(lambda x: F.gelu(x, approximate="tanh"), {}), silu=(F.silu, {}), sigmoid=(torch.sigmoid, {}),
        tanh=(torch.tanh, {}), hard_swish=(F.hardswish, {}), exp=(torch.exp, {}), square=(torch.square, {}),
        # The threshold above which PyTorch returns x itself is far out here.
        softplus=(lambda x: F.softplus(x, threshold=1000.0), {}), abs=(torch.abs, {}),
    )
    # Kinks and joints of the pieces, then both tails.
    marks = torch.tensor([0.0, 1.0, -1.0, 3.0, -3.0, 2.5, -2.5, 8.0, -8.0, 1e-3, -1e-3])
    marks = torch.from_numpy(marks.numpy().astype(np.float32).astype(np.float64))
    for name, (f, attrs) in functions.items():
        x = torch.cat([marks, Draw(name).normal(10, std=2.0)])
        golden(f"unary/{name}", "unary", dict(function=name, **attrs), [x], f, ulps=EXP)
    for name, f in dict(ln=torch.log, sqrt=torch.sqrt).items():
        golden(f"unary/{name}", "unary", dict(function=name), [Draw(name).uniform(0.01, 9, 16)], f, ulps=EXP)

    d = Draw("binary")
    for name, f in dict(add=torch.add, sub=torch.sub, mul=torch.mul, div=torch.div).items():
        golden(f"binary/{name}", "binary", dict(op=name), [d.normal(3, 4), d.uniform(0.5, 2, 3, 4)], f, ulps=DIVISION)
    inputs = [d.normal(2, 1, 4), d.uniform(0.5, 2, 3, 1)]
    golden("binary/broadcast", "binary", dict(op="div"), inputs, torch.div, terms=8, ulps=DIVISION)


def shapes():
    d = Draw("rearrange")
    x = lambda: d.normal(2, 3, 4)
    golden("rearrange/permute", "permute", dict(order=[2, 0, 1]), [x()], lambda x: x.permute(2, 0, 1))
    golden("rearrange/slice", "slice", dict(axis=2, start=1, end=4, step=2), [x()], lambda x: x[:, :, 1:4:2])
    pads = dict(widths=[[1, 0], [0, 2], [2, 1]], fill=r(0.3))
    golden("rearrange/pad", "pad", pads, [x()], lambda x: F.pad(x, (2, 1, 0, 2, 1, 0), value=pads["fill"]))
    golden("rearrange/flip", "flip", dict(axis=1), [x()], lambda x: x.flip(1))
    golden("rearrange/expand", "expand", dict(shape=[5, 2, 3, 4]), [d.normal(2, 1, 4)], lambda x: x.expand(5, 2, 3, 4), terms=15)
    golden("reshape/reshape", "reshape", dict(shape=[4, 6]), [x()], lambda x: x.reshape(4, 6))
    parts = [d.normal(2, 1, 3), d.normal(2, 4, 3), d.normal(2, 2, 3)]
    golden("concat/middle", "concat", dict(axis=1), parts, lambda *x: torch.cat(x, 1))

    folds = dict(sum=torch.sum, mean=torch.mean, max=torch.amax)
    for fold, f in folds.items():
        for axes, keep in [([0, 1, 2], False), ([1], True), ([0, 2], False)]:
            attrs = dict(fold=fold, axes=axes, keep=keep)
            name = f"reduce/{fold}_{''.join(map(str, axes))}"
            golden(name, "reduce", attrs, [x()], lambda x, f=f, a=axes, k=keep: f(x, dim=a, keepdim=k), terms=24, ulps=DIVISION)
    # PyTorch spreads the gradient of amax evenly over the elements that tie.
    attrs = dict(fold="max", axes=[0, 2], keep=False)
    golden("reduce/max_ties", "reduce", attrs, [d.grid(3, 4, 5, values=3)], lambda x: torch.amax(x, dim=[0, 2]), terms=15, ulps=DIVISION)


def softmax():
    d = Draw("softmax")
    for name, f in dict(softmax=F.softmax, log_softmax=F.log_softmax).items():
        for axis in [0, 1, 2]:
            run = lambda x, f=f, a=axis: f(x, dim=a)
            golden(f"softmax/{name}_{axis}", name, dict(axis=axis), [d.normal(3, 5, 4, std=2)], run, terms=5, ulps=EXP)
        # Logits far from zero overflow a softmax that does not subtract the maximum.
        x = d.normal(2, 7, std=3) + 1024.0
        golden(f"softmax/{name}_far", name, dict(axis=1), [x.float().double()], lambda x, f=f: f(x, dim=1), terms=7, ulps=EXP)


def batch_norm():
    def case(name, shape, rows=None, momentum=0.1, eps=1e-5):
        d = Draw(name)
        c = shape[1]
        momentum, eps = r(momentum), r(eps)
        inputs = [d.normal(*shape, std=2.0) + 0.5, d.uniform(0.5, 1.5, c), d.normal(c)]
        attrs = dict(momentum=momentum, eps=eps, masked=rows is not None)
        if rows is not None:
            inputs.append(torch.tensor([rows]))
        inputs += [d.normal(c), d.uniform(0.5, 2, c)]

        def run(x, gamma, beta, *rest):
            mean, var = rest[-2:]
            if rows is None:
                return F.batch_norm(x, mean, var, gamma, beta, True, momentum, eps)
            # Only the rows that count make statistics; the others are normalised with them.
            valid = F.batch_norm(x[:rows], mean, var, gamma, beta, True, momentum, eps)
            axes = [0] + list(range(2, x.dim()))
            side = [1, -1] + [1] * (x.dim() - 2)
            m = x[:rows].mean(dim=axes).reshape(side)
            v = x[:rows].var(dim=axes, unbiased=False).reshape(side)
            other = (x[rows:] - m) / (v + eps).sqrt() * gamma.reshape(side) + beta.reshape(side)
            return torch.cat([valid, other])

        inputs[0] = inputs[0].float().double()
        golden(f"batch_norm/{name}", "batch_norm", attrs, inputs, run, terms=int(np.prod(shape)) // c, ulps=DIVISION, updates=2)

    case("images", (3, 4, 2, 5))
    case("dense", (6, 3))
    case("masked", (6, 3, 4), rows=4)
    case("sequence", (2, 3, 4), momentum=0.25, eps=1e-3)
    d = Draw("eval")
    c = 4
    inputs = [d.normal(2, c, 3, 2), d.uniform(0.5, 1.5, c), d.normal(c), d.normal(c), d.uniform(0.5, 2, c)]
    eps = r(1e-5)
    run = lambda x, gamma, beta, mean, var: F.batch_norm(x, mean, var, gamma, beta, False, 0.1, eps)
    golden("batch_norm/eval", "batch_norm_eval", dict(eps=eps), inputs, run, terms=12, ulps=DIVISION, gradients=[0, 1, 2])


def losses():
    def classes(name, shape, classes, soft=False, rows=None, weights=False, smoothing=0.0, ignore=None):
        d = Draw(name)
        smoothing = r(smoothing)
        logits = d.normal(*shape, classes, std=2)
        if soft:
            target = F.softmax(d.normal(*shape, classes), dim=-1).float().double()
        else:
            target = d.below(classes, *shape)
        inputs = [logits, target]
        inputs += [d.uniform(0.2, 2, classes)] if weights else []
        inputs += [torch.tensor([rows])] if rows is not None else []
        attrs = dict(smoothing=smoothing, ignore=ignore, weighted=weights, masked=rows is not None)

        def run(logits, target, *rest):
            # Rows that do not count are as if they were not there.
            x, t = logits[:rows].flatten(0, -2), target[:rows]
            t = t.flatten(0, -2) if soft else t.flatten()
            w = rest[0] if weights else None
            return F.cross_entropy(x, t, weight=w, label_smoothing=smoothing, ignore_index=-100 if ignore is None else ignore)

        terms = int(np.prod(shape)) * classes
        golden(f"cross_entropy/{name}", "cross_entropy", attrs, inputs, run, terms=terms, ulps=EXP, gradients=[0])

    classes("plain", [6], 5)
    classes("weights", [8], 4, weights=True)
    classes("smoothing", [6], 5, smoothing=0.1)
    classes("smoothing_weights", [7], 3, smoothing=0.2, weights=True)
    classes("ignore", [9], 3, ignore=1)
    classes("ignore_weights_smoothing", [9], 3, ignore=2, weights=True, smoothing=0.1)
    classes("soft", [5], 4, soft=True)
    classes("soft_weights_smoothing", [5], 4, soft=True, weights=True, smoothing=0.1)
    classes("sequence", [3, 4], 5)
    classes("rows", [8], 4, rows=5)
    classes("rows_everything", [8, 2], 4, rows=5, weights=True, smoothing=0.1, ignore=3)
    classes("rows_soft", [6], 3, rows=4, soft=True)

    def distance(name, op, attrs, prediction, target, f, rows=None):
        inputs = [prediction, target] + ([torch.tensor([rows])] if rows is not None else [])
        run = lambda p, t, *_: f(p[:rows], t[:rows])
        attrs = dict(op=op, masked=rows is not None, **attrs)
        golden(f"regression_loss/{name}", "regression_loss", attrs, inputs, run, terms=prediction.numel(), ulps=EXP, gradients=[0])

    d = Draw("distances")
    delta, weight = r(0.7), r(2.5)
    huber = lambda p, t: F.huber_loss(p, t, delta=delta)
    bce = F.binary_cross_entropy_with_logits
    weighted = lambda p, t: bce(p, t, pos_weight=torch.tensor(weight))
    pair = lambda: (d.normal(4, 3, std=1.5), d.normal(4, 3))
    for rows in [None, 3]:
        end = "" if rows is None else "_rows"
        distance("mse" + end, "mse", {}, *pair(), F.mse_loss, rows)
        distance("mae" + end, "mae", {}, *pair(), F.l1_loss, rows)
        distance("huber" + end, "huber", dict(delta=delta), *pair(), huber, rows)
        distance("bce" + end, "bce", {}, d.normal(4, 3, std=2), d.uniform(0, 1, 4, 3), bce, rows)
        distance("bce_weighted" + end, "bce", dict(pos_weight=weight), d.normal(4, 3, std=2), d.uniform(0, 1, 4, 3), weighted, rows)
    ties = d.grid(4, 3)
    distance("mae_ties", "mae", {}, ties, ties.flip(0), F.l1_loss)
    logits = torch.tensor([[-60.0, 60.0, 0.0], [20.0, -20.0, 1.0]])
    distance("bce_far", "bce", {}, logits, torch.tensor([[1.0, 0.0, 0.5], [1.0, 1.0, 0.0]]), bce)


def optimisers():
    STEPS, SIZES = 5, [64, 128]

    def case(name, make, attrs, lr, max_norm=None):
        d = Draw(name)
        rates = [r(lr * factor) for factor in (1.0, 0.9, 0.7, 0.4, 0.1)]
        params = [d.normal(n) for n in SIZES]
        grads = d.normal(STEPS, sum(SIZES), std=2.0)
        put(name, "params", torch.cat(params))
        put(name, "grads", grads)
        leaves = [p.clone().requires_grad_(True) for p in params]
        optimiser = make(leaves)
        after, norms = [], []
        for step in range(STEPS):
            for leaf, g in zip(leaves, grads[step].split(SIZES)):
                leaf.grad = g.clone()
            if max_norm is not None:
                norms.append(torch.nn.utils.clip_grad_norm_(leaves, max_norm).detach())
            optimiser.param_groups[0]["lr"] = rates[step]
            optimiser.step()
            after.append(torch.cat([leaf.detach() for leaf in leaves]))
        put(name, "after", torch.stack(after), result=True)
        if norms:
            put(name, "norms", torch.stack(norms), result=True)
        GOLDENS.append(dict(name=name, op="optimiser", attrs=dict(rates=rates, max_norm=max_norm, **attrs),
                            terms=4 * STEPS, ulps=DIVISION))

    o = torch.optim
    decay, momentum = r(0.05), r(0.9)
    sgd = lambda **k: (lambda p: o.SGD(p, lr=1.0, **k), dict(kind="sgd", **k))
    case("sgd/plain", *sgd(), 0.1)
    case("sgd/decay", *sgd(weight_decay=decay), 0.1)
    case("sgd/momentum", *sgd(momentum=momentum, weight_decay=decay), 0.1)
    case("sgd/dampening", *sgd(momentum=momentum, dampening=r(0.3)), 0.1)
    case("sgd/nesterov", *sgd(momentum=momentum, nesterov=True, weight_decay=decay), 0.1)
    case("sgd/clipped", *sgd(momentum=momentum), 0.1, max_norm=1.0)
    case("sgd/not_clipped", *sgd(), 0.1, max_norm=100.0)
    betas = (r(0.8), r(0.99))
    adam = lambda c, **k: (lambda p: c(p, lr=1.0, betas=betas, eps=r(1e-7), **k),
                           dict(kind="adam", betas=betas, eps=r(1e-7), decoupled=c is o.AdamW, **k))
    case("adam/plain", *adam(o.Adam), 0.01)
    case("adam/decay", *adam(o.Adam, weight_decay=decay), 0.01)
    case("adam/decoupled", *adam(o.AdamW, weight_decay=decay), 0.01)
    case("adam/clipped", *adam(o.AdamW, weight_decay=decay), 0.01, max_norm=0.5)
    rms = lambda **k: (lambda p: o.RMSprop(p, lr=1.0, alpha=r(0.95), eps=r(1e-6), **k),
                       dict(kind="rmsprop", alpha=r(0.95), eps=r(1e-6), **k))
    case("rmsprop/plain", *rms(), 0.01)
    case("rmsprop/momentum", *rms(momentum=momentum, weight_decay=decay), 0.01)


def write(path):
    header = {"__metadata__": {"torch": torch.__version__, "goldens": json.dumps(GOLDENS)}}
    dtypes = {np.dtype(np.float32): "F32", np.dtype(np.float64): "F64", np.dtype(np.uint32): "U32"}
    data = b""
    # The wide ones first: the format asks for alignment.
    for name, a in sorted(TENSORS.items(), key=lambda kv: -kv[1].dtype.itemsize):
        raw = a.tobytes()
        header[name] = dict(dtype=dtypes[a.dtype], shape=list(a.shape), data_offsets=[len(data), len(data) + len(raw)])
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)
    print(f"{path}: {len(GOLDENS)} goldens, {8 + len(text) + len(data)} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    for make in [matmul, conv2d, pools, elementwise, shapes, softmax, batch_norm, losses, optimisers]:
        make()
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ops.safetensors"))
