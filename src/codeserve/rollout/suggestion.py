"""A suggestion as rollout sees it: lines with their confidences, and findings; no text of the note."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from codeserve.rules.results import Finding, Severity


@dataclass(frozen=True, slots=True)
class Line:
    """`confidence` in [0, 1]; None where there is none: of a human's line, of a code that goes with the visit's."""

    code: str
    diagnosis: bool
    modifiers: frozenset[str] = frozenset()
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`id` is the stored suggestion's."""

    id: str
    lines: tuple[Line, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def confidences(self) -> tuple[float, ...]:
        return tuple(line.confidence for line in self.lines if line.confidence is not None)


def suggestion_of(id: str, response: Mapping[str, Any]) -> Suggestion:
    """Of an answer of /v1/extract-codes. Raises KeyError for what is none."""
    findings = tuple(
        Finding(f["id"], Severity(f["severity"]), f["rule"], f["source"], f["message"]) for f in response["findings"]
    )
    return Suggestion(id, tuple(_lines(response)), findings)


def _lines(response: Mapping[str, Any]) -> Iterator[Line]:
    for one in response["diagnosis_codes"]:
        yield Line(one["code"], True, confidence=one["confidence"])
    for one in response["procedure_codes"]:
        yield Line(one["code"], False, frozenset(one["modifiers"]), one["confidence"])
    if (em := response["em"]) is not None:
        yield Line(em["code"], False, frozenset(em["modifiers"]), em["confidence"])
        for also in em["also"]:
            yield Line(also["code"], False, frozenset(also["modifiers"]))
