"""Early stopping as Keras does it: over random curves of a monitored value, the epoch
in which training stops, the epoch whose weights are restored, and every epoch that was
the best so far.

Keras' own callback sees a model whose weights are the number of the epoch. Values and
`min_delta` are multiples of 1/64, so that no rounding decides.

    KERAS_BACKEND=jax python assets/goldens/make_early_stopping.py
"""

import json
import os
import pathlib
import random

os.environ.setdefault("KERAS_BACKEND", "jax")
import keras


class Model:
    """What the callback asks of a model."""

    metrics = []
    stop_training = False

    def __init__(self):
        self.epoch, self.kept, self.restored = None, [], None

    def get_weights(self):
        self.kept.append(self.epoch)
        return self.epoch

    def set_weights(self, weights):
        self.restored = weights


def run(settings, values):
    model = Model()
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", restore_best_weights=True, **settings)
    stopping.set_model(model)
    stopping.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        model.epoch = epoch + 1
        stopping.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            stopped = epoch + 1
            break
    stopping.on_train_end()
    # The first watched epoch is kept twice.
    return {"stopped": stopped, "restored": model.restored, "best": sorted(set(model.kept))}


def main():
    draw = random.Random(5)
    cases = []
    for _ in range(400):
        length = draw.randint(1, 24)
        level, values = draw.randint(40, 90), []
        for _ in range(length):
            level += draw.choice([-6, -3, -1, -1, 0, 0, 1, 2, 5])
            values.append(level / 64)
        settings = {
            "mode": draw.choice(["min", "max"]),
            "patience": draw.choice([0, 0, 1, 2, 3, 5, 8]),
            "min_delta": draw.choice([0, 0, 1, 3]) / 64,
            "start_from_epoch": draw.choice([0, 0, 0, 1, 2, 5, 9, 30]),
        }
        if draw.random() < 0.4:
            settings["baseline"] = draw.randint(35, 95) / 64
        cases.append({"settings": settings, "values": values, **run(settings, values)})
    out = {"keras": keras.__version__, "cases": cases}
    path = pathlib.Path(__file__).with_name("early_stopping.json")
    path.write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
