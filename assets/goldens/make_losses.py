"""The first 20 losses of keras-cnn in PyTorch, from the weights and batches
that `tests/train.rs` uses. Both sides draw them from the same counter-based
generator (draws.py), so that no megabytes of weights need to be kept.

    python assets/goldens/make_losses.py > assets/goldens/keras_cnn_losses.json

Made with PyTorch 2.15.0 on the CPU, one thread.
"""

import json

import numpy as np
import torch
from torch import nn

from draws import CASES, INIT, bits, unit

SEED, SAMPLES, BATCH, STEPS = 7, 320, 32, 20
MEAN, STD = 0.1307, 0.3081


def glorot(index, shape, fan_in, fan_out):
    limit = np.sqrt(np.float32(3) / (np.float32(fan_in + fan_out) / np.float32(2)))
    u = unit(bits(SEED, INIT + index, int(np.prod(shape))))
    return torch.from_numpy((-limit + (limit - -limit) * u).reshape(shape))


def data():
    b = bits(SEED, CASES, SAMPLES * 785).reshape(SAMPLES, 785)
    labels = b[:, 784] % np.uint32(10)
    rows = np.arange(784) // 28
    signal = (rows[None, :] // 3 == labels[:, None]).astype(np.uint32) * np.uint32(90)
    pixels = b[:, :784] % np.uint32(128) + signal
    x = pixels.astype(np.float32).reshape(SAMPLES, 1, 28, 28)
    x = x * np.float32(1 / np.float32(255 * np.float32(STD))) + np.float32(-np.float32(MEAN) / np.float32(STD))
    return torch.from_numpy(x), torch.from_numpy(labels.astype(np.int64))


torch.set_num_threads(1)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, 10)
)
# Weights and biases are numbered in the order in which they are declared.
for i, (layer, fan_in, fan_out) in enumerate([(model[0], 9, 288), (model[4], 5408, 128), (model[6], 128, 10)]):
    layer.weight.data = glorot(2 * i, tuple(layer.weight.shape), fan_in, fan_out)
    layer.bias.data.zero_()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
x, y = data()
losses = []
for step in range(STEPS):
    at = step * BATCH % SAMPLES
    loss = nn.functional.cross_entropy(model(x[at : at + BATCH]), y[at : at + BATCH])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
print(json.dumps({"torch": torch.__version__, "losses": losses}))
