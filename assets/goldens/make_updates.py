"""Makes updates.json: weights after some batches of training in PyTorch, with
everything that stands between a loss and an update.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_updates.py

The model is Linear, ReLU, Linear under cross-entropy, in double precision, on
22 samples in batches of 4, the last of 2, for two epochs. Inputs and settings
are numbers that f32 holds. Each golden has its configuration as TOML, the
gradient's norm at each update, and the parameters after the first three
batches, the first epoch and the second; the average too, if there is one.
tests/updates.rs reads the file.
"""

import json
import os

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)

SAMPLES, BATCH, EPOCHS, SEEN = 22, 4, 2, [3, 6, 12]
GOLDENS = []


def r(value):
    """The nearest number that f32 holds."""
    return float(np.float32(value))


def draw(rng, *shape, std=1.0):
    return torch.from_numpy((std * rng.standard_normal(shape)).astype(np.float32).astype(np.float64))


RNG = np.random.default_rng(20)
X = draw(RNG, SAMPLES, 6)
LABELS = torch.from_numpy(RNG.integers(0, 3, SAMPLES))
START = {
    "fc1.weight": draw(RNG, 5, 6, std=0.5),
    "fc1.bias": draw(RNG, 5, std=0.2),
    "fc2.weight": draw(RNG, 3, 5, std=0.5),
    "fc2.bias": draw(RNG, 3, std=0.2),
}


def forward(p, x):
    return F.linear(F.relu(F.linear(x, p["fc1.weight"], p["fc1.bias"])), p["fc2.weight"], p["fc2.bias"])


def case(name, toml, make, l1=0.0, l1_on=None, clip_value=None, clip_norm=None, max_norm=None, every=1, by_rows=True,
         ema=None, frozen=(), lr_epochs=None, sgdw=None):
    """`make` takes the parameters by name and returns a torch optimiser."""
    p = {n: v.clone().requires_grad_(n not in frozen) for n, v in START.items()}
    optimiser = make(p)
    base = [g["lr"] for g in optimiser.param_groups]
    learning = [v for v in p.values() if v.requires_grad]
    averaged = None
    if ema is not None and ema[1] is None:
        averaged = torch.optim.swa_utils.AveragedModel(
            torch.nn.ParameterDict({n.replace(".", "_"): v for n, v in p.items()}),
            multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(ema[0]))
    average, updates = {n: v.detach().clone() for n, v in p.items()}, 0
    bounds = [(i, min(i + BATCH, SAMPLES)) for i in range(0, SAMPLES, BATCH)]
    after, norms, batches = [], [], 0
    flat = lambda d: torch.cat([d[n].detach().reshape(-1) for n in START]).tolist()
    for epoch in range(EPOCHS):
        if lr_epochs is not None:
            for g, lr in zip(optimiser.param_groups, base):
                g["lr"] = lr * lr_epochs[epoch]
        for first in range(0, len(bounds), every):
            window = bounds[first : first + every]
            rows = [b - a for a, b in window]
            optimiser.zero_grad()
            for (a, b), n in zip(window, rows):
                loss = F.cross_entropy(forward(p, X[a:b]), LABELS[a:b])
                share = n / sum(rows) if by_rows else 1 / len(window)
                (loss * share).backward()
                batches += 1
                if batches in SEEN and (a, b) != window[-1]:
                    after.append(flat(p))
            if l1:
                penalised = [p[n] for n in (l1_on or START) if p[n].requires_grad]
                (l1 * sum(v.abs().sum() for v in penalised)).backward()
            if clip_value is not None:
                torch.nn.utils.clip_grad_value_(learning, clip_value)
            limit = float("inf") if clip_norm is None else clip_norm
            norms.append(torch.nn.utils.clip_grad_norm_(learning, limit).item())
            if sgdw is not None:
                with torch.no_grad():
                    for v in learning:
                        v *= 1 - optimiser.param_groups[0]["lr"] * sgdw
            optimiser.step()
            with torch.no_grad():
                if max_norm is not None:
                    for v in learning:
                        if v.ndim > 1:
                            v.copy_(torch.renorm(v, 2, 0, max_norm))
                if averaged is not None:
                    averaged.update_parameters(torch.nn.ParameterDict({n.replace(".", "_"): v for n, v in p.items()}))
                    average = {n: averaged.module[n.replace(".", "_")] for n in p}
                elif ema is not None:
                    d = 0.0 if updates == 0 else ema[1](updates)
                    average = {n: d * average[n] + (1 - d) * v for n, v in p.items()}
            updates += 1
            if batches in SEEN:
                after.append(flat(p))
    golden = dict(name=name, toml=toml, rows=by_rows, every=every, norms=norms, after=after)
    if ema is not None:
        golden["average"] = flat(average)
    assert len(after) == len(SEEN)
    GOLDENS.append(golden)


