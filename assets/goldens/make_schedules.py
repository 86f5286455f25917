"""Makes schedules.json: the learning rates of PyTorch's lr_scheduler.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_schedules.py

Each golden has the text of a [schedule] table, a run (learning rate, updates,
updates per epoch) and the rate of every update; the plateaus have a metric per
epoch and the rate after each. tests/updates.rs reads the file. Where PyTorch
counts epochs, its scheduler is stepped at the end of each; else at each update.
"""

import json
import math
import os
import warnings

import torch
import torch.optim.lr_scheduler as s

warnings.filterwarnings("ignore")
LR, EPOCHS, PER_EPOCH = 0.1, 6, 4
UPDATES = EPOCHS * PER_EPOCH
GOLDENS, PLATEAUS = [], []


def optimizer(lr=LR):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)


def golden(toml, make, by_epoch=False, updates=UPDATES):
    o = optimizer()
    scheduler = make(o)
    rates = []
    for step in range(updates):
        rates.append(o.param_groups[0]["lr"])
        o.step()
        if not by_epoch or (step + 1) % PER_EPOCH == 0:
            scheduler.step()
    GOLDENS.append(dict(toml=toml, lr=LR, updates=updates, per_epoch=PER_EPOCH, rates=rates))


def warm(o, w):
    return s.LinearLR(o, start_factor=1 / (w + 1), total_iters=w)


def then(w, make):
    """A warm-up of w updates, then another schedule from its start."""
    return lambda o: s.SequentialLR(o, [warm(o, w), make(o)], milestones=[w])


def plateau(toml, metrics, lr=LR, **arguments):
    o = optimizer(lr)
    scheduler = s.ReduceLROnPlateau(o, **arguments)
    rates = []
    for metric in metrics:
        scheduler.step(metric)
        rates.append(o.param_groups[0]["lr"])
    PLATEAUS.append(dict(toml=toml, lr=lr, metrics=metrics, rates=rates))


