"""Outputs of Keras' layers for `layers.json`; the tests draw the same inputs and weights.

    KERAS_BACKEND=jax python make_layers.py > layers.json

Element i of tensor number k (0: the input, then the parameters in the order given) is
8 sin(0.7 i + k + 1) for the input of activations and sin(0.7 i + k + 1) elsewhere, in the axes of wgrad: channels first, weights as in PyTorch.
"""

import json

import keras
import numpy as np
from keras import layers


def drawn(shape, number, size=1):
    n = int(np.prod(shape))
    return (size * np.sin(0.7 * np.arange(n) + number + 1)).astype(np.float32).reshape(shape)


def last(x):
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def first(x):
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


CONV = (2, 3, 1, 0)
cases = []


def case(kind, toml, make, shape, params=(), channels_last=True):
    """`params`: name, shape as in wgrad, axes of Keras."""
    x = drawn(shape, 0, 8 if kind == "Activation" else 1)
    layer = make()
    given = last(x) if channels_last else x
    layer.build(given.shape)
    weights = [np.asarray(drawn(s, i + 1)) for i, (_, s, _) in enumerate(params)]
    if params:
        layer.set_weights([w.transpose(axes) if axes else w for w, (_, _, axes) in zip(weights, params)])
    y = np.asarray(layer(given))
    y = first(y) if channels_last else y
    cases.append({
        "layer": f'type = "{kind}"\n{toml}',
        "input": list(shape),
        "parameters": [[name, list(s)] for name, s, _ in params],
        "shape": list(y.shape),
        "values": [round(float(v), 6) for v in y.ravel()],
    })


for padding in ["valid", "same"]:
    for k, s, d, extra in [(3, 1, 1, None), (3, 2, 1, None), (4, 2, 1, None), (2, 3, 1, None), (3, 1, 2, None),
                           (3, 2, 1, 1), (3, 3, 1, 0), (2, 2, 1, 1), (5, 2, 1, 1), (1, 2, 1, 1)]:
        more = "" if extra is None else f"\noutput_padding = {extra}"
        toml = f'filters = 2\nkernel_size = {k}\nstrides = {s}\ndilation_rate = {d}\npadding = "{padding}"{more}'
        options = dict(strides=s, dilation_rate=d, padding=padding, output_padding=extra)
        case("Conv1DTranspose", toml, lambda: layers.Conv1DTranspose(2, k, **options), (1, 4, 3),
             [("weight", (3, 2, k), (2, 1, 0)), ("bias", (2,), None)], channels_last=False)
    toml = f'filters = 2\nkernel_size = [3, 2]\nstrides = [2, 3]\npadding = "{padding}"'
    case("Conv2DTranspose", toml, lambda: layers.Conv2DTranspose(2, (3, 2), strides=(2, 3), padding=padding), (2, 3, 3, 2),
         [("weight", (3, 2, 3, 2), CONV), ("bias", (2,), None)])
    case("SeparableConv2D", f'filters = 2\nkernel_size = 3\npadding = "{padding}"\nactivation = "tanh"',
         lambda: layers.SeparableConv2D(2, 3, padding=padding, activation="tanh"), (2, 3, 5, 4),
         [("depthwise.weight", (3, 1, 3, 3), (2, 3, 0, 1)), ("pointwise.weight", (2, 3, 1, 1), CONV),
          ("pointwise.bias", (2,), None)])
    case("DepthwiseConv2D", f'kernel_size = [3, 2]\nstrides = 2\npadding = "{padding}"',
         lambda: layers.DepthwiseConv2D((3, 2), strides=2, padding=padding), (2, 3, 5, 4),
         [("weight", (3, 1, 3, 2), (2, 3, 0, 1)), ("bias", (3,), None)])
for size in [[2, 3], [1, 2]]:
    for how in ["nearest", "bilinear"]:
        case("UpSampling2D", f'size = {size}\ninterpolation = "{how}"',
             lambda: layers.UpSampling2D(tuple(size), interpolation=how), (1, 2, 3, 4))
for h, w in [(5, 7), (2, 2), (3, 9), (1, 1), (4, 3)]:
    for how in ["nearest", "bilinear"]:
        case("Resizing", f'height = {h}\nwidth = {w}\ninterpolation = "{how}"',
             lambda: layers.Resizing(h, w, interpolation=how), (1, 2, 3, 4))
case("UpSampling1D", "size = 3", lambda: layers.UpSampling1D(3), (2, 3, 2), channels_last=False)
case("ZeroPadding1D", "padding = [1, 2]", lambda: layers.ZeroPadding1D((1, 2)), (2, 3, 2), channels_last=False)
case("Cropping1D", "cropping = [1, 2]", lambda: layers.Cropping1D((1, 2)), (2, 5, 2), channels_last=False)
case("ZeroPadding2D", "padding = [[1, 0], [2, 3]]", lambda: layers.ZeroPadding2D(((1, 0), (2, 3))), (1, 2, 2, 3))
case("Cropping2D", "cropping = [[1, 0], [2, 1]]", lambda: layers.Cropping2D(((1, 0), (2, 1))), (1, 2, 3, 5))
case("GlobalMaxPooling2D", "", lambda: layers.GlobalMaxPooling2D(), (2, 3, 4, 2))
for groups in [1, 2, 4]:
    case("GroupNormalization", f"groups = {groups}", lambda: layers.GroupNormalization(groups), (2, 4, 3, 2),
         [("weight", (4,), None), ("bias", (4,), None)])
case("GroupNormalization", "groups = 2\naxis = -1\ncenter = false",
     lambda: layers.GroupNormalization(2, center=False), (2, 3, 4), [("weight", (4,), None)], channels_last=False)
case("InstanceNormalization", "", lambda: layers.GroupNormalization(-1), (2, 4, 3, 2),
     [("weight", (4,), None), ("bias", (4,), None)])
case("PReLU", "", lambda: layers.PReLU(), (2, 3, 4), [("weight", (3, 4), None)], channels_last=False)
case("PReLU", "shared_axes = [1]", lambda: layers.PReLU(shared_axes=[1]), (2, 3, 4), [("weight", (1, 4), None)],
     channels_last=False)
case("LeakyReLU", "", lambda: layers.LeakyReLU(), (2, 5), channels_last=False)
case("ELU", "alpha = 0.5", lambda: layers.ELU(0.5), (2, 5), channels_last=False)
case("Softmax", "axis = 1", lambda: layers.Softmax(axis=1), (2, 3, 2), channels_last=False)
case("Softmax", "", lambda: layers.Softmax(), (2, 3, 2), channels_last=False)
ACTIVATIONS = ["relu", "relu6", "selu", "mish", "softsign", "hard_sigmoid", "celu", "exponential", "leaky_relu", "elu",
               "hard_swish", "hard_silu", "softplus", "hard_tanh", "hard_shrink", "soft_shrink", "log_sigmoid", "silu",
               "gelu", "sigmoid", "tanh", "softmax", "log_softmax", "linear"]
for name in ACTIVATIONS:
    case("Activation", f'activation = "{name}"', lambda: layers.Activation(name), (3, 4), channels_last=False)

print("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]")
