#!/usr/bin/env python3
"""Trains with mpirun: any number of ranks ends in the same bits, also after one was killed and the
job was launched again with another number; mistakes end the job with a message.

    tests/mpi/ranks.py --wgrad target/release/wgrad [--plain WGRAD_WITHOUT_MPI] [--mpirun mpirun]
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

CONFIGS = {
    # Batch norm, clipping, a rate that falls with the scores, averaged weights.
    "resnet8": """
model = "resnet8"
[data]
source = "set"
val_split = 0.2
[train]
epochs = 2
min_steps = 0
batch_size = 8
micro_batches = 4
clip_norm = 1.0
ema = 0.9
checkpoint_every = 2
[schedule]
name = "plateau"
patience = 0
monitor = "loss"
[optimizer]
name = "sgd"
lr = 0.05
momentum = 0.9
""",
    "keras-cnn": """
model = "keras-cnn"
[data]
source = "set"
[train]
epochs = 2
min_steps = 0
batch_size = 8
micro_batches = 4
checkpoint_every = 2
""",
}
CONFIGS["char-gpt"] = """
model = "char-gpt"
[data]
source = "text.txt"
context = 16
[train]
epochs = 1
batch_size = 4
micro_batches = 4
max_steps = 8
checkpoint_every = 2
"""


def make_data(at):
    """160 pictures of 28 by 28 in three classes, in MNIST's format, and a text."""
    draw = random.Random(1)
    labels = [draw.randrange(3) for _ in range(160)]
    pixels = bytes(
        draw.randrange(150) + (60 if i // 28 // 10 == label else 0) for label in labels for i in range(784)
    )
    folder = at / "set"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 160, 28, 28) + pixels)
    (folder / "train-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, 160) + bytes(labels))
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "ran", "far", "away"]
    (at / "text.txt").write_text(" ".join(draw.choice(words) for _ in range(1200)))
    for name, text in CONFIGS.items():
        (at / f"{name}.toml").write_text(text)


