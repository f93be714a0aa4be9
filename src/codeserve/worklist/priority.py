"""Which item a coder should see first, and why. Pure; the weights are data/worklist/priority.tsv."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from codeserve.rules.levels import LEVELS

MANY_CODES = 12  # places for diagnoses on a CMS-1500
HIGH_VALUE = 1000.0  # US dollars from which a higher amount lifts no further
ERROR_WEIGHT, ENOUGH_FINDINGS = 3, 6


@dataclass(frozen=True, slots=True)
class Ranked:
    """`priority` from 0 to 100, highest first; `reasons` in the order of their points; `expected_amount` in US cents,
    None where no line has a price; `lowest_confidence` None where nothing was coded."""

    priority: float
    reasons: tuple[str, ...]
    findings: int
    lowest_confidence: float | None
    expected_amount: int | None


def rank(answer: Mapping[str, Any], *, draft_problem: str = "", amended: str = "") -> Ranked:
    """`answer`: a response of /v1/extract-codes. `draft_problem`: why no draft charge stands in the platform, or may
    stand there twice; `amended`: what this version replaces; empty where it does not apply."""
    lowest, amount = lowest_confidence(answer), expected(answer)
    signals = {
        "findings": _findings(answer["findings"]),
        "doubt": (1 - (lowest or 0.0), f"{lowest:.2f}" if lowest is not None else "none: nothing was coded"),
        "value": (min(1.0, math.log1p(amount or 0) / math.log1p(HIGH_VALUE)), f"{amount or 0:.2f}"),
        "complexity": _complexity(answer),
        "draft": (float(bool(draft_problem)), draft_problem),
        "amended": (float(bool(amended)), amended),
    }
    scored = sorted(_scored(signals), reverse=True)
    return Ranked(
        round(sum(points for points, _ in scored), 2),
        tuple(f"{reason} (+{points:.1f})" for points, reason in scored),
        sum(f["severity"] != "info" for f in answer["findings"]),
        lowest,
        None if amount is None else round(amount * 100),
    )


def lowest_confidence(answer: Mapping[str, Any]) -> float | None:
    lines = [*answer["diagnosis_codes"], *answer["procedure_codes"], *([answer["em"]] if answer["em"] else [])]
    return min((float(line["confidence"]) for line in lines), default=None)


def expected(answer: Mapping[str, Any]) -> float | None:
    """US dollars of all lines that have a price; None where none has one."""
    em = answer["em"]
    lines = [*answer["procedure_codes"], *([em, *em["also"]] if em else [])]
    prices = [line["expected_reimbursement"]["amount"] for line in lines if line.get("expected_reimbursement")]
    return float(sum(prices)) if prices else None


def _scored(signals: Mapping[str, tuple[float, str]]) -> Iterator[tuple[float, str]]:
    for row in _table():
        share, figure = signals[row["signal"]]
        points = round(share * float(row["points"]), 2)
        if points > 0:
            yield points, row["reason"].format(figure)


def _findings(found: Sequence[Mapping[str, Any]]) -> tuple[float, str]:
    by_severity = Counter(f["severity"] for f in found)
    errors, warnings = by_severity["error"], by_severity["warning"]
    counts = ((errors, "error"), (warnings, "warning"))
    told = ", ".join(f"{number} {name}{'s' if number > 1 else ''}" for number, name in counts if number)
    rules = sorted({f["rule"] for f in found if f["severity"] != "info"})
    return min(1.0, (ERROR_WEIGHT * errors + warnings) / ENOUGH_FINDINGS), f"{told}: {', '.join(rules)}"


def _complexity(answer: Mapping[str, Any]) -> tuple[float, str]:
    """Half of it for the number of codes, half for the level of the decision making."""
    codes = len(answer["diagnosis_codes"]) + len(answer["procedure_codes"])
    em = answer["em"]
    level = LEVELS.index(em["level"]) / (len(LEVELS) - 1) if em else 0.0
    told = f"{codes} code{'' if codes == 1 else 's'}" + (f" and a visit of level {em['level']}" if em else "")
    return (min(1.0, codes / MANY_CODES) + level) / 2, told


@cache
def _table() -> tuple[dict[str, str], ...]:
    text = files("codeserve").joinpath("data", "worklist", "priority.tsv").read_text(encoding="utf-8")
    return tuple(csv.DictReader((x for x in text.splitlines() if not x.startswith("#")), delimiter="\t"))
