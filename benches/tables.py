#!/usr/bin/env python3
"""Reading tables beside pandas and polars, in one run: seconds and the most memory.

    benches/tables.py [--rows N] [--threads N] [FILE.csv TARGET]

Without a file a table of 20 columns is made: measurements, counts, a category, dates
and a target. Each program reads it in a process of its own, three times in turn; the
fastest counts, and the largest memory. Needs pandas, polars and numpy, and
`cargo bench --bench tables --no-run` before.
"""

import argparse, json, os, subprocess, sys, tempfile

ROUNDS = 3

MAKE = """
import numpy as np, pandas as pd, sys
n, path = int(sys.argv[1]), sys.argv[2]
r = np.random.default_rng(0)
table = {f"x{i}": np.round(r.normal(size=n) * (i + 1), 4) for i in range(14)}
table |= {f"k{i}": r.integers(0, 10 ** (i + 2), n) for i in range(3)}
table["kind"] = r.choice(["red", "green", "blue", "violet"], n)
table["day"] = pd.to_datetime("2020-01-01") + pd.to_timedelta(r.integers(0, 2000, n), unit="D")
table["y"] = np.round(table["x0"] * 2 + table["x1"] + r.normal(size=n) * 0.1, 4)
pd.DataFrame(table).to_csv(path, index=False)
"""
# Programs are timed without their start, and print what `cargo bench --bench tables` prints.
PEER = """
import json, resource, sys, time, {module}
began = time.monotonic()
{module}.read_csv(sys.argv[1]{more})
seconds = time.monotonic() - began
print(json.dumps(dict(s=seconds, peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))
"""
PEERS = {
    "pandas.read_csv": PEER.format(module="pandas", more=""),
    "pandas.read_csv (pyarrow)": PEER.format(module="pandas", more=", engine='pyarrow'"),
    "polars.read_csv": PEER.format(module="polars", more=""),
}


def timed(command, env):
    """Seconds and MiB at most as a command says; None if it fails."""
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    said = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None
    return said and (said["s"], said["peak_mib"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("target", nargs="?", default="y")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    threads = str(asked.threads)
    env = os.environ | {"RAYON_NUM_THREADS": threads, "POLARS_MAX_THREADS": threads, "OMP_NUM_THREADS": threads}
    with tempfile.TemporaryDirectory() as folder:
        path = asked.file or os.path.join(folder, "table.csv")
        if not asked.file:
            subprocess.run([sys.executable, "-c", MAKE, str(asked.rows), path], check=True)
        size = os.path.getsize(path) / 2**20
        programs = {f"wgrad, {what}": ["cargo", "bench", "-q", "--bench", "tables", "--", path, asked.target, what] for what in ("read", "audit", "fit")}
        programs |= {name: [sys.executable, "-c", code, path] for name, code in PEERS.items()}
        best = {}
        for _ in range(ROUNDS):
            for name, command in programs.items():
                if (run := timed(command, env)) is not None:
                    seconds, mib = run
                    before = best.get(name, (seconds, mib))
                    best[name] = (min(before[0], seconds), max(before[1], mib))
        print(f"{path if asked.file else str(asked.rows) + ' rows of 20 columns'}, {size:.0f} MiB, {threads} threads\n")
        print("| program | seconds | MiB at most | of the file |\n|---|---:|---:|---:|")
        for name, (seconds, mib) in best.items():
            print(f"| {name} | {seconds:.2f} | {mib:.0f} | {mib / size:.1f} |")
        for name in programs.keys() - best.keys():
            print(f"\n{name} was not run: it fails, or is not installed")


if __name__ == "__main__":
    main()
