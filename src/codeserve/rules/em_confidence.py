"""What an E/M code is worth: the same smooth map as for diagnoses (rules/confidence.py), over features of the counting.

Fitted by evaluation/calibrate_em.py, kept with how it was fitted in data/models/em_confidence.json.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from codeserve.rules.confidence import Confidence
from codeserve.rules.levels import rank
from codeserve.rules.results import Diagnosis, Em, Role

TABLE = "em_confidence.json"
LEAST_SURE = 0.02
INFERRED = "inferred"


def with_confidence(em: Em, diagnoses: Sequence[Diagnosis]) -> Em:
    """The code with the share of codes with its features that are right."""
    return replace(em, confidence=Confidence.load(TABLE)(features(em, diagnoses)))


def features(em: Em, diagnoses: Sequence[Diagnosis]) -> dict[str, float]:
    """`settled`: all three elements reach the level, so that one wrong element does not lower it. `near`: an element
    stands above it, so that one more raises it. `diagnoses`: log-odds of the least sure assessed diagnosis."""
    elements = [rank(element.level) for element in (em.problems, em.data, em.risk)]
    level = sorted(elements)[1]
    assessed = [d.confidence for d in diagnoses if d.role is Role.ASSESSED]
    least = min(max(min(assessed, default=LEAST_SURE), LEAST_SURE), 1 - LEAST_SURE)
    return {
        "by_time": float(em.method == "time"),
        "inferred": float(INFERRED in em.rationale or any(INFERRED in rule for rule in em.notices)),
        "settled": float(min(elements) >= level),
        "near": float(max(elements) > level),
        "diagnoses": math.log(least / (1 - least)),
    }
