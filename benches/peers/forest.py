#!/usr/bin/env python3
"""CoreC's isolation forest beside scikit-learn's: a million rows, a hundred trees, in rounds that each run both.

pip install scikit-learn==1.9.1, then: benches/peers/forest.py [ROUNDS]. A ratio is that of two times of one round. Writes a table
to stdout: medians, and least to most.
"""
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest

HERE = Path(__file__).parent
ROWS = 1_000_000
# What must hold: columns, what, how much faster than scikit-learn on one thread, or at most how many milliseconds.
TARGETS = {
    (2, "score avx2 2"): ("ratio", 30),
    (2, "score portable 2"): ("ratio", 12),
    (10, "score avx2 2"): ("ratio", 18),
    (2, "fit 2"): ("ms", 10),
    (10, "fit 2"): ("ms", 10),
    (10, "rank avx2"): ("ms", 1),
}
OURS = ["score avx2 1", "score avx2 2", "score portable 1", "score portable 2", "fit 1", "fit 2", "rank avx2", "rank portable"]


def timed(work):
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def compare(program, folder, columns, rounds):
    values = np.random.default_rng(0).random((ROWS, columns), dtype=np.float32)
    file = Path(folder) / f"{columns}.f32"
    values.tofile(file)
    ours = subprocess.Popen([program, file, str(columns)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(line):
        print(line, file=ours.stdin, flush=True)
        return float(ours.stdout.readline().split()[0])

    forest = IsolationForest(random_state=0).fit(values)
    times = {}
    for _ in range(rounds):
        for jobs in (1, 2):
            with joblib.parallel_config(backend="threading", n_jobs=jobs):
                times.setdefault(f"scikit-learn, score, n_jobs={jobs}", []).append(timed(lambda: forest.score_samples(values)))
            for line in OURS:
                times.setdefault(line, []).append(ask(line))
        times.setdefault("scikit-learn, fit", []).append(timed(lambda: IsolationForest(random_state=0).fit(values)))
    ours.stdin.close()
    ours.wait()
    print(f"\n{columns} columns\n\n| what | ms | x faster than n_jobs=1 | than n_jobs=2 |\n|---|---:|---:|---:|")
    for what, found in times.items():
        ratios = {}
        for jobs in (1, 2) if what.startswith("score") else ():
            # The own times that came right after it.
            pairs = zip(times[f"scikit-learn, score, n_jobs={jobs}"], found[jobs - 1 :: 2])
            ratios[jobs] = [theirs / own for theirs, own in pairs]
        cells = [spread(ratios[jobs]) if jobs in ratios else "" for jobs in (1, 2)]
        print(f"| {what} | {spread(found)} | {cells[0]} | {cells[1]} |")
        if (columns, what) in TARGETS:
            kind, limit = TARGETS[columns, what]
            value = statistics.median(ratios[1] if kind == "ratio" else found)
            holds = value >= limit if kind == "ratio" else value <= limit
            sign = "at least" if kind == "ratio" else "at most"
            print(f"{columns} columns, {what}: {kind} {value:.3g}, {sign} {limit}: {'holds' if holds else 'MISSED'}", file=sys.stderr)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    build = ["cargo", "build", "--release", "--manifest-path", HERE / "Cargo.toml", "--bin", "forest", "--message-format=json"]
    messages = subprocess.run(build, check=True, stdout=subprocess.PIPE, text=True).stdout
    program = next(part for part in messages.split('"') if part.endswith("/forest") and "release" in part)
    print(f"scikit-learn {sklearn.__version__}, {ROWS} rows, 100 trees, {rounds} rounds")
    with tempfile.TemporaryDirectory() as folder:
        for columns in (2, 10):
            compare(program, folder, columns, rounds)


main()