def schedules():
    T, P = UPDATES, PER_EPOCH
    golden("name = 'constant'", lambda o: s.ConstantLR(o, factor=1.0))
    golden("warmup_steps = 5", lambda o: warm(o, 5))
    golden("warmup_epochs = 1.5", lambda o: warm(o, 6))
    golden("name = 'linear'", lambda o: s.LinearLR(o, 1.0, 0.0, T))
    golden("name = 'linear'\nend_factor = 0.25", lambda o: s.LinearLR(o, 1.0, 0.25, T))
    golden("name = 'linear'\nend_factor = 0.25\nwarmup_steps = 3", then(3, lambda o: s.LinearLR(o, 1.0, 0.25, T - 3)))
    golden("name = 'cosine'", lambda o: s.CosineAnnealingLR(o, T))
    golden("name = 'cosine'\nmin_lr = 0.02", lambda o: s.CosineAnnealingLR(o, T, eta_min=0.02))
    golden("name = 'cosine'\nwarmup_epochs = 1", then(P, lambda o: s.CosineAnnealingLR(o, T - P)))
    golden("name = 'cosine'\nt0 = 2", lambda o: s.CosineAnnealingWarmRestarts(o, 2 * P))
    golden("name = 'cosine'\nt0 = 1\nt_mult = 2\nmin_lr = 0.01",
           lambda o: s.CosineAnnealingWarmRestarts(o, P, T_mult=2, eta_min=0.01))
    golden("name = 'cosine'\nt0 = 1\nt_mult = 2\nwarmup_steps = 4",
           then(4, lambda o: s.CosineAnnealingWarmRestarts(o, P, T_mult=2)))
    golden("name = 'step'\nstep_epochs = 2\ngamma = 0.3", lambda o: s.StepLR(o, 2, 0.3), by_epoch=True)
    golden("name = 'step'\nstep_epochs = 2\ngamma = 0.3\nwarmup_steps = 10",
           lambda o: s.ChainedScheduler([s.StepLR(o, 2 * P, 0.3), warm(o, 10)]))
    golden("name = 'multi_step'\nmilestones = [1, 4]", lambda o: s.MultiStepLR(o, [1, 4]), by_epoch=True)
    golden("name = 'exponential'\ngamma = 0.7", lambda o: s.ExponentialLR(o, 0.7), by_epoch=True)
    golden("name = 'polynomial'", lambda o: s.PolynomialLR(o, T))
    golden("name = 'polynomial'\npower = 2.5", lambda o: s.PolynomialLR(o, T, power=2.5))
    cycle = lambda n=T, **k: (lambda o: s.OneCycleLR(o, max_lr=LR, total_steps=n, cycle_momentum=False, **k))
    # PyTorch steps past the end of this one, which it refuses.
    def one_cycle(toml, n=T, **arguments):
        o = optimizer()
        scheduler = cycle(n, **arguments)(o)
        rates = [o.param_groups[0]["lr"]]
        for _ in range(n - 1):
            o.step()
            scheduler.step()
            rates.append(o.param_groups[0]["lr"])
        GOLDENS.append(dict(toml=toml, lr=LR, updates=n, per_epoch=P, rates=rates))
    one_cycle("name = 'one_cycle'")
    one_cycle("name = 'one_cycle'\npct_start = 0.45\nanneal = 'linear'\ndiv_factor = 10\nfinal_div_factor = 100",
              n=33, pct_start=0.45, anneal_strategy="linear", div_factor=10, final_div_factor=100)
    one_cycle("name = 'one_cycle'\nthree_phase = true", n=50, three_phase=True)
    w = 6
    golden(f"name = 'inverse_sqrt'\nwarmup_steps = {w}",
           then(w, lambda o: s.LambdaLR(o, lambda t: math.sqrt(w / (w + t)))))
    golden("name = 'range'\nlr_min = 0.001\nlr_max = 10",
           lambda o: s.LambdaLR(o, lambda t: 0.001 / LR * (10 / 0.001) ** (t / (T - 1))))


def plateaus():
    falling = [1.0, 0.9, 0.8, 0.85, 0.81, 0.8, 0.79999, 0.7, 0.71, 0.72, 0.73, 0.74, 0.75, 0.76, 0.77, 0.78]
    plateau("patience = 2", falling, patience=2)
    plateau("patience = 0\nfactor = 0.5", falling, patience=0, factor=0.5)
    plateau("patience = 1\ncooldown = 2\nfactor = 0.5", falling, patience=1, cooldown=2, factor=0.5)
    plateau("patience = 1\nmin_lr = 0.03\nfactor = 0.5", falling, patience=1, min_lr=0.03, factor=0.5)
    plateau("patience = 1\nmin_delta = 0.15\nrelative = false", falling, patience=1, threshold=0.15, threshold_mode="abs")
    plateau("patience = 1\nmin_delta = 0.15", falling, patience=1, threshold=0.15)
    rising = [0.5, 0.6, 0.61, 0.615, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7]
    plateau("patience = 1\nmode = 'max'\nmin_delta = 0.02", rising, patience=1, mode="max", threshold=0.02)
    plateau("patience = 1\nmode = 'max'", [-v for v in falling], patience=1, mode="max")
    plateau("patience = 1", [-v for v in rising] * 2, patience=1)
    plateau("patience = 0", [0.0] * 12, lr=1e-3, patience=0)


if __name__ == "__main__":
    schedules()
    plateaus()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schedules.json")
    with open(path, "w") as f:
        json.dump(dict(torch=torch.__version__, schedules=GOLDENS, plateaus=PLATEAUS), f, separators=(",", ":"))
        f.write("\n")
    print(f"{path}: {len(GOLDENS)} schedules, {len(PLATEAUS)} plateaus, {os.path.getsize(path)} bytes")
