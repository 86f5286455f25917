#!/usr/bin/env python3
"""Runs the benches of wgrad and its peers in turn and compares them.

    benches/compare.py                                    # everything that is built or installed
    benches/compare.py --only keras-cnn,mlp --devices cpu
    benches/compare.py --show FILE                        # a file of results as a table

What is not there is named with what to do about it. Needs Python's standard
library only; results go to `benches/results/`.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shlex
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ROOT / "benches" / "peers"
# Workload, batch, the shape of a sample. Products of matrices come after these.
WORKLOADS = [
    ("keras-cnn", 128, "1x28x28"),
    ("keras-cnn", 32, "1x28x28"),
    ("lstm", 128, "1x28x28"),
    ("char-gpt", 16, "64"),
    ("resnet8", 128, "3x32x32"),
    ("mlp", 32, "1x28x28"),
]


def output(*command):
    """What a command prints, or nothing where it cannot run."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def newest(folder, pattern):
    """The newest executable file that matches."""
    files = [f for f in folder.glob(pattern) if not f.suffix and os.access(f, os.X_OK)]
    return max(files, key=lambda f: f.stat().st_mtime, default=None)


class Peer:
    """How one program is run: `command(workload, batch, shape)`."""

    def __init__(self, name, device, command, only=None):
        self.name, self.device, self.command, self.only = name, device, command, only


def wgrad(args, missing):
    """wgrad on every device it finds."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    step = args.step or newest(target / "deps", "step-*")
    program = args.wgrad or target / "wgrad"
    if not step or not pathlib.Path(step).exists():
        missing.append("wgrad: cargo bench --bench step --no-run")
        return [], []
    try:
        devices = json.loads(output(str(program), "devices", "--json").splitlines()[-1])["devices"]
    except (IndexError, KeyError, ValueError):
        missing.append(f"the list of devices, so only the CPU: cargo build --release makes {program}")
        devices = [{"name": "CPU", "kind": "cpu", "backend": "cpu", "driver": ""}]
    peers = []
    for i, d in enumerate(devices):
        name = "cpu" if d["kind"] == "cpu" else str(i)
        # On hardware the fastest variants are found before anything is timed.
        tune = ["--tune"] if d["kind"] in ("discrete", "integrated") else []
        command = lambda w, b, shape, name=name, tune=tune: [
            str(step), w, str(b), name, *([shape] if shape else []), "--json", *tune
        ]
        peers.append(Peer("wgrad", d["name"], command))
    return peers, devices


def pytorch(args, missing):
    """PyTorch on the CPU and, where it finds one, on CUDA."""
    has = output(args.python, "-c", "import torch; print(torch.cuda.is_available())")
    if not has:
        missing.append(f"PyTorch: pip install torch, and --python PYTHON ({args.python} has none)")
        return []
    script = str(PEERS / "torch_step.py")
    modes = {"cpu": [[], ["--compile"]], "cuda": [[], ["--compile"], ["--graphs"]]}
    peers = []
    for device in ["cpu", "cuda"] if has == "True" else ["cpu"]:
        for flags in modes[device]:
            command = lambda w, b, shape, d=device, f=flags: [args.python, script, w, str(b), d, *f, "--json"]
            label = {"": "PyTorch eager", "--compile": "PyTorch compiled", "--graphs": "PyTorch compiled, graphs"}
            # A compiled product is the same call.
            only = [w for w, _, _ in WORKLOADS] + ["matmul"] * (not flags)
            peers.append(Peer(label["".join(flags)], device, command, only))
    return peers


def rust_peer(name, folder, given, models, devices, limit, missing):
    """Burn and Meganeura, which take the fastest adapter."""
    program = pathlib.Path(given or ROOT / "target" / "peers" / "release" / f"{folder}-peer")
    if not any(d["kind"] != "cpu" for d in devices):
        return []
    if not program.exists():
        missing.append(f"{name}: cargo build --release in benches/peers/{folder}, a quarter of an hour on two cores")
        return []
    command = lambda w, b, shape: [str(program), w, str(b), "--json", "--limit", str(limit)]
    return [Peer(name, "gpu", command, models)]


def measure(peer, workload, batch, shape, args):
    """One record: a rate, or why there is none."""
    record = {"workload": f"matmul-{batch}" if workload == "matmul" else workload, "peer": peer.name}
    record |= {"device": peer.device, "batch": 1 if workload == "matmul" else batch}
    command = [*shlex.split(args.prefix), *map(str, peer.command(workload, batch, shape))]
    code, said, errors = run(command, args.limit)
    lines = said.strip().splitlines()
    if code is None:
        return record | {"failed": f"not done in {args.limit} s"}
    if code == 0 and lines and lines[-1].startswith("{"):
        return record | json.loads(lines[-1])
    if code == 3 and lines:
        return record | {"failed": lines[-1].split(": ", 1)[-1]}
    return record | {"failed": (errors.strip() or said.strip() or f"code {code}").splitlines()[-1][:200]}


def run(command, limit):
    """Code, stdout and stderr of a command; no code where it had to be stopped,
    with all that it started."""
    pipe = subprocess.PIPE
    child = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)
    try:
        # A peer that stops itself at the limit says how far it got.
        said, errors = child.communicate(timeout=limit + 3)
        return child.returncode, said, errors
    except subprocess.TimeoutExpired:
        for how in [signal.SIGTERM, signal.SIGKILL]:
            try:
                os.killpg(child.pid, how)
                child.wait(3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        return None, "", ""


def machine(devices):
    """What the figures hold for."""
    cpu = re.search(r"^model name\s*: (.*)$", output("cat", "/proc/cpuinfo"), re.M)
    cpu = cpu[1] if cpu else output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    if flags := re.search(r"^flags\s*:.* (avx512f|avx2) ", output("cat", "/proc/cpuinfo"), re.M):
        cpu += f", {flags[1]}"
    gpu = output("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader").splitlines()
    return {
        "cpu": cpu,
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "cuda": gpu[0] if gpu else None,
        "devices": devices,
        "commit": output("git", "-C", str(ROOT), "rev-parse", "--short=10", "HEAD") or None,
    }


def number(x):
    """Three digits, as many as a timing is good for."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def short(device):
    """A device as a column is headed."""
    return re.sub(r"( \(.*\)|, \d+ threads)", "", device).replace("NVIDIA ", "")


