"""The counter-based generator of src/tensor/random.rs, written out in NumPy: what
both sides of a comparison draw weights and samples from."""

import numpy as np

INIT, CASES = 0x1000_0000, 0x7000_0000


def pcg4d(key):
    v = (key.astype(np.uint32) * np.uint32(1664525) + np.uint32(1013904223)).T.copy()
    for r in range(2):
        v[0] += v[1] * v[3]
        v[1] += v[2] * v[0]
        v[2] += v[0] * v[1]
        v[3] += v[1] * v[2]
        if r == 0:
            v ^= v >> np.uint32(16)
    return v.T


def bits(seed, stream, n):
    keys = np.zeros(((n + 3) // 4, 4), np.uint32)
    keys[:, 0], keys[:, 1], keys[:, 2] = seed, stream, np.arange(len(keys))
    return pcg4d(keys).reshape(-1)[:n]


def unit(b):
    return (b >> np.uint32(8)).astype(np.float32) * np.float32(1 / 16777216)
