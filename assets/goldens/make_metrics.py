"""Makes metrics.json: predictions and what scikit-learn says of them.

    pip install scikit-learn
    python assets/goldens/make_metrics.py

Made with scikit-learn 1.9.1. All numbers are exact in f32, so that the program
scores the very same values. What scikit-learn gives as nan is null here.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics as m

warnings.simplefilter("ignore")
BINS = 15


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, int, str, np.integer)) or value is None:
        return int(value) if isinstance(value, np.integer) else value
    return float(value) if np.isfinite(value) else None


def softmax(logits, digits=None):
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    if digits is not None:  # coarse: many ties
        p = np.round(p * digits) / digits
        p[:, -1] = 1 - p[:, :-1].sum(1)
        p = np.clip(p, 0, 1)
        p = p / p.sum(1, keepdims=True)
    return p.astype(np.float32).astype(np.float64)


def calibration(y, p):
    confidence, right = p.max(1), p.argmax(1) == y
    which = np.clip(np.ceil(confidence * BINS).astype(int), 1, BINS) - 1
    counts = [int((which == b).sum()) for b in range(BINS)]
    means = [confidence[which == b].mean() if n else 0.0 for b, n in enumerate(counts)]
    shares = [right[which == b].mean() if n else 0.0 for b, n in enumerate(counts)]
    ece = sum(n * abs(c - a) for n, c, a in zip(counts, means, shares)) / len(y)
    return ece, counts, means, shares


def thresholds(y, score):
    best = {}
    for name in ("f1", "youden", "accuracy"):
        for t in sorted(set(score), reverse=True):
            called = score >= t
            value = {
                "f1": lambda: m.f1_score(y, called, zero_division=0),
                "youden": lambda: called[y == 1].mean() - called[y == 0].mean(),
                "accuracy": lambda: m.accuracy_score(y, called),
            }[name]()
            if name not in best or value > best[name][1] + 1e-12:
                best[name] = (t, value)
    return {k: list(v) for k, v in best.items()}


def classification(name, y, p):
    y, (n, c) = np.asarray(y), p.shape
    labels, guess = list(range(c)), p.argmax(1)
    hot = np.eye(c)[y]
    out = {
        "accuracy": m.accuracy_score(y, guess),
        "balanced_accuracy": m.balanced_accuracy_score(y, guess),
        "log_loss": m.log_loss(y, y_proba=p, labels=labels),
        "mcc": m.matthews_corrcoef(y, guess),
        "kappa": m.cohen_kappa_score(y, guess),
        "confusion": m.confusion_matrix(y, guess, labels=labels),
    }
    for average in ("macro", "micro", "weighted"):
        scores = m.precision_recall_fscore_support(y, guess, average=average, zero_division=0)
        out[average] = dict(zip(("precision", "recall", "f1"), scores))
    each = m.precision_recall_fscore_support(y, guess, labels=labels, zero_division=0)
    out["classes"] = [dict(zip(("precision", "recall", "f1", "support"), s)) for s in zip(*each)]
    for k in range(c):
        out["classes"][k]["roc_auc"] = m.roc_auc_score(hot[:, k], p[:, k])
        present = hot[:, k].any()
        out["classes"][k]["pr_auc"] = m.average_precision_score(hot[:, k], p[:, k]) if present else None
    out["ece"], out["bin_count"], out["bin_confidence"], out["bin_accuracy"] = calibration(y, p)
    if c == 2:
        out["brier"] = m.brier_score_loss(y, p[:, 1], labels=labels)
        out["roc_auc"] = m.roc_auc_score(y, p[:, 1])
        out["pr_auc"] = m.average_precision_score(y, p[:, 1])
        if 0 < y.sum() < n:
            fpr, tpr, _ = m.roc_curve(y, p[:, 1])
            precision, recall, _ = m.precision_recall_curve(y, p[:, 1])
            out["roc"] = list(zip(fpr, tpr))
            out["pr"] = list(zip(recall[::-1], precision[::-1]))
            out["thresholds"] = thresholds(y, p[:, 1])
    else:
        out["brier"] = m.brier_score_loss(y, p, labels=labels)
        out["top_k"] = [m.top_k_accuracy_score(y, p, k=k, labels=labels) for k in (2, 3, 5) if k < c]
        # From the single classes: roc_auc_score refuses rows whose f32 sum is off by 1e-7.
        aucs = np.array([x["roc_auc"] for x in out["classes"]])
        support = hot.sum(0)
        out["roc_auc"] = aucs.mean()
        out["roc_auc_weighted"] = np.average(aucs[support > 0], weights=support[support > 0])
        out["pr_auc"] = m.average_precision_score(hot, p, average="macro")
        out["pr_auc_weighted"] = m.average_precision_score(hot, p, average="weighted")
        if np.allclose(p.sum(1), 1) and (support > 0).all():
            given = {"multi_class": "ovr", "labels": labels}
            assert np.isclose(out["roc_auc"], m.roc_auc_score(y, p, average="macro", **given))
            assert np.isclose(out["roc_auc_weighted"], m.roc_auc_score(y, p, average="weighted", **given))
    return {"name": name, "labels": y, "probabilities": p.ravel(), "classes": c, "expected": out}


def regression(name, y, p):
    y, p = (np.asarray(v, np.float32).astype(np.float64).reshape(len(v), -1) for v in (y, p))

    def scores(t):
        a, b = y[:, t], p[:, t]
        return {
            "mae": m.mean_absolute_error(a, b),
            "rmse": m.root_mean_squared_error(a, b),
            "r2": m.r2_score(a, b),
            "mape": m.mean_absolute_percentage_error(a, b),
            "median_ae": m.median_absolute_error(a, b),
            "max_error": m.max_error(a, b),
            "explained_variance": m.explained_variance_score(a, b),
            "bias": (b - a).mean(),
        }

    overall = {
        "mae": m.mean_absolute_error(y, p),
        "rmse": m.root_mean_squared_error(y, p),
        "r2": m.r2_score(y, p),
        "mape": m.mean_absolute_percentage_error(y, p),
        "median_ae": m.median_absolute_error(y, p),
        "explained_variance": m.explained_variance_score(y, p),
        "bias": (p - y).mean(),
    }
    targets = [scores(t) for t in range(y.shape[1])]
    return {"name": name, "target": y.ravel(), "predicted": p.ravel(), "columns": y.shape[1],
            "expected": overall, "targets": targets}


def main():
    r = np.random.default_rng(0)

    def guessed(n, c, skill, digits=None, classes=None):
        y = r.integers(0, classes or c, n)
        return y, softmax(r.normal(size=(n, c)) + skill * np.eye(c)[y], digits)

    two = lambda score: np.stack([1 - np.float32(score), np.float32(score)], 1).astype(np.float64)
    cases = [
        classification("binary", *guessed(120, 2, 1.5)),
        classification("binary with ties", *guessed(100, 2, 1.0, 8)),
        classification("binary, unbalanced", (r.random(150) < 0.08).astype(int), two(r.random(150))),
        classification("binary, perfect", [0, 1, 1, 0, 1], two([0.1, 0.9, 0.75, 0.25, 1.0])),
        classification("binary, worst", [0, 1, 1, 0, 1], two([1.0, 0.125, 0.25, 0.75, 0.0])),
        classification("binary, all equal", [0, 1, 1, 0, 1, 1], two([0.5] * 6)),
        classification("binary, positives only, all found", [1, 1, 1], two([0.75, 0.625, 1.0])),
        classification("binary, positives only, some found", [1, 1, 1], two([0.75, 0.375, 1.0])),
        classification("binary, negatives only", [0, 0], two([0.75, 0.375])),
        classification("binary, one sample", [1], two([0.75])),
        classification("five classes", *guessed(150, 5, 1.5)),
        classification("ten classes with ties", *guessed(120, 10, 2.0, 16)),
        classification("six classes, two without samples", *guessed(60, 6, 1.0, None, 4)),
        classification("four classes, one in the labels", [2] * 12, softmax(r.normal(size=(12, 4)))),
        classification("three classes, one never predicted", [0, 1, 2, 1, 0],
                       softmax(np.array([[3, 1, 0], [1, 3, 0], [0, 2, 1], [2, 1, 0], [2, 1, 1.0]]))),
        classification("three classes, perfect", [0, 1, 2, 1], np.eye(3)[[0, 1, 2, 1]]),
        classification("three classes, worst", [0, 1, 2, 1], np.eye(3)[[1, 2, 0, 0]]),
    ]
    y = r.normal(size=(60, 1)) * 3 + 1
    many = r.normal(size=(40, 3)) * [1, 100, 0.01] + [0, 1000, 5]
    numbers = [
        regression("one target", y, y + r.normal(size=y.shape)),
        regression("three targets", many, many + r.normal(size=many.shape) * [0.5, 20, 0.02]),
        regression("perfect", y, y),
        regression("a constant off", [1.0, 2.0, 4.0], [1.5, 2.5, 4.5]),
        regression("worse than the mean", [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]),
        regression("constant truth, right", [2.0, 2.0, 2.0], [2.0, 2.0, 2.0]),
        regression("constant truth, wrong", [2.0, 2.0, 2.0], [2.0, 2.5, 3.0]),
        regression("zeros in the truth", [0.0, 1.0, 2.0, 0.0], [0.5, 1.0, 2.5, 0.0]),
        regression("one sample", [1.0], [1.5]),
        regression("large offset", np.float32(1e6) + r.integers(0, 50, 30), np.float32(1e6) + r.integers(0, 50, 30)),
    ]
    out = pathlib.Path(__file__).with_name("metrics.json")
    lines = [",\n".join(json.dumps(plain(c), separators=(",", ":")) for c in group) for group in (cases, numbers)]
    out.write_text('{"classification":[\n%s\n],"regression":[\n%s\n]}\n' % tuple(lines))
    print(f"{out}: {len(cases)} + {len(numbers)} cases, {out.stat().st_size} bytes")


main()
