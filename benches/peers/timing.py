"""Rates, measured as `benches/step.rs` measures them: five windows of about a
second (or BENCH_SECONDS), each of a number of repetitions that is found out
before."""

import json
import os
import statistics
import time

WINDOWS, SECONDS = 5, float(os.environ.get("BENCH_SECONDS", 1))


def rates(repeat, scale=1.0):
    """The sorted rates of the windows; `repeat(n)` does the work n times and
    waits until it is done, once of it counts as `scale`."""

    def seconds(n):
        begun = time.perf_counter()
        repeat(n)
        return time.perf_counter() - begun

    seconds(2)  # The first does what is done only once.
    n = 1
    while (taken := seconds(n)) < SECONDS / 4 and n < 1 << 20:
        n *= 2
    n = max(1, round(n * SECONDS / taken))
    return sorted(scale * n / seconds(n) for _ in range(WINDOWS))


def report(rates, as_json, **what):
    """One line about a measurement, for people or as JSON."""
    median, low, high = statistics.median(rates), rates[0], rates[-1]
    if as_json:
        print(json.dumps({**what, "median": median, "low": low, "high": high}), flush=True)
    else:
        print(
            f"{what['workload']} batch {what['batch']}, {what['peer']} {what['version']} on {what['device']}: "
            f"{median:.1f} {what['unit']} (median of {len(rates)}; {low:.1f} to {high:.1f})",
            flush=True,
        )