def columns(results):
    """Programs on devices, in the order in which they were run."""
    found = {}
    for r in results:
        if "failed" not in r:
            found[(r["peer"], short(r["device"]))] = None
    return list(found)


def table(data):
    """Lines of Markdown: medians with the lowest and highest window, and how
    many times PyTorch's eager rate that is, on CUDA for GPUs where it ran."""
    results = data["results"]
    heads = columns(results)
    cell = {(r["workload"], r["batch"], r["peer"], short(r["device"])): r for r in results}
    cuda = next((d for p, d in heads if p == "PyTorch eager" and d != "CPU"), "CPU")
    lines = ["| | " + " | ".join(f"{p}, {d}" for p, d in heads) + " |", "|---|" + "---|" * len(heads)]
    for workload, batch in dict.fromkeys((r["workload"], r["batch"]) for r in results):
        cells = []
        for p, d in heads:
            r = cell.get((workload, batch, p, d))
            if not r or "failed" in r:
                cells.append("-")
                continue
            base = cell.get((workload, batch, "PyTorch eager", "CPU" if d == "CPU" else cuda))
            text = f"{number(r['median'])} ({number(r['low'])}-{number(r['high'])})"
            if base and base is not r and "failed" not in base:
                text += f", x{number(r['median'] / base['median'])}"
            cells.append(text)
        name = f"{workload}, GFLOP/s" if workload.startswith("matmul") else f"{workload}, batch {batch}"
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    failed = [r for r in results if "failed" in r]
    if failed:
        lines += ["", "Did not finish:"]
        lines += [f"- {r['peer']}, {r['workload']} batch {r['batch']}: {r['failed']}" for r in failed]
    return lines


