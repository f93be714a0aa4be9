"""Suggestions, cases and policies for tests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from codeserve.access.principal import Principal
from codeserve.access.table import load_table
from codeserve.rollout.figures import Case
from codeserve.rollout.modes import Mode, Policy
from codeserve.rollout.suggestion import Line, Suggestion
from codeserve.rules.results import Finding, Severity

START = datetime(2026, 3, 1, tzinfo=UTC)
VISIT = ("office_visit", "any_diagnosis")


def lines(*codes: str, confidence: float | None = 0.98) -> tuple[Line, ...]:
    """Diagnoses have a letter first; modifiers follow a dash, as in 99213-25."""
    found = []
    for code in codes:
        plain, *modifiers = code.split("-")
        found.append(Line(plain, plain[0].isalpha(), frozenset(modifiers), confidence))
    return tuple(found)


def suggestion(*codes: str, id: str = "s", confidence: float = 0.98, findings: Sequence[Severity] = ()) -> Suggestion:
    told = tuple(Finding("F", severity, "a-rule", "a source", "a message") for severity in findings)
    return Suggestion(id, lines(*codes, confidence=confidence), told)


def case(number: int, ours: Sequence[str], theirs: Sequence[str], confidence: float = 0.98, **more: Any) -> Case:
    """One a minute."""
    at = more.pop("at", START + timedelta(minutes=number))
    made = suggestion(*ours, id=f"s{number}", confidence=confidence)
    return Case(made, lines(*theirs, confidence=None), at, **more)


def policy(mode: Mode = Mode.AUTOMATED, **more: Any) -> Policy:
    values = {"families": frozenset(VISIT), "maximum_a_day": 10, "quality_share": 0.0, **more}
    return Policy("north", "family medicine", mode, **values)


def person(role: str, tenant: str = "north", kind: Any = "token") -> Principal:
    return Principal(f"a-{role}", tenant, frozenset({role}), load_table().granted([role]), kind, "user:1")
