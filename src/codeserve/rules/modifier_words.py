"""Why a modifier is suggested, in words: data/rules/modifier_reasons.tsv has reason and source, once each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from codeserve.notes.spans import Span
from codeserve.rules.results import ModifierReason, Procedure
from codeserve.rules.tables import rows


@lru_cache(maxsize=1)
def _rows() -> dict[str, dict[str, str]]:
    return {row["why"]: row for row in rows("modifier_reasons.tsv")}


def because(why: str, modifier: str, evidence: Iterable[Span] = (), **values: object) -> ModifierReason:
    """A reason of the table, its {names} filled in. Raises KeyError for one that is not there."""
    row = _rows()[why]
    return ModifierReason(modifier, row["reason"].format_map(values), row["source"], tuple(evidence))


def marked(procedure: Procedure, *reasons: ModifierReason) -> Procedure:
    """The service with the modifiers of the reasons behind its own; one that it has already stays as it is."""
    new = [one for one in reasons if one.modifier not in procedure.modifiers]
    return replace(
        procedure,
        modifiers=(*procedure.modifiers, *(one.modifier for one in new)),
        modifier_reasons=(*procedure.modifier_reasons, *new),
    )
