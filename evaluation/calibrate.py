"""Fits the confidence of a suggestion: which share of suggestions with these features is right.

    codeserve eval --notes ... --gold ... --report runs/report
    python evaluation/calibrate.py runs/report/decisions.jsonl [--write]

A logistic model (Platt 1999) with a ridge whose strength is chosen by cross-validation over notes: a note's decisions
never stand on both sides. Prints the cross-fitted calibration error and log loss; `--write` puts the model fitted on
all rows into the package. Only notes that no rule was tuned on count (part "held"): the others come out
too well. They are few, so the features are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import orjson
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, cross_val_predict

from codeserve.artifacts import DATA
from codeserve.evaluation.calibration import calibration

PART = "held"
FEATURES = ("certain", "lead", "none", "vague", "in_lexicon")
STRENGTHS = (0.03, 0.1, 0.3, 1.0)
FOLDS = 10
LEAST, MOST = 0.03, 0.98


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("decisions", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    rows = [orjson.loads(line) for file in args.decisions for line in file.read_bytes().splitlines()]
    rows = [row for row in rows if row["part"] == PART]
    names = list(FEATURES)
    x = np.array([[row["features"].get(name, 0.0) for name in names] for row in rows])
    y = np.array([row["right"] for row in rows])
    groups = np.array([row["id"] for row in rows])
    scale = x.std(axis=0) + 1e-9
    used = x.std(axis=0) > 0
    results = {}
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=5000)
        p = cross_val_predict(model, x / scale, y, groups=groups, cv=GroupKFold(FOLDS), method="predict_proba")[:, 1]
        results[strength] = (log_loss(y, p), calibration(p.tolist(), y.tolist()))
        print(f"C={strength}: log loss {results[strength][0]:.4f}, calibration error {results[strength][1].ece:.4f}")
    best = min(results, key=lambda c: results[c][0])
    print(f"{len(rows)} suggestions of {len(set(groups))} notes, {y.mean():.3f} right; C={best} chosen")
    fitted = LogisticRegression(C=best, max_iter=5000).fit(x / scale, y)
    weights = {n: round(float(w / s), 4) for n, w, s, u in zip(names, fitted.coef_[0], scale, used, strict=True) if u}
    print(json.dumps(weights, indent=1))
    if args.write:
        table = {"bias": round(float(fitted.intercept_[0]), 4), "weights": weights, "least": LEAST, "most": MOST}
        version = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:8]
        path = DATA / "models" / "confidence.json"
        path.write_text(json.dumps({"version": version, **table}, indent=2) + "\n", encoding="utf-8")
        print(f"wrote version {version}")


if __name__ == "__main__":
    main()
