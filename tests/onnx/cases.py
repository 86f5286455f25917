#!/usr/bin/env python3
"""Compares every case of every op that has been written as ONNX with what wgrad makes of it.

    tests/onnx/cases.py ONNX_CASES WORK

ONNX_CASES is the example of that name (cargo build --example onnx_cases), WORK a folder for
files. Needs onnx, onnxruntime and numpy. Ends with 1 if a difference is above 1e-4 of the largest
number of an output.
"""

import collections
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort

TOLERANCE = 1e-4
KINDS = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.INT64: np.int64}


def tensor(path, value):
    """What a file holds, as the graph's input or output has it."""
    kind = KINDS[value.type.tensor_type.elem_type]
    shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
    return np.fromfile(path, "<f4" if kind is np.float32 else "<u4").astype(kind).reshape(shape)


def main():
    program, work = sys.argv[1], Path(sys.argv[2]).resolve()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    failed, total = [], 0
    for opset in (18, 20, 23):
        folder = work / f"cases-{opset}"
        folder.mkdir(parents=True, exist_ok=True)
        print(f"opset {opset}: {subprocess.run([program, folder, str(opset)], check=True, capture_output=True, text=True).stdout.strip()}")
        worst = collections.defaultdict(float)
        for path in sorted(folder.glob("*.onnx")):
            name, model = path.stem, onnx.load(path)
            total += 1
            try:
                onnx.checker.check_model(model, full_check=True)
                session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
                used = {i.name for i in session.get_inputs()}
                feed = {i.name: tensor(path.with_suffix(f".{i.name}"), i) for i in model.graph.input if i.name in used}
                found = session.run(None, feed)
                for value, y in zip(model.graph.output, found):
                    wanted = tensor(path.with_suffix(f".{value.name}"), value)
                    assert y.shape == wanted.shape, (y.shape, wanted.shape)
                    same = (y == wanted) | (np.isnan(y.astype(float)) & np.isnan(wanted.astype(float)))
                    finite = np.abs(wanted[np.isfinite(wanted)]) if wanted.size else []
                    scale = max(1.0, float(finite.max()) if len(finite) else 1.0)
                    off = float(np.max(np.where(same, 0, np.abs(y.astype(float) - wanted)))) / scale if y.size else 0.0
                    worst[name.split("-")[0]] = max(worst[name.split("-")[0]], off)
                    if not off <= TOLERANCE:
                        failed.append(f"{name} (opset {opset}), {value.name}: {off:.2e}")
            except Exception as e:  # noqa: BLE001
                failed.append(f"{name} (opset {opset}): {type(e).__name__}: {str(e)[:300]}")
        for op, off in sorted(worst.items()):
            print(f"  {op:16} {off:.2e}")
    print("\n".join(failed))
    print(f"{total} cases, {len(failed)} differ")
    sys.exit(1 if failed or not total else 0)


if __name__ == "__main__":
    main()
