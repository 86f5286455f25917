#!/usr/bin/env python3
"""Exports tiny trained models of many kinds and compares every file with wgrad itself.

    tests/onnx/export.py WGRAD OUTPUTS WORK [--only NAME] [--data FOLDER]

WGRAD is the program, OUTPUTS the example `outputs` (cargo build --example outputs), WORK a
folder for runs and files. Needs onnx, onnxruntime and numpy; pillow for pictures. Each file is
checked by onnx.checker, and run by onnxruntime and by onnx's own evaluator on 100 inputs, in
batches of 1 and of 7. Ends with 1 if a difference is above 1e-4.
"""

import argparse
import csv
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx.reference import ReferenceEvaluator

TOLERANCE = 1e-4
SAMPLES = 100
OPSETS = (18, 23)
TRAIN = ["--max-steps", "2", "--batch-size", "16", "--no-tune"]


def layers(*all):
    """A model in TOML from dictionaries of its layers."""
    text = ['name = "custom"']
    for layer in all:
        text.append("[[layer]]")
        text += [f"{key} = {json.dumps(value)}" for key, value in layer.items()]
    return "\n".join(text) + "\n"


def layer(kind, **keys):
    return {"type": kind, **keys}


CLASSES = layer("Dense", units="classes")

# Image models that the presets do not have.
IMAGES = {
    "activations": layers(
        layer("Conv2D", filters=4, kernel_size=[3, 5], strides=[2, 1], padding="same", activation="gelu"),
        *[
            layer("Conv2D", filters=4, kernel_size=1, activation=a)
            for a in ["leaky_relu", "elu", "gelu_tanh", "silu", "sigmoid", "tanh", "softplus", "hard_swish", "exponential"]
        ],
        layer("AveragePooling2D", pool_size=3, strides=2, padding="same"),
        layer("Conv2D", filters=8, kernel_size=3, dilation_rate=2, groups=2, padding=1),
        layer("MaxPooling2D", pool_size=2, strides=1, padding="same"),
        layer("Flatten"),
        CLASSES,
        layer("Activation", activation="softmax"),
    ),
    "branches": layers(
        layer("Conv2D", name="a", filters=4, kernel_size=3, padding="same"),
        layer("Conv2D", name="b", filters=4, kernel_size=3, padding="same", inputs=["input"]),
        layer("Concatenate", name="c", inputs=["a", "b"]),
        layer("BatchNormalization"),
        layer("Permute", dims=[2, 3, 1]),
        layer("LayerNormalization"),
        layer("RMSNormalization"),
        layer("Reshape", target_shape=[14, 448]),
        layer("GlobalMaxPooling1D"),
        CLASSES,
    ),
    "rnn-stack": layers(
        layer("SimpleRNN", units=5, activation="relu", return_sequences=True),
        layer("GRU", units=6, reset_after=False, bidirectional=True, return_sequences=True),
        layer("LSTM", units=4, layers=2, bidirectional=True, use_bias=False),
        CLASSES,
    ),
}

# Models of texts whose samples have several lengths.
TEXTS = {
    "text-recurrent": layers(
        layer("Embedding", output_dim=8, mask_zero=True),
        layer("LSTM", units=6, bidirectional=True, return_sequences=True),
        layer("GRU", units=5, bidirectional=True),
        CLASSES,
    ),
    "text-windows": layers(
        layer("Embedding", output_dim=8, mask_zero=True),
        layer("Conv1D", filters=6, kernel_size=3, strides=2, padding="same", activation="relu"),
        layer("MaxPooling1D", pool_size=2),
        layer("AveragePooling1D", pool_size=3, strides=1, padding="same"),
        layer("GlobalMaxPooling1D"),
        CLASSES,
    ),
    "text-heads": layers(
        layer("Embedding", output_dim=8, mask_zero=True),
        layer("MultiHeadAttention", heads=4, kv_heads=2, rotary=True),
        layer("MultiHeadAttention", heads=4, kv_heads=1, key_dim=4),
        layer("GlobalAveragePooling1D"),
        CLASSES,
    ),
}

