"""Makes augment.safetensors: images resampled by PyTorch, in double precision.

    python3 -m venv venv && venv/bin/pip install torch==2.15.0 numpy safetensors
    venv/bin/python assets/goldens/make_augment.py

`affine_grid` and `grid_sample` with `align_corners=False`, bilinear, under each
padding mode. `params` are those of a slot of `augment_images`: a map M p +
offset in pixels, no change of colour, nothing erased. tests/augment.rs reads
the file.
"""

import math
import os

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

torch.set_num_threads(1)

CHANNELS, HEIGHT, WIDTH = 2, 9, 12
CENTRE = ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)

# Degrees, zoom, slant, mirrored, shift in pixels.
SLOTS = [
    (0.0, 1.0, 0.0, 1, (0.0, 0.0)),
    (0.0, 1.0, 0.0, -1, (2.0, -3.0)),
    (17.0, 1.0, 0.0, 1, (0.0, 0.0)),
    (-33.0, 1.3, 0.2, -1, (1.25, -0.75)),
    (120.0, 0.4, -0.5, 1, (-4.5, 2.0)),
]


def params(degrees, zoom, slant, mirror, shift):
    """M by rows and the offset, as numbers that f32 holds."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[c, -s], [s, c]])
    forward = turn @ np.array([[1.0, -slant], [0.0, 1.0]]) * zoom
    m = np.diag([mirror, 1.0]) @ np.linalg.inv(forward)
    offset = np.array(CENTRE) - m @ (np.array(CENTRE) + np.array(shift))
    return np.concatenate([m.ravel(), offset, [1.0, 0.0], np.zeros(4), [1.0], np.zeros(3)]).astype(np.float32)


def theta(p):
    """The same map in PyTorch's coordinates, from -1 to 1 across the image."""
    p = p.astype(np.float64)
    m, offset = p[:4].reshape(2, 2), p[4:6]
    size = np.array([WIDTH, HEIGHT], np.float64)
    moved = offset - np.array(CENTRE) + m @ np.array(CENTRE)
    return np.concatenate([m * size[None, :] / size[:, None], (2 * moved / size)[:, None]], axis=1)


rng = np.random.default_rng(20)
images = rng.integers(0, 256, (len(SLOTS), CHANNELS, HEIGHT, WIDTH), dtype=np.uint8)
given = np.stack([params(*slot) for slot in SLOTS])
grid = F.affine_grid(torch.from_numpy(np.stack([theta(p) for p in given])), list(images.shape), align_corners=False)
out = {"images": images, "params": given}
for name, mode in [("zero", "zeros"), ("edge", "border"), ("reflect", "reflection")]:
    x = torch.from_numpy(images.astype(np.float64))
    out[name] = F.grid_sample(x, grid, mode="bilinear", padding_mode=mode, align_corners=False).numpy()
save_file(out, os.path.join(os.path.dirname(os.path.abspath(__file__)), "augment.safetensors"))
