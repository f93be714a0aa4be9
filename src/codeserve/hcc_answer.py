"""The parts of a line of the review list, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from codeserve.rules.hcc import TABLES, label
from codeserve.rules.risk import Asked
from codeserve.rules.risk_adjustment import MODELS, Score
from codeserve.rules.suspects import Quote

UNTOLD: dict[str, Any] = {"supported": None, "confidence": None, "documents": []}


def order_of(
    scores: Sequence[Score], asked: Sequence[Asked], year: int, today: date, last_visit: date | None
) -> dict[str, Any]:
    """What the list is ordered by, and in words why this patient stands where it does."""
    change = {score.model: score.expected_change for score in scores}
    first, last = date(year, 1, 1), date(year, 12, 31)
    days_left = max(0, (last - max(today, first)).days)
    told = ["if all is recaptured: " + ", ".join(f"{model} {change[model]:+.3f}" for model in MODELS)]
    kinds = [(kind, sum(one.kind == kind for one in asked)) for kind in ("recapture", "support", "suspected")]
    counted = [f"{number} {kind}" for kind, number in kinds if number]
    told.append(
        f"{len(asked)} open question{'s' * (len(asked) != 1)}" + (f" ({', '.join(counted)})" if counted else "")
    )
    told.append(
        f"{days_left} days left in {year}, "
        + (f"last visit {last_visit}" if last_visit else "no visit that counts yet")
    )
    order = {
        "expected_change": change,
        "open_questions": len(asked),
        "days_left": days_left,
        "last_visit": last_visit,
    }
    return {"order": order, "reasons": told}


def model_of(score: Score, told: Mapping[str, dict[str, Any]], name: Callable[[str], str]) -> dict[str, Any]:
    """One model's scores and codes; `told` is what the notes of the year say of theirs, `name` describes a code."""
    return {
        "model": score.model,
        "tables": TABLES,
        "demographics": score.demographics,
        "prior": score.prior,
        "documented": score.documented,
        "if_recaptured": score.if_recaptured,
        "change": score.change,
        "expected_change": score.expected_change,
        "codes": [
            {
                "code": one.code,
                "description": name(one.code),
                "origin": one.origin,
                "categories": [
                    {"category": c, "label": label(c, MODELS[score.model]), "counts": c in one.kept}
                    for c in one.categories
                ],
                **(told.get(one.code, UNTOLD) if one.origin == "documented" else UNTOLD),
            }
            for one in score.carried
        ],
    }


def question_of(one: Asked) -> dict[str, Any]:
    models = [
        {"model": model, "categories": found, "change": one.change[model]} for model, found in one.categories.items()
    ]
    return {
        "kind": one.kind,
        "question": one.question,
        "codes": one.codes,
        "models": models,
        "evidence": [_evidence(quote) for quote in one.quotes],
        "source": one.source,
    }


def _evidence(quote: Quote) -> dict[str, Any]:
    document = quote.read.reading.document
    span = document.to_original(quote.span)
    told = {"document_id": quote.read.document_id, "date_of_service": quote.read.day}
    return {**told, "start": span.start, "end": span.end, "text": span.of(document.original)}
