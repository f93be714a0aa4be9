"""The words of every edit, once, in data/rules/findings.tsv: severity, source, message and suggestion by rule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from codeserve.rules.results import Finding, Severity
from codeserve.rules.tables import rows

TABLE = "findings.tsv"


@dataclass(frozen=True, slots=True)
class Rule:
    """`source`, `message` and `suggestion` may hold {names}, which the finding's values take the place of."""

    name: str
    severity: Severity
    source: str
    message: str
    suggestion: str


@lru_cache(maxsize=1)
def all_rules() -> dict[str, Rule]:
    """By name, in the order of the table."""
    return {
        r["rule"]: Rule(r["rule"], Severity(r["severity"]), r["source"], r["message"], r["suggestion"] or "")
        for r in rows(TABLE)
    }


def say(rule: str, codes: Iterable[str], /, **values: object) -> Finding:
    """A finding of a rule of the table, without its id. Raises KeyError for a rule or a value that is missing."""
    known = all_rules()[rule]
    source, message, suggestion = (t.format_map(values) for t in (known.source, known.message, known.suggestion))
    return Finding("", known.severity, rule, source, message, tuple(codes), suggestion)
