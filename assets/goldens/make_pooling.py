"""Average pooling as Keras has it, with padding "same" that may be uneven: what
lies outside is not counted.

    KERAS_BACKEND=jax python assets/goldens/make_pooling.py > assets/goldens/pooling.json

Made with Keras 3.15.1 on JAX 0.10.2 on the CPU. Of an image, `x` and `y` are
channels first, as wgrad has them; of a sequence, positions first, as both have.
"""

import json

import keras
import numpy as np
from keras import layers

from draws import CASES, bits


def values(index, shape):
    """Whole numbers from -8 to 7, as 32 bits hold them exactly."""
    return (bits(index, CASES, int(np.prod(shape))) % np.uint32(16)).astype(np.float32).reshape(shape) - 8


def numbers(array):
    return [float(v) for v in np.asarray(array, np.float32).ravel()]


def image(index, shape, pool, strides):
    channels, height, width = shape
    x = values(index, (1, height, width, channels))
    y = layers.AveragePooling2D(pool, strides=strides, padding="same")(x)
    first = lambda a: numbers(np.moveaxis(np.asarray(a), -1, 1))
    return dict(type="AveragePooling2D", shape=shape, pool_size=pool, strides=strides, x=first(x), y=first(y))


def sequence(index, shape, pool, strides):
    x = values(index, (1, *shape))
    y = layers.AveragePooling1D(pool, strides=strides, padding="same")(x)
    return dict(type="AveragePooling1D", shape=shape, pool_size=pool, strides=strides, x=numbers(x), y=numbers(y))


print(json.dumps([
    image(1, [2, 5, 5], [2, 2], [2, 2]),
    image(2, [1, 6, 7], [3, 2], [2, 1]),
    image(3, [3, 4, 9], [4, 4], [3, 3]),
    image(4, [1, 2, 3], [5, 4], [1, 2]),
    sequence(5, [7, 2], 2, 2),
    sequence(6, [9, 3], 4, 1),
    sequence(7, [5, 1], 4, 3),
]))
