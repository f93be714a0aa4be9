"""Fits the confidence of an E/M code: which share of codes with these features is right.

    python evaluation/calibrate_em.py evaluation/gold/general evaluation/gold/facility --first-sight 80 104 [--write]

Reads NAME_notes.jsonl and NAME_gold.jsonl, codes each note the quick way (no tagger, no LLM) and holds the E/M code
against the gold. The notes of the part "tune" were read while rules were written, so they come out too well:
`--first-sight` adds vignettes of which the share right was counted before they were read. A logistic model with a ridge
(rules/em_confidence.py) is fitted on both; log loss and calibration error are printed for them (cross-fitted) and for
the part "held", which nothing was fitted on. `--write` puts the model into the package, with what it was fitted on.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import KFold, cross_val_predict

from codeserve.api.convert import to_encounter
from codeserve.api.schemas import ExtractRequest
from codeserve.artifacts import DATA
from codeserve.config import AppSettings
from codeserve.deployments.loading import load_reasoner
from codeserve.evaluation.calibration import calibration
from codeserve.evaluation.gold import Note, read
from codeserve.pipeline import Knowledge, Reason, Timings, code_note
from codeserve.rules.em_confidence import TABLE, features
from codeserve.service import load_knowledge

NAMES = ("by_time", "inferred", "settled", "near", "diagnoses")
STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 10
Row = tuple[str, list[float], bool]  # part, features, whether it is right
LEAST, MOST = 0.2, 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", help="the files' names up to _notes.jsonl")
    parser.add_argument("--first-sight", nargs=2, type=int, default=(0, 0), metavar=("RIGHT", "OF"))
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    notes = read([Path(f"{s}_notes.jsonl") for s in args.sets], [Path(f"{s}_gold.jsonl") for s in args.sets])
    settings = AppSettings()
    reason = partial(load_reasoner(settings.model_set).answer, llm=False, dense=False)
    rows = asyncio.run(decisions(notes, load_knowledge(settings), reason))
    tune, held = (_matrix(rows, part) for part in ("tune", "held"))
    tune = _with_first_sight(tune, *args.first_sight)
    scale = tune[0].std(axis=0) + 1e-9
    losses = {c: _loss(tune, scale, c) for c in STRENGTHS}
    best = min(losses, key=losses.__getitem__)
    model = LogisticRegression(C=best, max_iter=5000).fit(tune[0] / scale, tune[1])
    _tell("tune, cross-fitted", _cross_fitted(tune, scale, best), tune[1])
    _tell("held", model.predict_proba(held[0] / scale)[:, 1], held[1])
    weights = {n: round(float(w / s), 4) for n, w, s in zip(NAMES, model.coef_[0], scale, strict=True) if abs(w) > 1e-6}
    table = {"bias": round(float(model.intercept_[0]), 4), "weights": weights, "least": LEAST, "most": MOST}
    of = (
        f"{len(tune[1])} E/M codes: the tune parts, and {args.first_sight[1]} vignettes as they came out at first sight"
    )
    fitted = f"logistic with ridge C={best} on {of}; {tune[1].mean():.2f} right"
    print(json.dumps(table), fitted)
    if args.write:
        version = hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()[:8]
        whole = {"version": version, "fitted": fitted, **table}
        (DATA / "models" / TABLE).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


async def decisions(
    notes: tuple[Note, ...], knowledge: Knowledge, reason: Reason
) -> list[tuple[str, list[float], bool]]:
    """One row for each note that got an E/M code."""
    found = []
    for note in notes:
        request = ExtractRequest.model_validate(note.request)
        encounter, identifiers = to_encounter(request.encounter)
        coded = await code_note(note.text, identifiers, encounter, knowledge, None, reason, Timings())
        if coded.em is not None:
            told = features(coded.em, coded.diagnoses)
            found.append((note.part, [told[name] for name in NAMES], coded.em.code == note.gold.em))
    return found


def _matrix(rows: list[Row], part: str) -> tuple[np.ndarray, np.ndarray]:
    own = [row for row in rows if row[0] == part]
    return np.array([row[1] for row in own]), np.array([row[2] for row in own])


def _with_first_sight(data: tuple[np.ndarray, np.ndarray], right: int, of: int) -> tuple[np.ndarray, np.ndarray]:
    """Further codes of which only it is known how many were right: they stand at the mean of the features."""
    x = np.vstack([data[0], np.repeat(data[0].mean(axis=0)[None], of, axis=0)])
    return x, np.concatenate([data[1], np.arange(of) < right])


def _cross_fitted(data: tuple[np.ndarray, np.ndarray], scale: np.ndarray, strength: float) -> np.ndarray:
    model, folds = LogisticRegression(C=strength, max_iter=5000), KFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, data[0] / scale, data[1], cv=folds, method="predict_proba")[:, 1])


def _loss(data: tuple[np.ndarray, np.ndarray], scale: np.ndarray, strength: float) -> float:
    return float(log_loss(data[1], _cross_fitted(data, scale, strength)))


def _tell(name: str, p: np.ndarray, right: np.ndarray) -> None:
    error = calibration(p.tolist(), right.tolist()).ece
    print(
        f"{name}: {len(p)} codes, {right.mean():.3f} right, mean confidence {p.mean():.3f}, error {error:.3f}", end=", "
    )
    print(f"Brier {brier_score_loss(right, p):.3f}, log loss {log_loss(right, p):.3f}")


if __name__ == "__main__":
    main()
