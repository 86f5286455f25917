#!/usr/bin/env python3
"""What `wgrad train FILE --target COL` gives where nothing else is said, beside what a user would
pick instead; as tables in Markdown, which docs/defaults.md shows.

    benches/defaults.py --wgrad target/release/wgrad               # the sets of the report
    benches/defaults.py --wgrad .. --group tune --sets pima,boston # others, or some
    benches/defaults.py --wgrad .. --set train.epochs=50           # the same with a setting
    benches/defaults.py --results FILE.json --markdown             # the tables of an earlier run

Data comes from installed packages (`defaults_sets.py`); WGRAD_DATA names a folder with those that
no package has. All are scored on the same rows: a quarter of a table, for three seeds; the last
fifth of a series, one row ahead; the test set of short series with classes."""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

# Two trainings beside each other are faster than two threads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np

import defaults_baselines as baselines
import defaults_sets as sets

SEEDS = (0, 1, 2)
# Of a table with more rows one split is enough.
LARGE = 1_500
TEST = 0.25
# Losing by less than this share of the best rival's error is no loss.
NEAR = 0.05


def wgrad(command, *args):
    """Runs it and reads the object that it prints last."""
    done = subprocess.run([*command, *args, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(args)}: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def split(frame, target, seed):
    """Training and test rows; classes are spread evenly."""
    from sklearn.model_selection import train_test_split

    classes = None
    if not baselines.is_numeric(frame, target):
        counts = frame[target].value_counts()
        classes = frame[target] if counts.min() >= 2 else None
    return train_test_split(frame, test_size=TEST, random_state=seed, stratify=classes)


def on_table(command, extra, name, target, load, folder, with_rivals):
    frame = load()
    seeds = SEEDS if len(frame) < LARGE else SEEDS[:1]
    rows, all_scores, seconds = [], [], 0.0
    for seed in seeds:
        train, test = split(frame, target, seed)
        files = [folder / f"{name}-{part}.csv" for part in ("train", "test")]
        train.to_csv(files[0], index=False), test.to_csv(files[1], index=False)
        names = json.dumps(target, ensure_ascii=False)
        asked = ["--set", f"data.target={names}"] if isinstance(target, list) else ["--target", target]
        run = folder / f"{name}-run-{seed}"
        begun = time.time()
        # The target of whole numbers is a class, unless it has more values than classes have.
        wgrad(command, "train", "--data", str(files[0]), *asked, "--out", str(run), *extra)
        seconds += time.time() - begun
        found = wgrad(command, "eval", str(run), "--data", str(files[1]))["test"]
        if "accuracy" in found:
            mine = {"log_loss": found["log_loss"], "error": 1 - found["accuracy"]}
        else:
            mine = {"rmse": found["rmse"]}
        if isinstance(target, list):
            mine = {"rmse": rmse_of_several(command, run, files[1], test[target])}
        rivals = baselines.tables(train, test, target) if with_rivals else {}
        all_scores.append({"wgrad": mine, **rivals})
        rows = [len(train), len(test)]
    return {"rows": rows, "scores": mean(all_scores), "seconds": seconds / len(seeds)}


def rmse_of_several(command, run, file, truth):
    """Over all targets, as the rivals are scored."""
    answers = wgrad(command, "predict", str(run), str(file))["predictions"]
    errors = [[a["values"][c] - t for c, t in zip(truth, row)] for a, row in zip(answers, truth.to_numpy())]
    return float(np.sqrt(np.mean(np.square(errors))))


def mean(all_scores):
    """Over the seeds."""
    first = all_scores[0]
    return {who: {k: float(np.mean([s[who][k] for s in all_scores])) for k in first[who]} for who in first}


def on_series(command, extra, name, target, season, load, folder, with_rivals):
    frame = load().reset_index(drop=True)
    file, run = folder / f"{name}.csv", folder / f"{name}-run"
    frame.to_csv(file, index=False)
    begun = time.time()
    found = wgrad(
        command, "train", "--data", str(file), "--target", target, "--model", "lstm-forecast", "--out", str(run), *extra
    )
    seconds = time.time() - begun
    evaluation = json.loads((run / "evaluation.json").read_text())
    windows = json.loads((run / "run.json").read_text())["samples"]["test"]
    mine = {"mae": evaluation["forecast"]["forecasts"][0]["mae"]}
    values = frame[target].to_numpy()
    rivals = baselines.series(values, len(values) - windows, season) if with_rivals else {}
    if rivals:
        # wgrad's own persistence is that of the same rows.
        own = found["test"]["baselines"]["persistence"]["mae"]
        assert abs(own - rivals["persistence"]["mae"]) <= 1e-3 * own, f"{name}: {own}, {rivals['persistence']}"
    return {"rows": [len(values) - windows, windows], "scores": {"wgrad": mine, **rivals}, "seconds": seconds}


def on_short(command, extra, name, load, folder, with_rivals):
    train, test = load()
    names = sorted(set(train[1]))
    for (x, y), part in ((train, "train"), (test, "test")):
        np.savez(folder / f"{name}-{part}.npz", x=x, y=np.searchsorted(names, y))
    run = folder / f"{name}-run"
    begun = time.time()
    wgrad(command, "train", "--data", str(folder / f"{name}-train.npz"), "--out", str(run), *extra)
    seconds = time.time() - begun
    found = wgrad(command, "eval", str(run), "--data", str(folder / f"{name}-test.npz"))["test"]
    rivals = baselines.short(train, test) if with_rivals else {}
    scores = {"wgrad": {"error": 1 - found["accuracy"]}, **rivals}
    return {"rows": [len(train[0]), len(test[0])], "scores": scores, "seconds": seconds}


# --- tables -------------------------------------------------------------------------------


def number(v):
    return f"{v:.0f}" if v >= 1000 else f"{v:.3g}" if v >= 1 else f"{v:.3f}"


def verdict(scores, key):
    """How far wgrad is from the best rival, and whether it is behind the worst."""
    mine = scores["wgrad"][key]
    rivals = [s[key] for who, s in scores.items() if who != "wgrad" and key in s]
    best, worst = min(rivals), max(rivals)
    # Shares of the same rows are equal up to rounding.
    behind = mine > worst + 1e-6
    if best < 1e-9:
        return 0.0 if mine < 1e-9 else float("inf"), behind
    return mine / best - 1, behind


def summary(judged):
    near = sum(share <= NEAR for share, _ in judged)
    worst = sum(behind for _, behind in judged)
    return (
        f"Within {100 * NEAR:.0f} % of the best rival's error, or better: {near} of {len(judged)}. "
        f"Worse than the worst rival: {worst}."
    )


def markdown(results, kind, keys, rivals, before=None):
    lines = []
    for key, title in keys.items():
        own = {n: r for n, r in results.items() if r["kind"] == kind and key in r["scores"]["wgrad"]}
        if not own:
            continue
        head = [title, "rows", *(["before"] if before else []), "wgrad", *rivals(key), "to the best"]
        lines += ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        judged, judged_before = [], []
        for name, r in own.items():
            share, behind = verdict(r["scores"], key)
            judged.append((share, behind))
            cells = [name, f"{r['rows'][0]}, {r['rows'][1]}"]
            if before:
                earlier = before.get(name, {}).get("scores", {}).get("wgrad", {})
                cells.append(number(earlier[key]) if key in earlier else "-")
                if key in earlier:
                    judged_before.append(verdict({**r["scores"], "wgrad": earlier}, key))
            cells.append(number(r["scores"]["wgrad"][key]))
            cells += [number(r["scores"][who][key]) if key in r["scores"].get(who, {}) else "-" for who in rivals(key)]
            cells.append(f"{100 * share:+.0f} %" + (", behind the worst" if behind else ""))
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", summary(judged)]
        if judged_before:
            lines += [f"Before: {summary(judged_before)}"]
        lines += [""]
    return lines


def tables(results, before=None):
    of_tables = lambda key: ["ridge" if key == "rmse" else "logistic", "MLP", "boosting"]
    lines = markdown(
        results,
        "table",
        {"log_loss": "Log loss", "error": "Share of wrong classes", "rmse": "RMSE"},
        of_tables,
        before,
    )
    lines += markdown(results, "series", {"mae": "Mean absolute error"}, lambda _: ["persistence", "seasonal naive", "smoothing"], before)
    lines += markdown(results, "short", {"error": "Share of wrong classes"}, lambda _: ["1-NN", "logistic", "MLP"], before)
    return "\n".join(lines)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--wgrad", help="the program")
    flags.add_argument("--group", default="report", choices=["report", "tune"])
    flags.add_argument("--sets", help="some of them, by name")
    flags.add_argument("--kinds", default="table,series,short")
    flags.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for wgrad train")
    flags.add_argument("--flag", action="append", default=[], help="for wgrad train, such as --flag=--difference")
    flags.add_argument("--results", type=pathlib.Path, help="a file of results: is read, and added to")
    flags.add_argument("--rivals-of", type=pathlib.Path, help="results whose rivals are taken as they are")
    flags.add_argument("--before", type=pathlib.Path, help="results of another version, shown beside")
    flags.add_argument("--markdown", action="store_true", help="only print the tables of --results")
    f = flags.parse_args()
    results = json.loads(f.results.read_text()) if f.results and f.results.exists() else {}
    known = json.loads(f.rivals_of.read_text()) if f.rivals_of else {}
    before = json.loads(f.before.read_text()) if f.before else None
    if not f.markdown:
        extra = [w for pair in f.set for w in ("--set", pair)] + f.flag
        wanted = f.sets.split(",") if f.sets else None
        runs = [("table", n, on_table, s) for n, s in sets.TABLES.items()]
        runs += [("series", n, on_series, s) for n, s in sets.SERIES.items()]
        runs += [("short", n, on_short, s) for n, s in sets.SHORT.items()]
        for kind, name, run, (group, *of) in runs:
            if kind not in f.kinds.split(",") or (name not in wanted if wanted else group != f.group):
                continue
            with tempfile.TemporaryDirectory() as folder:
                try:
                    has = name in known
                    found = run([f.wgrad], extra, name, *of, pathlib.Path(folder), not has)
                    if has:
                        found["scores"] = {**known[name]["scores"], **found["scores"]}
                except Exception as e:  # A package that is not there, or a run that fails: said, and the rest goes on.
                    print(f"{name}: {e!r}", flush=True)
                    continue
            results[name] = {"kind": kind, **found}
            shown = "; ".join(
                f"{who} " + " ".join(f"{k} {number(v)}" for k, v in s.items()) for who, s in found["scores"].items()
            )
            print(f"{name} ({found['seconds']:.1f} s): {shown}", flush=True)
            if f.results:
                f.results.write_text(json.dumps(results, indent=1))
    print(tables(results, before))


if __name__ == "__main__":
    main()
