"""Checks with the real TensorBoard that the event files of a run say what its
metrics.jsonl says: tags, steps, values.

    pip install tensorboard
    python tests/tensorboard_reads.py RUN_FOLDER
"""

import json
import pathlib
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(folder):
    folder = pathlib.Path(folder)
    epochs, points = {}, {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "train" in record:
            epochs[record["epoch"]] = record
        else:
            points[record["step"]] = record
    expected = {}
    for step, record in sorted(points.items()):
        for name, value in record.items():
            if name not in ("step", "epoch") and value is not None:
                expected.setdefault(f"{name}/step", []).append((step, value))
    for record in epochs.values():
        step = record.get("step") or record["epoch"]
        for split in ("train", "val"):
            for name, value in (record.get(split) or {}).items():
                expected.setdefault(f"{name}/{split}", []).append((step, value))
        for tag in ("lr", "grad_norm", "epoch"):
            if record.get(tag) is not None:
                expected.setdefault(tag, []).append((step, record[tag]))

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0, "histograms": 0})
    events.Reload()
    tags = events.Tags()
    assert set(tags["scalars"]) == set(expected), f"{sorted(tags['scalars'])} instead of {sorted(expected)}"
    count = 0
    for tag, points in expected.items():
        found = [(e.step, e.value) for e in events.Scalars(tag)]
        assert [s for s, _ in found] == [s for s, _ in points], f"{tag}: steps {found} instead of {points}"
        for (step, value), (_, want) in zip(found, points):
            assert abs(value - want) <= 1e-6 * max(1, abs(want)), f"{tag} at {step}: {value} instead of {want}"
            count += 1
    for tag in tags["images"]:
        for image in events.Images(tag):
            assert image.encoded_image_string.startswith(b"\x89PNG"), tag
            assert image.width > 0 and image.height > 0
    for tag in tags["tensors"]:
        assert events.Tensors(tag)[0].tensor_proto.string_val, tag
    for tag in tags["histograms"]:
        assert events.Histograms(tag)[0].histogram_value.num > 0, tag
    others = {kind: tags[kind] for kind in ("images", "tensors", "histograms")}
    print(f"{len(expected)} tags, {count} scalars as in metrics.jsonl; also {others}")


main(sys.argv[1])
