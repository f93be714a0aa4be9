"""The modifiers of a note's services, each with its reason: rules in a fixed order, then what our own edits accept.

Source: CPT appendix A; HCPCS Level II modifiers; each rule's own (modifiers_*.py, data/rules/modifier_reasons.tsv).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from codeserve.codesets import CodeSets
from codeserve.notes.document import Document
from codeserve.rules.drug_waste import with_waste
from codeserve.rules.edits_case import Case, case
from codeserve.rules.edits_modifiers import MOST, modifier_edits
from codeserve.rules.encounter import Encounter
from codeserve.rules.modifiers_case import Marked, Rule, Services
from codeserve.rules.modifiers_course import course
from codeserve.rules.modifiers_pairs import apart, repeated
from codeserve.rules.modifiers_payer import components, further, preventive, several
from codeserve.rules.postoperative import service_after
from codeserve.rules.results import Diagnosis, Procedure
from codeserve.rules.tables import rows


def suggest_modifiers(
    procedures: Sequence[Procedure],
    diagnoses: Sequence[Diagnosis],
    document: Document,
    encounter: Encounter,
    codesets: CodeSets,
) -> tuple[Procedure, ...]:
    """The services with the modifiers that note and encounter support: each once, at most four a line, those that
    change the price first, none that an edit of `/v1/validate-codes` objects to. A drug thrown away is a line of its
    own; with an imported fee schedule the operations stand in the order of their values."""
    services = Services(tuple(procedures), tuple(diagnoses), document, encounter, codesets)
    for rule in RULES:
        services = services.marked(rule(services))
    proposed = case(diagnoses, (), None, encounter, codesets)
    whole = with_waste(replace(services, lines=_by_value(services)))
    return tuple(_accepted(line, proposed) for line in whole)


def _postoperative(services: Services) -> Iterator[Marked]:
    for number, line in enumerate(services.lines):
        pointed = services.pointed(line)
        for reason in service_after(line, pointed, services.document, services.encounter, services.schedule):
            yield number, reason


# 51 comes last: what was another session by then is not counted with the others.
RULES: tuple[Rule, ...] = (components, course, _postoperative, apart, repeated, preventive, further)


def _by_value(services: Services) -> tuple[Procedure, ...]:
    """The lines that the fee schedule reduces together, highest first in the places that they have."""
    among = several(services)
    values = {n: services.value(services.lines[n]) for n in among}
    lines = list(services.lines)
    if None not in values.values():
        ranked = sorted(among, key=lambda n: (-(values[n] or 0.0), n))
        for place, n in zip(among, ranked, strict=True):
            lines[place] = services.lines[n]
    return tuple(lines)


def _accepted(line: Procedure, proposed: Case) -> Procedure:
    """The modifiers in their order, without those that the edits of a claim object to."""
    kept: tuple[str, ...] = ()
    for modifier in sorted(line.modifiers, key=_rank):
        tried = replace(line, modifiers=(*kept, modifier))
        if len(kept) < MOST and not any(modifier_edits(replace(proposed, lines=(tried,)))):
            kept = tried.modifiers
    reasons = {one.modifier: one for one in line.modifier_reasons}
    return replace(line, modifiers=kept, modifier_reasons=tuple(reasons[m] for m in kept if m in reasons))


@lru_cache(maxsize=512)
def _rank(modifier: str) -> int:
    listed = (int(row["rank"]) for row in rows("modifier_order.tsv") if modifier in row["modifiers"].split("|"))
    return next(listed, 9)
