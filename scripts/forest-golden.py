#!/usr/bin/env python3
"""Writes tests/fixtures/forest/*.json: forests that scikit-learn has grown, and its scores of rows.

pip install scikit-learn==1.9.1, then: scripts/forest-golden.py. A tree is a list of nodes in preorder: [column, threshold]
of a split, [rows] of a leaf. Numbers are written so that they are read as the same f64.
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

FOLDER = Path(__file__).parent.parent / "tests" / "fixtures" / "forest"
# Rows, columns, rows that are far.
TWINS = [(1500, 2, 60), (2000, 3, 80), (2000, 1, 100)]


def nodes(estimator, features):
    tree, found, open_nodes = estimator.tree_, [], [0]
    while open_nodes:
        at = open_nodes.pop()
        if tree.children_left[at] < 0:
            found.append([int(tree.n_node_samples[at])])
        else:
            found.append([int(features[tree.feature[at]]), float(tree.threshold[at])])
            open_nodes += [tree.children_right[at], tree.children_left[at]]
    return found


def golden(name, train, asked, **settings):
    train, asked = train.astype(np.float32), asked.astype(np.float32)
    forest = IsolationForest(random_state=1, **settings).fit(train)
    document = {
        "made_by": f"scikit-learn {sklearn.__version__}",
        "settings": settings,
        "columns": train.shape[1],
        "samples": int(forest.max_samples_),
        "offset": float(forest.offset_),
        # What the offset is a percentile of.
        "train_scores": forest.score_samples(train).tolist() if "contamination" in settings else [],
        "rows": [[float(value) for value in row] for row in asked],
        "score_samples": forest.score_samples(asked).tolist(),
        "decision_function": forest.decision_function(asked).tolist(),
        "is_outlier": [bool(side < 0) for side in forest.predict(asked)],
        "trees": [nodes(*pair) for pair in zip(forest.estimators_, forest.estimators_features_)],
    }
    text = json.dumps(document, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n")
    print(name, len(text))


def spots(seed, rows, columns, far):
    """Two clouds of unit width 6 apart, and `far` rows anywhere within -12..12."""
    draw = np.random.default_rng(seed)
    cloud = draw.normal(size=(rows - far, columns)) + 6.0 * draw.integers(0, 2, size=(rows - far, 1))
    return np.concatenate([cloud, draw.uniform(-12.0, 12.0, size=(far, columns))]).round(4)


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    two = spots(1, 2000, 2, 40)
    golden("two-columns", two, two[-60:], n_estimators=12)
    ten = spots(2, 600, 10, 30)
    golden("bootstrap", ten, ten[-45:], n_estimators=10, max_samples=64, max_features=0.5, bootstrap=True, contamination=0.05)
    golden("deep", spots(3, 1000, 3, 30), spots(4, 50, 3, 10), n_estimators=3, max_samples=700)
    few = np.concatenate([np.repeat(spots(5, 6, 40, 2), 2, axis=0), np.ones((1, 40))])
    few[:, 7] = 3.0
    golden("few-rows", few, few, n_estimators=20, contamination=0.5)
    golden("one-row", few[:1], few, n_estimators=2)
    parity()


def twin(rows, columns, far):
    """The table of tests/forest/parity.rs, to the bit: rows around 0 or 3, then `far` rows anywhere within -4..7."""
    state = 1

    def unit():
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 40) / 2**24

    table = []
    for row in range(rows):
        side = 3.0 if unit() < 0.5 else 0.0
        bell = [unit() + unit() + unit() + unit() - 2.0 for _ in range(columns)]
        table.append([11.0 * unit() - 4.0 for _ in bell] if row >= rows - far else [value + side for value in bell])
    return np.array(table), np.arange(rows) >= rows - far


def parity():
    """The figures that tests/forest/parity.rs has of its twins: mean and deviation over seeds."""
    for rows, columns, far in TWINS:
        table, label = twin(rows, columns, far)
        scores = [-IsolationForest(random_state=seed).fit(table).score_samples(table) for seed in range(20)]
        for area in (roc_auc_score, average_precision_score):
            values = [area(label, score) for score in scores]
            print(f"{rows} x {columns}: {area.__name__} {np.mean(values):.4f} sd {np.std(values, ddof=1):.4f}")


main()
