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


    def rows_of(self, name, run, opset, rows, said):
        """Compares the answers for rows of a table, one by one and seven at a time."""
        path, model = self.export(run, opset, "--with-preprocessing")
        session = ort.InferenceSession(str(path))
        readers = {"onnxruntime": session.run}
        if "texts" not in name:
            # The evaluator of onnx needs a package of its own for regular expressions.
            readers["reference"] = ReferenceEvaluator(str(path)).run
        outputs = [o.name for o in model.graph.output]
        for reader, ask in readers.items():
            worst, feeds = 0.0, [fed(model.graph, row) for row in rows]
            for size in (1, 7):
                for first in range(0, len(rows) if size == 7 else 7, size):
                    some = range(first, min(first + size, len(rows)))
                    found = dict(zip(outputs, ask(None, {n: np.concatenate([feeds[i][n] for i in some]) for n in feeds[0]})))
                    for place, i in enumerate(some):
                        if "values" in found:
                            wanted = list(said[i]["values"].values())
                            numbers = found["values"][place]
                        else:
                            if said[i]["class"] is None:
                                assert np.isnan(found["probabilities"][place]).all() and found["label"][place] == ""
                                continue
                            wanted, numbers = list(said[i]["probabilities"].values()), found["probabilities"][place]
                            assert found["label"][place] == said[i]["class"], (i, found["label"][place], said[i])
                        scale = np.maximum(1.0, np.abs(wanted))
                        worst = max(worst, float(np.max(np.abs(np.array(wanted) - numbers) / scale)))
            self.note(name, opset, reader, worst, f"{len(model.graph.node)} nodes, {len(model.graph.input)} inputs")


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
            run = check.train(name, "--data", "images.npz", "--model", f"{name}.toml")
            # The evaluator of onnx does not know an RNN of relu.
            check.model(name, run, images, reference=name != "rnn-stack")


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
        answers(check, f"{name} answers", run, tokens.astype(np.int64), check.raw(run, tokens))


def answers(check, name, run, x, logits):
    """The whole graph of inputs as they are, beside probabilities of what wgrad answers."""
    path, _ = check.export(run, 18, "--with-preprocessing")
    session = ort.InferenceSession(str(path))
    p, label = session.run(["probabilities", "label"], {session.get_inputs()[0].name: x})
    wanted = np.exp(logits - logits.max(-1, keepdims=True))
    wanted /= wanted.sum(-1, keepdims=True)
    check.note(name, 18, "onnxruntime", float(np.max(np.abs(p - wanted))))
    names = json.loads(next(m.value for m in onnx.load(path).metadata_props if m.key == "classes"))
    assert list(label) == [names[i] for i in p.argmax(-1)], "labels of other classes"


def arrays(check, only):
    """Arrays of floats through the whole graph, beside what `wgrad predict` says of the same file."""
    if not only("arrays"):
        return
    rng = np.random.default_rng(10)
    np.savez(check.work / "arrays.npz", x=rng.normal(5, 3, size=(60, 2, 6, 5)).astype(np.float32), y=np.arange(60) % 3)
    x = rng.normal(5, 3, size=(SAMPLES, 2, 6, 5)).astype(np.float32)
    np.save(check.work / "arrays-new.npy", x)
    model = layers(layer("Conv2D", filters=4, kernel_size=3, padding="same"), layer("GlobalAveragePooling2D"), CLASSES)
    (check.work / "arrays.toml").write_text(model)
    run = check.train("arrays", "--data", "arrays.npz", "--model", "arrays.toml")
    said = json.loads(check.run(check.wgrad, "predict", run, "arrays-new.npy", "--json").splitlines()[-1])
    wanted = np.array([list(p["probabilities"].values()) for p in said["predictions"]])
    answers(check, "arrays", run, x, np.log(wanted))


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


def cases_of_cells(seed, rows):
    """Rows of a table with every kind of column."""
    picks = random.Random(seed)
    titles = ["Mr.", "Mrs.", "Miss.", "Dr."]
    words = ["battery", "screen", "great", "broken", "slow", "cheap", "loud", "bright", "warm", "heavy"]
    for i in range(rows):
        size = round(picks.gauss(40, 12), 2)
        colour = picks.choice(["red", "green", "blue", "blue", "Ünal"])
        title = picks.choice(titles)
        yield {
            "size": "" if picks.random() < 0.1 else size,
            "far": 30_000_000 + picks.randint(0, 90),
            "grade": picks.choice(["1", "2", "3", "3.0"]),
            "colour": "" if picks.random() < 0.1 else colour,
            "when": f"2021-{picks.randint(1, 12):02}-{picks.randint(1, 28):02}",
            "name": f"Person{i}, {title} Any",
            "code": picks.choice(["AB 12", "ab-7", "C85", "C123", "77", "D 1"]),
            "review": " ".join(picks.choice(words) for _ in range(12)).capitalize() + ".",
            "answer": "yes" if (size > 40) ^ (colour == "red") else "no",
            "amount": round(1000 + 3 * size + (20 if title == "Dr." else 0), 2),
        }


