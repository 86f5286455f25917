"""Training steps per second, timed as `cargo bench --bench step` does."""

import statistics
import sys
import time

import torch


def arguments(batch, threads=None):
    """BATCH and DEVICE of the command line; THREADS, where given there or here, is set."""
    given = sys.argv[1:]
    threads = int(given[2]) if len(given) > 2 else threads
    if threads:
        torch.set_num_threads(threads)
    return int(given[0]) if given else batch, given[1] if len(given) > 1 else "cpu"


def report(step, batch, device):
    """Prints the median rate of three runs of two seconds."""

    def wait():
        if device != "cpu":
            torch.cuda.synchronize()

    for _ in range(5):
        step()
    rates = []
    for _ in range(3):
        wait()
        begun, n = time.perf_counter(), 0
        while time.perf_counter() - begun < 2.0:
            step()
            n += 1
        wait()
        rates.append(n / (time.perf_counter() - begun))
    print(f"PyTorch {torch.__version__} eager on {device}, {torch.get_num_threads()} threads, batch {batch}: "
          f"{statistics.median(rates):.1f} steps/s (median of 3; {min(rates):.1f} to {max(rates):.1f})")