def cases():
    o, lr = torch.optim, r(0.25)
    sgd = lambda **k: (lambda p: o.SGD([v for v in p.values() if v.requires_grad], lr=lr, **k))
    adam = lambda kind=o.Adam, **k: (lambda p: kind([v for v in p.values() if v.requires_grad], lr=r(0.0625), **k))
    SGD = f"[optimizer]\nname = 'sgd'\nlr = {lr}\n"
    ADAM = "[optimizer]\nname = 'adam'\nlr = 0.0625\n"
    MOMENTUM = SGD + "momentum = 0.9\n"

    case("plain", MOMENTUM, sgd(momentum=0.9))
    case("clip_value", MOMENTUM + "[train]\nclip_value = 0.0625\n", sgd(momentum=0.9), clip_value=0.0625)
    case("l1", SGD + "[train]\nl1 = 0.05\n", sgd(), l1=0.05)
    matrices = ["fc1.weight", "fc2.weight"]
    groups = lambda kind, **k: lambda p: kind(
        [dict(params=[p[n] for n in matrices], weight_decay=0.02),
         dict(params=[p[n] for n in START if n not in matrices], weight_decay=0.0)], lr=lr, **k)
    case("l1_and_l2_on_weights", SGD + "weight_decay = 0.02\n[train]\nl1 = 0.05\nno_decay_on_norm_and_bias = true\n",
         groups(o.SGD), l1=0.05, l1_on=matrices)
    case("all_bounds", ADAM + "[train]\nl1 = 0.01\nclip_value = 0.125\nclip_norm = 0.25\nmax_norm = 1.5\n", adam(),
         l1=0.01, clip_value=0.125, clip_norm=0.25, max_norm=1.5)
    case("max_norm", SGD + "[train]\nmax_norm = 0.75\n", sgd(), max_norm=0.75)
    case("accumulate", ADAM + "[train]\naccumulate = 3\n", adam(), every=3)
    case("accumulate_rest", MOMENTUM + "[train]\naccumulate = 4\n", sgd(momentum=0.9), every=4)
    case("accumulate_equal_shares", MOMENTUM + "[train]\naccumulate = 4\n", sgd(momentum=0.9), every=4, by_rows=False)
    case("accumulate_an_epoch", ADAM + "[train]\naccumulate = 100\n", adam(), every=100)
    case("accumulate_everything",
         ADAM + "weight_decay = 0.02\n[schedule]\nname = 'step'\nstep_epochs = 1\ngamma = 0.5\n"
         "[train]\naccumulate = 4\nl1 = 0.01\nclip_value = 0.125\nclip_norm = 0.25\nmax_norm = 1.25\nema = 0.75\n",
         adam(weight_decay=0.02), every=4, l1=0.01, clip_value=0.125, clip_norm=0.25, max_norm=1.25, ema=(0.75, None),
         lr_epochs=[1, 0.5])
    case("ema", MOMENTUM + "[train]\nema = 0.9\n", sgd(momentum=0.9), ema=(0.9, None))
    case("ema_warmup", MOMENTUM + "[train]\nema = 0.4\nema_warmup = true\n", sgd(momentum=0.9),
         ema=(0.4, lambda t: min(0.4, (1 + t) / (10 + t))))
    case("frozen_layer", "[optimizer]\nname = 'adamw'\nlr = 0.0625\n[train]\nfreeze = 'fc1'\nclip_norm = 0.5\n"
         "max_norm = 0.5\nl1 = 0.01\n", adam(o.AdamW), frozen=["fc1.weight", "fc1.bias"], clip_norm=0.5, max_norm=0.5,
         l1=0.01)
    case("frozen_biases", MOMENTUM + "[[group]]\nmatch = ['*.bias']\nfrozen = true\n", sgd(momentum=0.9),
         frozen=["fc1.bias", "fc2.bias"])
    slow = lambda p: o.AdamW([dict(params=[p["fc1.weight"], p["fc1.bias"]], lr=r(0.0625) * 0.25, weight_decay=0.1),
                              dict(params=[p["fc2.weight"], p["fc2.bias"]], lr=r(0.0625), weight_decay=0.05)])
    case("groups", "[optimizer]\nname = 'adamw'\nlr = 0.0625\nweight_decay = 0.1\n[[group]]\nmatch = 'fc1'\n"
         "lr_factor = 0.25\n[[group]]\nmatch = 'fc2*'\nweight_decay_factor = 0.5\n", slow)
    case("sgdw", "[optimizer]\nname = 'sgdw'\nlr = 0.25\nmomentum = 0.9\nweight_decay = 0.05\nnesterov = true\n",
         sgd(momentum=0.9, nesterov=True), sgdw=0.05)
    case("sgdw_plain", "[optimizer]\nname = 'sgdw'\nlr = 0.25\nweight_decay = 0.05\n", sgd(), sgdw=0.05)


if __name__ == "__main__":
    cases()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "updates.json")
    shared = dict(
        torch=torch.__version__, batch=BATCH, epochs=EPOCHS, seen=SEEN, x=X.reshape(-1).tolist(),
        labels=LABELS.tolist(), params=[dict(name=n, shape=list(v.shape), values=v.reshape(-1).tolist())
                                        for n, v in START.items()])
    with open(path, "w") as f:
        json.dump(dict(shared, goldens=GOLDENS), f, separators=(",", ":"))
        f.write("\n")
    print(f"{path}: {len(GOLDENS)} goldens, {os.path.getsize(path)} bytes, torch {torch.__version__}")