def fed(graph, row):
    """A row as the inputs of a graph, by the column that each is of."""
    feed = {}
    for value in graph.input:
        name, kind = value.name, value.type.tensor_type.elem_type
        column, _, part = name.rpartition(".")
        if column in row and part:
            date = np.datetime64(row[column])
            day = (date - np.datetime64("1970-01-01")).astype(int)
            parts = {
                "year": date.astype("M8[Y]").astype(int) + 1970,
                "month": date.astype("M8[M]").astype(int) % 12 + 1,
                "day": (date - date.astype("M8[M]")).astype(int) + 1,
                "weekday": (day + 3) % 7,
                "hour": 0,
                "days": day,
            }
            cell = parts[part]
        else:
            cell = row[name]
        if kind == onnx.TensorProto.STRING:
            feed[name] = np.array([[str(cell)]], dtype=object)
        else:
            feed[name] = np.array([[np.nan if cell == "" else cell]], dtype=np.float64 if kind == onnx.TensorProto.DOUBLE else np.float32)
    return feed


def tables(check, only):
    """Rows of tables through the whole graph, beside what `wgrad predict` says of the same rows."""
    train, new = list(cases_of_cells(7, 300)), list(cases_of_cells(8, SAMPLES))
    # What no training row has, and what is missing.
    new[0] |= {"colour": "pink", "grade": "9", "size": 1e9, "code": "zz", "name": "Nobody"}
    new[1] |= {"size": "", "colour": "", "name": "", "code": "", "review": ""}
    plain = ["size", "far", "grade", "colour", "when", "answer", "amount"]
    category, clip = "clean.columns.grade.type=category", "clean.outliers=clip"
    for name, columns, target, drop, task, *more in [
        ("table-classes", plain, "answer", "amount", "classification", category),
        ("table-dropped", plain, "answer", "amount", "classification", clip, "clean.missing=drop"),
        ("table-ordinal", plain, "amount", "answer", "regression", category, "clean.categories=ordinal"),
        ("table-values", plain, "amount", "answer", "regression", clip, "clean.indicator=true"),
        ("table-texts", [*plain, "name", "code", "review"], "answer", "amount", "classification", "clean.text=tokens"),
    ]:
        if not only(name):
            continue
        for file, rows in [(f"{name}.csv", train), (f"{name}-new.csv", new)]:
            with open(check.work / file, "w", newline="") as out:
                writer = csv.DictWriter(out, [c for c in columns if c != drop], extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
        flags = ["--data", f"{name}.csv", "--target", target, "--task", task, "--model", "tabular"]
        flags += [word for setting in more for word in ("--set", setting)]
        run = check.train(name, *flags)
        said = json.loads(check.run(check.wgrad, "predict", run, f"{name}-new.csv", "--json").splitlines()[-1])
        for opset in (20, 23) if name == "table-texts" else OPSETS:
            check.rows_of(name, run, opset, new, said["predictions"])


def pictures(check, only):
    """Pictures of other sizes through the whole graph, beside what `wgrad predict` says of the files."""
    from PIL import Image

    rng = np.random.default_rng(9)
    for name, channels, filter in [
        ("grey-triangle", 1, "triangle"),
        ("colour-triangle", 3, "triangle"),
        ("colour-catmull-rom", 3, "catmull-rom"),
        ("colour-lanczos3", 3, "lanczos3"),
        ("colour-nearest", 3, "nearest"),
    ]:
        if not only(name):
            continue
        folder = check.work / f"{name}-pictures"
        shape = lambda h, w: (h, w) if channels == 1 else (h, w, 3)
        for i in range(20):
            (folder / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, size=shape(16, 16)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "ab"[i % 2] / f"{i}.png")
        model = layers(layer("Conv2D", filters=4, kernel_size=3, activation="relu"), layer("Flatten"), CLASSES)
        (check.work / "small.toml").write_text(model)
        flags = ["--data", folder, "--model", "small.toml", "--set", f"data.filter={filter}"]
        run = check.train(name, *flags)
        files, inputs = [], []
        for i, (h, w) in enumerate([(16, 16), (7, 9), (64, 40), (16, 61), (150, 133), (5, 90)]):
            pixels = rng.integers(0, 256, size=shape(h, w)).astype(np.uint8)
            files.append(check.work / f"{name}-{i}.png")
            Image.fromarray(pixels).save(files[-1])
            planes = pixels[None, None] if channels == 1 else pixels.transpose(2, 0, 1)[None]
            inputs.append(np.ascontiguousarray(planes))
        said = json.loads(check.run(check.wgrad, "predict", run, *files, "--top", 2, "--json").splitlines()[-1])
        wanted = [{t["class"]: t["probability"] for t in p["top"]} for p in said["predictions"]]
        for opset in OPSETS:
            path, model = check.export(run, opset, "--with-preprocessing")
            feed = model.graph.input[0].name
            session, evaluator = ort.InferenceSession(str(path)), ReferenceEvaluator(str(path))
            for reader, ask in [("onnxruntime", session.run), ("reference", evaluator.run)]:
                worst = 0.0
                for x, answer in zip(inputs, wanted):
                    p, label = ask(["probabilities", "label"], {feed: x})
                    worst = max(worst, *(abs(p[0][i] - answer[c]) for i, c in enumerate("ab")))
                    assert label[0] == max(answer, key=answer.get), (label, answer)
                check.note(name, opset, reader, float(worst), f"{len(model.graph.node)} nodes, pictures of 6 sizes")


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
    for part in [images_of, corpora, texts, forecasts, arrays, tables, pictures]:
        try:
            part(check, only)
        except Exception as e:  # noqa: BLE001
            check.note(part.__name__, 0, "-", float("nan"), f"{type(e).__name__}: {str(e)[:900]}")
    print(f"\n{len(check.rows)} comparisons, {sum(row[-1] for row in check.rows)} differ by more than {TOLERANCE}")
    sys.exit(1 if check.failed or not check.rows else 0)


if __name__ == "__main__":
    main()