def title(data):
    """What a table is of."""
    m, versions = data["machine"], {r["peer"].split(" ")[0]: r["version"] for r in data["results"] if "version" in r}
    devices = [f"{d['name']} ({d['driver']})" for d in m["devices"] if d["kind"] != "cpu"]
    parts = [f"{m['cpu']}, {m['threads']} threads", *devices, *(f"{n} {v}" for n, v in versions.items())]
    return "; ".join(parts) + f"; {data['date']}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--show", metavar="FILE", help="print a file of results as a table and stop")
    p.add_argument("--out", help="default: benches/results/DEVICE-DATE.json")
    p.add_argument("--only", help="workloads, by commas")
    p.add_argument("--add", action="store_true", help="to the results that are in --out already")
    p.add_argument("--matmul", default="512,1024,2048", help="sides of square matrices (default: 512,1024,2048)")
    p.add_argument("--devices", help="parts of devices' names, by commas: cpu, llvmpipe, cuda, gpu (Burn, Meganeura)")
    p.add_argument("--peers", help="parts of peers' names, by commas")
    p.add_argument("--limit", type=int, default=120, help="seconds for one measurement (default: 120)")
    p.add_argument("--prefix", default="", help='what to put before each command, "taskset -c 0-3" for example')
    p.add_argument("--python", default=os.environ.get("PYTHON", sys.executable), help="a Python that has PyTorch")
    p.add_argument("--step", help="the executable of the bench `step`")
    p.add_argument("--wgrad", help="the executable `wgrad`")
    p.add_argument("--burn", help="the executable burn-peer")
    p.add_argument("--meganeura", help="the executable meganeura-peer")
    args = p.parse_args()
    if args.show:
        data = json.loads(pathlib.Path(args.show).read_text())
        print(title(data), "", *table(data), sep="\n")
        return
    missing = []
    own, devices = wgrad(args, missing)
    peers = own + pytorch(args, missing)
    models = ["matmul", "mlp", "keras-cnn", "lstm", "char-gpt", "resnet8"]
    peers += rust_peer("Burn", "burn", args.burn, models, devices, args.limit, missing)
    peers += rust_peer("Meganeura", "meganeura", args.meganeura, ["mlp", "keras-cnn"], devices, args.limit, missing)
    for what in missing:
        print(f"not there: {what}", file=sys.stderr)
    wanted = lambda name, given: not given or any(g in name.lower() for g in given.lower().split(","))
    data = {"date": datetime.date.today().isoformat(), "machine": machine(devices), "results": []}
    slug = re.sub(r"[^a-z0-9]+", "-", short(devices[0]["name"]).lower()).strip("-") if devices else "none"
    out = pathlib.Path(args.out or ROOT / "benches" / "results" / f"{slug}-{data['date']}.json")
    if args.add and out.exists():
        data = json.loads(out.read_text())
    same = lambda r: (r["workload"], r["batch"], r["peer"], short(r["device"]))
    for workload, batch, shape in WORKLOADS + [("matmul", int(n), "") for n in args.matmul.split(",")]:
        for peer in peers:
            asked = wanted(peer.device, args.devices) and wanted(peer.name, args.peers)
            if not asked or (args.only and workload not in args.only.split(",")) or workload not in (peer.only or [workload]):
                continue
            r = measure(peer, workload, batch, shape, args)
            data["results"] = [old for old in data["results"] if same(old) != same(r)] + [r]
            # At once, so that what stops this script costs only what is to come.
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(data, indent=1) + "\n")
            said = r.get("failed") or f"{number(r['median'])} {r['unit']} ({number(r['low'])}-{number(r['high'])})"
            print(f"{r['workload']} batch {r['batch']}, {r['peer']} on {r['device']}: {said}", file=sys.stderr)
    if not data["results"]:
        sys.exit("nothing was measured")
    print(title(data), "", *table(data), "", f"written to {out}", sep="\n")


if __name__ == "__main__":
    main()