# Language models.
CORPORA = {
    "llama-like": layers(
        layer("Embedding", output_dim=16),
        layer(
            "TransformerBlock",
            repeat=2,
            heads=4,
            kv_heads=2,
            rotary=True,
            causal=True,
            norm="rms",
            feed_forward="swiglu",
            use_bias=False,
        ),
        layer("RMSNormalization"),
        layer("Dense", units="vocabulary"),
    ),
    "causal-windows": layers(
        layer("Embedding", output_dim=8),
        layer("Conv1D", filters=8, kernel_size=3, padding="causal", dilation_rate=2, activation="tanh"),
        layer("MaxPooling1D", pool_size=3, strides=1, padding="causal"),
        layer("Dense", units="vocabulary"),
    ),
}


class Check:
    def __init__(self, args):
        self.wgrad, self.outputs, self.work = args.wgrad, args.outputs, Path(args.work).resolve()
        self.work.mkdir(parents=True, exist_ok=True)
        self.failed, self.rows = False, []

    def run(self, *args):
        env = {**os.environ, "WGRAD_DEVICE": "cpu"}
        done = subprocess.run([str(a) for a in args], env=env, cwd=self.work, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, args))}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def train(self, name, *flags):
        run = self.work / name
        if not (run / "checkpoints").is_dir():
            self.run(self.wgrad, "train", "--out", run, *TRAIN, *flags)
        return run

    def raw(self, run, inputs):
        """What wgrad answers to inputs as they are."""
        into, out = self.work / "inputs.bin", self.work / "outputs.bin"
        inputs.astype("<u4" if inputs.dtype.kind in "iu" else "<f4").tofile(into)
        shape = self.run(self.outputs, run, into, out).strip().strip("[]")
        return np.fromfile(out, "<f4").reshape([int(n) for n in shape.split(",")])

    def export(self, run, opset, *flags):
        path = self.work / f"{run.name}-{opset}{'-'.join(flags)}.onnx"
        self.run(self.wgrad, "export", run, "--opset", opset, "--out", path, *flags)
        model = onnx.load(path)
        onnx.checker.check_model(str(path), full_check=True)
        return path, model

    def note(self, name, opset, reader, worst, what="", limit=TOLERANCE):
        bad = not worst <= limit
        self.failed |= bad
        self.rows.append((name, opset, reader, worst, what, bad))
        print(f"{name:18} {opset:3} {reader:12} {worst:10.2e}  {what}{'   DIFFERS' if bad else ''}", flush=True)

    def compare(self, name, opset, path, inputs, wanted, reference=True, what=""):
        session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        feed = session.get_inputs()[0]
        readers = {"onnxruntime": lambda x: session.run(None, {feed.name: x})[0]}
        if reference:
            evaluator = ReferenceEvaluator(str(path))
            readers["reference"] = lambda x: evaluator.run(None, {feed.name: x})[0]
        for reader, ask in readers.items():
            found = np.concatenate([ask(inputs[i : i + 7]) for i in range(0, len(inputs), 7)])
            ones = np.concatenate([ask(inputs[i : i + 1]) for i in range(7)])
            scale = np.maximum(1.0, np.abs(wanted))
            worst = max(
                float(np.max(np.abs(found - wanted) / scale)), float(np.max(np.abs(ones - wanted[:7]) / scale[:7]))
            )
            self.note(name, opset, reader, worst, what)

    def model(self, name, *args, **keys):
        """Notes what fails, and goes on with the next model."""
        try:
            self.compare_all(name, *args, **keys)
        except Exception as e:  # noqa: BLE001
            self.note(name, 0, "-", float("nan"), f"{type(e).__name__}: {str(e)[:600]}")

    def compare_all(self, name, run, inputs, shorter=None, reference=True):
        """Compares the raw outputs of a run for all opsets; `shorter` are inputs of fewer positions."""
        wanted = self.raw(run, inputs)
        for opset in OPSETS:
            path, model = self.export(run, opset)
            graph = model.graph
            dims = [d.dim_param or d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
            names = {i.name for i in graph.initializer}
            assert len(graph.input) == 1 and not names & {graph.input[0].name}, "more inputs than the user's"
            assert dims[0] == "batch", dims
            what = f"{len(graph.node)} nodes, input {dims}"
            asked = inputs.astype(np.int64) if inputs.dtype.kind in "iu" else inputs
            self.compare(name, opset, path, asked, wanted, reference, what)
            if shorter is not None and dims[1] == "sequence":
                # A model that sees no later position answers to a part as to the whole.
                self.compare(name, opset, path, asked[:, :shorter], wanted[:, :shorter], reference, f"{shorter} positions")


def images_of(check, only):
    rng = np.random.default_rng(1)
    images = rng.normal(size=(SAMPLES, 1, 28, 28)).astype(np.float32)
    labels = np.arange(60) % 10
    pictures = rng.integers(0, 256, size=(60, 1, 28, 28)).astype(np.uint8)
    np.savez(check.work / "images.npz", x=pictures, y=labels)
    for name in ["keras-cnn", "convnet", "lenet", "resnet8", "rnn", "lstm", "bi-gru", "vit-tiny"]:
        if only(name):
            check.model(name, check.train(name, "--data", "images.npz", "--model", name), images)
    for name, text in IMAGES.items():
        if only(name):
            (check.work / f"{name}.toml").write_text(text)
            check.model(name, check.train(name, "--data", "images.npz", "--model", f"{name}.toml"), images)


def corpora(check, only):
    rng = np.random.default_rng(2)
    words = "the quick brown fox jumps over a lazy dog and runs on".split()
    picks = random.Random(3)
    text = "\n".join(" ".join(picks.choice(words) for _ in range(9)) for _ in range(60))
    (check.work / "story.txt").write_text(text)
    vocabulary = len(set(text))
    tokens = rng.integers(0, vocabulary, size=(SAMPLES, 24)).astype(np.uint32)
    flags = ["--data", "story.txt", "--tokenizer", "char", "--context", "24"]
    for name in ["char-gpt", "char-lstm"]:
        if only(name):
            check.model(name, check.train(name, *flags, "--model", name), tokens, shorter=11)
    for name, described in CORPORA.items():
        if only(name):
            (check.work / f"{name}.toml").write_text(described)
            check.model(name, check.train(name, *flags, "--model", f"{name}.toml"), tokens, shorter=11)


def texts(check, only):
    rng = np.random.default_rng(4)
    picks = random.Random(5)
    words = ["good", "bad", "day", "night", "sun", "rain", "walk"]
    with open(check.work / "texts.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for i in range(120):
            some = [picks.choice(words) for _ in range(picks.randint(1, 9))]
            rows.writerow([" ".join(some), "yes" if "good" in some else "no"])
    for name in ["text-transformer", *TEXTS]:
        if not only(name):
            continue
        model = name
        if name in TEXTS:
            (check.work / f"{name}.toml").write_text(TEXTS[name])
            model = f"{name}.toml"
        run = check.train(name, "--data", "texts.csv", "--target", "label", "--model", model, "--context", "20")
        tokens = rng.integers(1, 8, size=(SAMPLES, 20)).astype(np.uint32)
        # Samples of every length, the empty one too.
        for row, length in enumerate(rng.permutation(np.arange(SAMPLES) % 21)):
            tokens[row, length:] = 0
        # The evaluator of onnx does not know lengths in recurrent layers.
        check.model(name, run, tokens, reference="recurrent" not in name)


def forecasts(check, only):
    rng = np.random.default_rng(6)
    with open(check.work / "series.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "load", "heat"])
        for i in range(150):
            date = str(np.datetime64("2020-01-01") + np.timedelta64(i, "D"))
            rows.writerow([date, round(10 + 3 * np.sin(i / 7) + rng.normal() / 5, 3), round(np.cos(i / 9), 3)])
    if only("lstm-forecast"):
        flags = ["--data", "series.csv", "--target", "load", "--window", "12", "--model", "lstm-forecast"]
        run = check.train("lstm-forecast", *flags)
        path, model = check.export(run, 18)
        width = model.graph.input[0].type.tensor_type.shape.dim[-1].dim_value
        check.model("lstm-forecast", run, rng.normal(size=(SAMPLES, 12, width)).astype(np.float32))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wgrad")
    parser.add_argument("outputs")
    parser.add_argument("work")
    parser.add_argument("--only", help="models by a regular expression of their names")
    args = parser.parse_args()
    args.wgrad, args.outputs = os.path.abspath(args.wgrad), os.path.abspath(args.outputs)
    check = Check(args)
    only = lambda name: args.only is None or re.search(args.only, name)
    for part in [images_of, corpora, texts, forecasts]:
        part(check, only)
    print(f"\n{len(check.rows)} comparisons, {sum(row[-1] for row in check.rows)} differ by more than {TOLERANCE}")
    sys.exit(1 if check.failed or not check.rows else 0)


if __name__ == "__main__":
    main()
