"""What a suggestion is worth: a smooth map from the features of its decision to the share of right codes (Platt 1999).

One logistic model over who decided, how sure they were, where in the note the problem stands and what the rules did to
its code; fitted by evaluation/calibrate.py on notes of our own, kept in data/models/confidence.json.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import orjson

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.errors import SetupError
from codeserve.notes.document import SectionKind
from codeserve.reasoning.questions import Answer
from codeserve.rules.problems import Problem

EDGE = 0.002
Features = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Confidence:
    """p = sigmoid(bias + sum of weight x feature), held within `least` and `most`. A feature not named counts 0."""

    version: str
    bias: float
    weights: Features
    least: float
    most: float

    def __call__(self, features: Features) -> float:
        z = self.bias + sum(self.weights.get(name, 0.0) * value for name, value in features.items())
        return round(min(self.most, max(self.least, 1 / (1 + math.exp(-z)))), 4)

    @classmethod
    @lru_cache(maxsize=2)
    def load(cls, name: str = "confidence.json") -> Confidence:
        """From a file of data/models. Raises SetupError when that is not whole."""
        try:
            held = orjson.loads(files("codeserve").joinpath("data", "models", name).read_bytes())
            return cls(held["version"], held["bias"], held["weights"], held["least"], held["most"])
        except (OSError, KeyError, TypeError, orjson.JSONDecodeError) as error:
            raise SetupError(f"the table of confidences cannot be read ({type(error).__name__})") from None


def of_answer(problem: Problem, answer: Answer) -> dict[str, float]:
    """Features of the first choice of `answer`, which must have one. Log-odds where a feature is a share."""
    best, *others = answer.judged
    candidate = best.candidate
    by_llm = answer.decided_by == "llm"
    second = others[0].probability if others else 0.0
    return {
        "llm": float(by_llm),
        "sure": _log_odds(best.probability) * by_llm,
        "lead": (_log_odds(best.probability) - _log_odds(second)) * by_llm,
        "none": answer.none * by_llm,
        "score": candidate.score,
        "in_lexicon": float("lexicon" in candidate.sources),
        "certain": float(candidate.certain),
        "both": float({"bm25", "dense"} <= set(candidate.sources)),
        "heading": float(problem.section in (SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN)),
        "plan": float(problem.section is SectionKind.PLAN),
        "said_often": math.log(len(problem.spans)),
        "long_term": float(len(problem.term.split()) > 4),
        "historical": float(problem.historical),
    }


def of_code(code: str, icd: Icd10cm) -> dict[str, float]:
    """Features of what the rules made of it."""
    vague = "unspecified" in icd.description(code).lower()
    return {
        "symptom": float(code[0] == "R"),
        "injury": float(code[0] in "ST"),
        "factor": float(code[0] == "Z"),
        "external": float(code[0] in "VWXY"),
        "vague": float(vague),
    }


def _log_odds(share: float) -> float:
    bounded = min(max(share, EDGE), 1 - EDGE)
    return math.log(bounded / (1 - bounded))
