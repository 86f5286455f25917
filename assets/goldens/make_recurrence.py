"""Makes recurrence.safetensors: what PyTorch computes for recurrent layers, in
double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy
    venv/bin/python assets/goldens/make_recurrence.py

The format is that of make_goldens.py. Inputs: x, then weight_ih, weight_hh,
bias_ih and bias_hh of each layer and direction in PyTorch's order, then h0, for
an LSTM c0, and, if the golden is ragged, lengths. Outputs: y, h_n, for an LSTM
c_n. A GRU that resets before the product (Keras' `reset_after=False`), which
PyTorch has not, is written out here; its bias_hh is not used.
"""

import os

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from make_goldens import EXP, Draw, golden, write

CELLS = {
    "rnn_tanh": (1, lambda *a, **k: nn.RNN(*a, nonlinearity="tanh", **k)),
    "rnn_relu": (1, lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k)),
    "lstm": (4, nn.LSTM),
    "gru": (3, nn.GRU),
}


def inputs_of(name, gates, batch, steps, features, hidden, layers, directions, states):
    """x, weights and initial states."""
    d = Draw(name)
    inputs = [d.normal(batch, steps, features)]
    std = 0.8 / hidden**0.5
    for layer in range(layers):
        for _ in range(directions):
            width = features if layer == 0 else directions * hidden
            inputs += [d.normal(gates * hidden, width, std=0.8 / width**0.5), d.normal(gates * hidden, hidden, std=std)]
            inputs += [d.normal(gates * hidden, std=0.3), d.normal(gates * hidden, std=0.3)]
    return inputs + [d.normal(layers * directions, batch, hidden, std=0.7) for _ in range(states)]


def case(what, cell, layers=1, bidirectional=False, lengths=None, batch=3, steps=5, features=4, hidden=3):
    name = f"recurrence/{cell}_{what}"
    gates, make = CELLS[cell]
    directions, states = 1 + bidirectional, 1 + (cell == "lstm")
    inputs = inputs_of(name, gates, batch, steps, features, hidden, layers, directions, states)
    if lengths is not None:
        inputs.append(torch.tensor(lengths))
    module = make(features, hidden, layers, batch_first=True, bidirectional=bidirectional)
    names = [n for n, _ in module.named_parameters()]

    def forward(x, *rest):
        weights, rest = rest[: len(names)], rest[len(names) :]
        initial = tuple(rest[:states]) if states == 2 else rest[0]
        if lengths is not None:
            x = pack_padded_sequence(x, rest[states], batch_first=True, enforce_sorted=False)
        y, last = torch.func.functional_call(module, dict(zip(names, weights)), (x, initial))
        if lengths is not None:
            y, _ = pad_packed_sequence(y, batch_first=True, total_length=steps)
        return [y, *(last if states == 2 else [last])]

    attrs = dict(cell=cell, layers=layers, bidirectional=bidirectional, ragged=lengths is not None)
    terms = max(hidden * gates, batch * steps) * steps
    golden(name, "recurrence", attrs, inputs, forward, terms=min(terms, 1000), ulps=EXP)


def reset_first(what, lengths=None, reverse=False):
    """Keras' GRU without reset_after, by its formula; one layer."""
    batch, steps, features, hidden = 3, 5, 4, 3
    name = f"recurrence/gru_reset_first_{what}"
    x, w, u, b, _, h0 = inputs_of(name, 3, batch, steps, features, hidden, 1, 1, 1)
    inputs = [x, w, u, b, h0] + ([torch.tensor(lengths)] if lengths else [])

    def forward(x, w, u, b, h0, *_):
        h, ys = h0[0], [None] * steps
        for t in reversed(range(steps)) if reverse else range(steps):
            a = x[:, t] @ w.T + b
            u_r, u_z, u_n = u.chunk(3)
            a_r, a_z, a_n = a.chunk(3, dim=1)
            r, z = torch.sigmoid(a_r + h @ u_r.T), torch.sigmoid(a_z + h @ u_z.T)
            n = torch.tanh(a_n + (r * h) @ u_n.T)
            valid = (torch.tensor(lengths or [steps] * batch) > t)[:, None]
            h = torch.where(valid, (1 - z) * n + z * h, h)
            ys[t] = torch.where(valid, h, 0.0)
        return [torch.stack(ys, dim=1), h[None]]

    attrs = dict(cell="gru_reset_first", layers=1, bidirectional=False, ragged=lengths is not None, reverse=reverse)
    golden(name, "recurrence", attrs, inputs, forward, terms=75, ulps=EXP)


if __name__ == "__main__":
    for cell in CELLS:
        case("one_layer", cell)
        case("two_layers", cell, layers=2)
        case("three_layers_ragged", cell, layers=3, lengths=[2, 5, 1])
        case("both_ways", cell, bidirectional=True)
        case("both_ways_ragged", cell, bidirectional=True, lengths=[3, 1, 5])
        case("two_layers_both_ways_ragged", cell, layers=2, bidirectional=True, lengths=[5, 2, 4])
    case("large", "lstm", batch=2, steps=28, features=8, hidden=128)
    reset_first("plain")
    reset_first("ragged", lengths=[2, 5, 1])
    reset_first("ragged_reverse", lengths=[2, 5, 1], reverse=True)
    write(os.path.join(os.path.dirname(os.path.abspath(__file__)), "recurrence.safetensors"))
