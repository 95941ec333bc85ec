#!/usr/bin/env python3
"""Writes tests/fixtures/vus/*.json: scores and labels, and what TSB-AD has for the volumes under their curves.

pip install --no-deps TSB-AD==1.5, pip install numpy scikit-learn, then: scripts/vus-golden.py. Scores are numbers that
an f32 holds, so that both sides compare the same ones.
"""
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from TSB_AD.evaluation.basic_metrics import generate_curve

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "vus"


def golden(name, scores, labels, window):
    scores = np.asarray(scores, dtype=np.float32)
    *_, roc, pr = generate_curve(np.asarray(labels, dtype=int), scores, window, "opt", 250)
    document = {
        "made_by": f"TSB-AD {version('TSB-AD')}",
        "window": window,
        "scores": [float(score) for score in scores],
        "labels": [int(label) for label in labels],
        "vus_pr": float(pr),
        "vus_roc": float(roc),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(document, separators=(",", ":")) + "\n")
    print(name, len(scores), roc, pr)


def runs(rows, spans):
    labels = np.zeros(rows, dtype=int)
    for first, last in spans:
        labels[first : last + 1] = 1
    return labels


def scores(seed, labels, gain, late=0, steps=256):
    """Noise, and `gain` where the labels of `late` rows before say so; in so many steps a unit, which an f32 holds."""
    draw = np.random.default_rng(seed)
    return np.round((np.abs(draw.normal(size=len(labels))) + gain * np.roll(labels, late)) * steps) / steps


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    few = runs(1500, [(300, 340), (800, 805), (1200, 1200)])
    golden("few-runs", scores(1, few, 1.5), few, 100)
    golden("late", scores(2, few, 3.0, late=12), few, 100)
    # Runs whose reaches touch at some windows, and overlap at others.
    close = runs(1000, [(100, 110), (114, 114), (130, 140), (190, 200), (300, 303), (401, 404)])
    golden("close-runs", scores(3, close, 1.0), close, 100)
    ends = runs(700, [(0, 20), (350, 352), (680, 699)])
    golden("ends", scores(4, ends, 1.0), ends, 60)
    golden("ties", scores(5, few, 2.0, steps=2), few, 40)
    short = runs(90, [(40, 42)])
    golden("short", scores(6, short, 1.0), short, 100)
    golden("no-window", scores(7, few, 1.0), few, 0)
    many = runs(1200, [(at, at + at % 3) for at in range(5, 1190, 17)])
    golden("many-runs", scores(8, many, 0.7), many, 33)
    golden("all-alike", np.ones(300), runs(300, [(100, 120)]), 20)


main()