class Bench:
    def __init__(self, args, at):
        self.args, self.at, self.failed = args, at, 0
        self.env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", RAYON_NUM_THREADS="1")
        version = subprocess.run([args.mpirun, "--version"], capture_output=True, text=True).stdout
        self.many = ["--oversubscribe", "--bind-to", "none"] if "Open MPI" in version else []

    def command(self, n, words, program=None):
        program = str(program or self.args.wgrad)
        launch = [self.args.mpirun, *self.many, "-n", str(n)] if n else []
        return [*launch, program, *words.split()]

    def run(self, n, words, program=None, **more):
        return subprocess.run(
            self.command(n, words, program), cwd=self.at, env={**self.env, **more}, capture_output=True, text=True, timeout=600
        )

    def works(self, n, words):
        done = self.run(n, words)
        if done.returncode != 0:
            sys.exit(f"{n} ranks, {words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def check(self, what, good, more=""):
        print(("ok      " if good else "FAILED  ") + what + ("" if good else f"\n{more}"), flush=True)
        self.failed += not good

    def bits(self, run):
        folder = self.at / run / "checkpoints" / "last"
        return [(folder / name).read_bytes() for name in ("model.safetensors", "training.safetensors")]

    def kill(self, words, rank_to_kill, after):
        """Launches two ranks, and kills one with SIGKILL once there is a checkpoint."""
        out = self.at / after
        job = subprocess.Popen(
            self.command(2, words), cwd=self.at, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        deadline = time.time() + 300
        while not (out / "checkpoints" / "last" / "training.safetensors").exists():
            if job.poll() is not None or time.time() > deadline:
                return False, job.communicate()[0]
            time.sleep(0.01)
        for pid in self.ranks(str(self.args.wgrad), rank_to_kill):
            os.kill(pid, signal.SIGKILL)
        said = job.communicate(timeout=120)[0]
        return job.returncode != 0, said

    @staticmethod
    def ranks(program, wanted):
        """The processes of this program that are this rank of a job."""
        name = os.path.realpath(program)
        for folder in pathlib.Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and os.path.realpath(folder / "exe") == name:
                    environment = (folder / "environ").read_bytes().split(b"\0")
                    if any(v in environment for v in (b"OMPI_COMM_WORLD_RANK=%d" % wanted, b"PMI_RANK=%d" % wanted)):
                        yield int(folder.name)
            except OSError:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wgrad", type=lambda p: pathlib.Path(p).resolve(), required=True)
    parser.add_argument("--plain", type=lambda p: pathlib.Path(p).resolve(), help="a build without MPI")
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", default=list(CONFIGS))
    args = parser.parse_args()
    if not shutil.which(args.mpirun):
        sys.exit(f"{args.mpirun} is not installed")
    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        make_data(at)
        bench = Bench(args, at)
        for name in args.only:
            train = f"train {name}.toml --device {args.device} --out"
            bench.works(0, f"{train} {name}-alone")
            alone = bench.bits(f"{name}-alone")
            for n in (2, 4):
                bench.works(n, f"{train} {name}-{n}")
                bench.check(f"{name}: {n} ranks end in the bits of one", bench.bits(f"{name}-{n}") == alone)
            bench.check(f"{name}: other ranks keep a log", "epoch" in (at / f"{name}-4/rank-3.log").read_text())
            for killed, then in ((1, 4), (0, 0)):
                run = f"{name}-killed-{killed}"
                ended, said = bench.kill(f"{train} {run}", killed, run)
                bench.check(f"{name}: rank {killed} is killed and the job ends", ended, said)
                bench.works(then, f"{train} {run} --resume")
                bench.check(f"{name}: {then or 1} ranks go on to the same bits", bench.bits(run) == alone)
        mistakes(bench, args, at)
    sys.exit(bench.failed > 0)


def mistakes(bench, args, at):
    train = "train keras-cnn.toml --device cpu"
    done = bench.run(2, f"{train} --out three --set train.micro_batches=1 --set train.max_steps=2")
    said = done.stderr
    bench.check("micro-batches are as many as ranks", done.returncode == 0 and "a step is 2 micro-batches of 8 samples" in said, said)
    done = bench.run(3, f"{train} --out three")
    bench.check("three ranks are refused", done.returncode != 0 and "3 ranks and train.micro_batches = 4" in done.stderr, done.stderr)
    done = bench.run(2, f"{train} --out diverges --set optimizer.lr=1000 --set optimizer.name=sgd")
    count = done.stderr.count("stopped being a finite number")
    bench.check("numbers that are not finite stop all, said once", done.returncode != 0 and count == 1, done.stderr)
    # Each rank has settings of its own, by a program that adds its rank to the seed.
    script = at / "other.sh"
    script.write_text(f'#!/bin/sh\nexec "{args.wgrad}" "$@" --seed "${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}"\n')
    script.chmod(0o755)
    done = bench.run(2, f"{train} --out other", program=script)
    wanted = "rank 1 has other settings: seed = 1, and rank 0 has seed = 0"
    bench.check("other settings are refused", done.returncode != 0 and wanted in done.stderr, done.stderr)
    other = at / "data.sh"
    other.write_text(
        f'#!/bin/sh\nrank="${{OMPI_COMM_WORLD_RANK:-$PMI_RANK}}"\n[ "$rank" = 1 ] && set -- "$@" --data changed\nexec "{args.wgrad}" "$@"\n'
    )
    other.chmod(0o755)
    shutil.copytree(at / "set", at / "changed")
    labels = at / "changed" / "train-labels-idx1-ubyte"
    labels.write_bytes(labels.read_bytes()[:-2] + bytes([1, 2]) if labels.read_bytes()[-2:] != bytes([1, 2]) else labels.read_bytes()[:-2] + bytes([2, 1]))
    done = bench.run(2, f"{train} --out other", program=other)
    bench.check("other data is refused", done.returncode != 0 and "rank 1 has other data" in done.stderr, done.stderr)
    done = bench.run(2, f"{train} --folds 2")
    bench.check("folds are refused", done.returncode != 0 and "does not share its work among ranks" in done.stderr, done.stderr)
    if args.plain:
        done = bench.run(2, f"{train} --out plain", program=args.plain)
        bench.check("a build without MPI says so", done.returncode != 0 and "built without MPI" in done.stderr, done.stderr)


if __name__ == "__main__":
    main()
