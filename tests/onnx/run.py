#!/usr/bin/env python3
"""Runs ONNX's own backend tests with `wgrad run`, and prints a table per operator.

    python3 tests/onnx/run.py --wgrad target/release/wgrad --device cpu
    python3 tests/onnx/run.py --kind simple --kind pytorch-converted --device llvmpipe

Needs the packages of `tests/onnx/requirements.txt`. The cases are those of the package: of single
nodes, made when they are asked for, and models that lie in it. A case passes if every output
has the type, shape and values that the suite says, within the suite's own tolerances. A case
that the program refuses, with a message, does not pass and is no error; one that gives other
values is, and so is a crash. Exit code 1 if there is any.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

warnings.filterwarnings("ignore")
# Where the suite's own numbers are further from the exact ones than it allows: the rounding errors
# of an FFT in single precision, 1.9e-7 instead of 0, with a tolerance of 1e-7.
INEXACT = {"test_dft_inverse", "test_dft_inverse_opset19"}
KINDS = ["node", "simple", "pytorch-converted", "pytorch-operator"]


def parts(value):
    """The tensors of a value: one, or those of a sequence; None where there is none."""
    if value is None:
        return None
    return list(value) if isinstance(value, (list, tuple)) else [value]


def to_proto(value):
    return value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value))


def to_array(value):
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def write(path, message):
    with open(path, "wb") as f:
        f.write(message.SerializeToString())


def loaded(folder, infos, stem):
    """The values of a data set that lies in a folder."""
    values = []
    for i, info in enumerate(infos):
        path = os.path.join(folder, f"{stem}_{i}.pb")
        if not os.path.exists(path):
            break
        data = open(path, "rb").read()
        kind = info.type.WhichOneof("value")
        if kind == "sequence_type":
            message = onnx.SequenceProto.FromString(data)
            values.append(numpy_helper.to_list(message))
        elif kind == "optional_type":
            message = onnx.OptionalProto.FromString(data)
            values.append(numpy_helper.to_optional(message))
        else:
            values.append(onnx.TensorProto.FromString(data))
    return values


def data_sets(case, model):
    if case.data_sets is not None:
        return case.data_sets
    names = sorted(n for n in os.listdir(case.model_dir) if n.startswith("test_data_set"))
    folders = [os.path.join(case.model_dir, n) for n in names]
    inputs = [i for i in model.graph.input]
    return [(loaded(f, inputs, "input"), loaded(f, model.graph.output, "output")) for f in folders]


def same(found, expected, case):
    """None, or what is wrong."""
    if found.dtype != expected.dtype:
        return f"type {found.dtype}, expected {expected.dtype}"
    if found.shape != expected.shape:
        return f"shape {list(found.shape)}, expected {list(expected.shape)}"
    if expected.dtype == object or expected.dtype.kind in "US":
        return None if (found.astype(str) == expected.astype(str)).all() else "other strings"
    if found.size == 0:
        return None
    a, b = (x.astype(np.float64) if x.dtype.kind not in "iub" else x for x in (found, expected))
    try:
        np.testing.assert_allclose(a, b, rtol=case.rtol, atol=case.atol)
    except AssertionError as e:
        match = re.search(r"Max absolute difference[^:]*: *(\S+)", str(e))
        return f"differs by up to {match.group(1) if match else '?'}"
    return None


def run(case, args):
    """(outcome, message, steps) of a case."""
    with tempfile.TemporaryDirectory() as folder:
        if case.model is not None:
            model, path = case.model, os.path.join(folder, "model.onnx")
            write(path, model)
        else:
            path = os.path.join(case.model_dir, "model.onnx")
            model = onnx.load(path)
        steps = 0
        for inputs, outputs in data_sets(case, model):
            command = [args.wgrad, "run", path, "--device", args.device, "--json", "--format", "pb"]
            command += ["--output-dir", os.path.join(folder, "out")]
            for i, (info, value) in enumerate(zip(model.graph.input, inputs)):
                for j, tensor in enumerate(parts(value) or []):
                    file = os.path.join(folder, f"in-{i}-{j}.pb")
                    write(file, to_proto(tensor))
                    command += ["--input", f"{info.name}={file}"]
            try:
                done = subprocess.run(command, capture_output=True, timeout=args.timeout, check=False)
            except subprocess.TimeoutExpired:
                return "crash", f"not done after {args.timeout} s", steps
            err = done.stderr.decode(errors="replace").strip().splitlines()
            if done.returncode not in (0, 1, 2) or any("panicked" in line or "internal error" in line for line in err):
                return "crash", " ".join(err)[-300:], steps
            if done.returncode != 0:
                return "refused", (err[-1] if err else "no message")[-300:], steps
            said = json.loads(done.stdout)
            steps += said["steps"]
            found = {o["name"]: to_array(onnx.TensorProto.FromString(open(o["file"], "rb").read())) for o in said["outputs"]}
            for info, value in zip(model.graph.output, outputs):
                many = parts(value)
                names = [info.name] if not isinstance(value, (list, tuple)) else [f"{info.name}.{i}" for i in range(len(many))]
                for name, expected in zip(names, many or []):
                    if name not in found:
                        return "wrong", f"output {name} is missing", steps
                    wrong = same(found[name], to_array(expected), case)
                    if wrong:
                        return "wrong", f"output {name}: {wrong}", steps
        return "pass", "", steps


def operators(case):
    model = case.model if case.model is not None else onnx.load(os.path.join(case.model_dir, "model.onnx"))
    return "+".join(sorted({n.op_type for n in model.graph.node})) or "-"


def markdown(path, table):
    """The table per operator, for people."""
    lines = ["| operators | pass | refused | wrong |", "|---|---|---|---|"]
    for name, row in sorted(table.items(), key=lambda r: (r[0] == "all", r[0])):
        lines.append(f"| {name} | {row['pass'] or ''} | {row['refused'] or ''} | {row['wrong'] + row['crash'] or ''} |")
    with open(path, "w") as f:
        f.write("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wgrad", default="target/release/wgrad")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--kind", action="append", choices=KINDS, help="default: node")
    parser.add_argument("--only", default="", help="a regular expression for names of cases")
    parser.add_argument("--part", default="0/1", metavar="K/N", help="the K-th of N parts of the cases, from 0")
    parser.add_argument("--expanded", action="store_true", help="also the cases whose functions are written out")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", help="writes outcome and message of each case as JSON")
    parser.add_argument("--table", help="writes the table per operator as Markdown")
    parser.add_argument("--least", type=int, default=0, help="fails where fewer cases pass")
    args = parser.parse_args()
    args.wgrad = os.path.abspath(args.wgrad)
    cases = []
    for kind in args.kind or ["node"]:
        found = load_model_tests(kind=kind)
        cases += [c for c in found if args.expanded or kind != "node" or "_expanded" not in c.name]
    cases = [c for c in cases if re.search(args.only, c.name)]
    part, parts_ = map(int, args.part.split("/"))
    cases = cases[part::parts_]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda c: run(c, args), cases))
    table = collections.defaultdict(collections.Counter)
    for case, (outcome, _, steps) in zip(cases, results):
        table[operators(case)][outcome] += 1
        table["all"][outcome] += 1
        table["all"]["on the device"] += outcome == "pass" and steps > 0
    print(f"{'operators':40} {'pass':>5} {'refused':>8} {'wrong':>6} {'crash':>6}")
    for name, row in sorted(table.items(), key=lambda r: (r[0] == "all", r[0])):
        print(f"{name[:40]:40} {row['pass']:5} {row['refused']:8} {row['wrong']:6} {row['crash']:6}")
    print(f"{table['all']['on the device']} of those that pass were computed on the device, at least in part")
    bad = [(c, r) for c, r in zip(cases, results) if r[0] in ("wrong", "crash")]
    for case, (outcome, message, _) in bad:
        print(f"{outcome}: {case.name}: {message}")
    if args.table:
        markdown(args.table, table)
    if args.out:
        rows = [{"name": c.name, "outcome": o, "message": m, "steps": s} for c, (o, m, s) in zip(cases, results)]
        with open(args.out, "w") as f:
            json.dump(rows, f, indent=0)
    bad = [c for c, _ in bad if c.name not in INEXACT]
    sys.exit(bool(bad) or table["all"]["pass"] < args.least)


if __name__ == "__main__":
    main()
