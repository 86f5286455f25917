"""The first 20 losses of Keras' MNIST example, which ends in a softmax, and of a
small network that ends in a sigmoid, from the weights and batches that
`tests/keras.rs` uses. Both sides draw them from the same counter-based generator
(draws.py), as in make_losses.py.

    KERAS_BACKEND=jax python assets/goldens/make_keras_losses.py > assets/goldens/keras_losses.json

Made with Keras 3.15.1 on JAX 0.10.2 on the CPU. The example is
https://keras.io/examples/vision/mnist_convnet but for its dropout, which draws
other masks everywhere. wgrad's weights are channels first: kernels are turned, and
the rows of a Dense layer behind a Flatten are put in Keras' order.
"""

import json

import keras
import numpy as np
from keras import layers

from draws import CASES, INIT, bits, unit

SEED, SAMPLES, BATCH, STEPS = 7, 320, 32, 20
MEAN, STD = 0.1307, 0.3081
FEATURES = 20


def glorot(index, shape, fan_in, fan_out):
    limit = np.sqrt(np.float32(3) / (np.float32(fan_in + fan_out) / np.float32(2)))
    u = unit(bits(SEED, INIT + index, int(np.prod(shape))))
    return (-limit + (limit - -limit) * u).reshape(shape)


def images():
    """As `bands` in make_losses.py, channels last."""
    b = bits(SEED, CASES, SAMPLES * 785).reshape(SAMPLES, 785)
    labels = b[:, 784] % np.uint32(10)
    rows = np.arange(784) // 28
    signal = (rows[None, :] // 3 == labels[:, None]).astype(np.uint32) * np.uint32(90)
    x = (b[:, :784] % np.uint32(128) + signal).astype(np.float32).reshape(SAMPLES, 28, 28, 1)
    x = x * np.float32(1 / np.float32(255 * np.float32(STD))) + np.float32(-np.float32(MEAN) / np.float32(STD))
    return x, labels.astype(np.int64)


def yes_or_no():
    """Numbers in -1 .. 1, and whether the first three of them sum to more than 0."""
    x = unit(bits(SEED, CASES, SAMPLES * FEATURES)) * np.float32(2) - np.float32(1)
    x = x.reshape(SAMPLES, FEATURES)
    return x, (x[:, :1] + x[:, 1:2] + x[:, 2:3] > 0).astype(np.float32)


def losses(model, x, y, loss):
    # Keras' Adam adds its epsilon before the correction of the moments, PyTorch's and
    # wgrad's behind it, which this example shows from the fourth step on.
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.02, momentum=0.9))
    found = []
    for step in range(STEPS):
        at = step * BATCH % SAMPLES
        found.append(float(model.train_on_batch(x[at : at + BATCH], y[at : at + BATCH])))
        model.reset_metrics()
    return found


def mnist():
    x, y = images()
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.0),
            layers.Dense(10, activation="softmax"),
        ]
    )
    # Weights and biases are numbered in the order in which they are declared.
    first = glorot(0, (32, 1, 3, 3), 9, 288).transpose(2, 3, 1, 0)
    second = glorot(2, (64, 32, 3, 3), 288, 576).transpose(2, 3, 1, 0)
    dense = glorot(4, (10, 1600), 1600, 10).reshape(10, 64, 5, 5).transpose(2, 3, 1, 0).reshape(1600, 10)
    zeros = [np.zeros(n, np.float32) for n in (32, 64, 10)]
    model.set_weights([first, zeros[0], second, zeros[1], dense, zeros[2]])
    return losses(model, x, keras.utils.to_categorical(y, 10), "categorical_crossentropy")


def binary():
    x, y = yes_or_no()
    model = keras.Sequential(
        [keras.Input((FEATURES,)), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")]
    )
    hidden, out = glorot(0, (16, FEATURES), FEATURES, 16), glorot(2, (1, 16), 16, 1)
    model.set_weights([hidden.T, np.zeros(16, np.float32), out.T, np.zeros(1, np.float32)])
    return losses(model, x, y, "binary_crossentropy")


print(json.dumps({"keras": keras.__version__, "mnist": mnist(), "binary": binary()}))
