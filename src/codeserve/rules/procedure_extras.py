"""What follows from a service that was done: giving a vaccine, each further lesion, the mark of a waived test, a digit.

Source: CPT guidelines, immunization administration; CMS Claims Processing Manual, chapters 16 and 18; the tables
vaccine_components.tsv, procedure_counts.tsv, procedure_waived.tsv and digits.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from codeserve.codesets.procedures import Procedures
from codeserve.notes.document import Document
from codeserve.rules.em_visit import stated_age
from codeserve.rules.encounter import Encounter
from codeserve.rules.modifier_words import because, marked
from codeserve.rules.reading import pattern, setting_of
from codeserve.rules.results import Procedure
from codeserve.rules.tables import rows
from codeserve.rules.vaccines import is_covid, is_giving, is_vaccine

COUNSELLED_UNDER = 19
COUNSELLED = re.compile(r"\b(?:counsel\w*|discussed|reviewed|explained|questions (?:were )?answered)\b", re.IGNORECASE)
NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
NUMBERS |= {"eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "twenty": 20}
WAIVED_IN = frozenset({"office", "home", "nursing_facility"})


def following(
    procedures: Sequence[Procedure], document: Document, visit: Encounter, table: Procedures
) -> tuple[Procedure, ...]:
    """The services with what follows from them, in their order; units and modifiers completed."""
    counted = [one for p in procedures for one in _counted(p, document, table)]
    waived = [_waived(p, visit) for p in counted]
    products = [p for p in waived if is_vaccine(p.code)]
    if not products:
        return tuple(waived)
    given = list(_giving(products, document, visit, table))
    return (*(p for p in waived if not is_giving(p.code)), *given)


def _waived(procedure: Procedure, visit: Encounter) -> Procedure:
    named = {row["code"] for row in rows("procedure_waived.tsv")}
    if procedure.code not in named or "QW" in procedure.modifiers or setting_of(visit) not in WAIVED_IN:
        return procedure
    return marked(procedure, because("waived", "QW"))


# -- by number -----------------------------------------------------------------------------------------------------


def _counted(procedure: Procedure, document: Document, table: Procedures) -> Iterator[Procedure]:
    row = next((r for r in rows("procedure_counts.tsv") if r["base"] == procedure.code), None)
    number = _number(procedure, document, row["nouns"]) if row else 1
    if row is None or number == 1:
        yield procedure
    elif row["beyond"] and number > int(row["most"]):
        yield _other(procedure, row["beyond"], 1, table)
    else:
        yield procedure
        if row["add_on"]:
            yield _other(procedure, row["add_on"], number - 1, table)


def _number(procedure: Procedure, document: Document, nouns: str) -> int:
    """How many of the nouns the sentence tells of, or the line that it stands on; 1 where none is told."""
    spans = [place for span in procedure.evidence for place in (span, span.line_of(document.text))]
    one = "|".join((*NUMBERS, r"\d{1,2}"))
    ways = (
        rf"\b(?P<number>{one})\b(?! ?(?:mm|cm)) (?:\w+ ){{0,3}}?(?:{nouns})\b",
        rf"\b(?:{nouns})\b[^.;\d]{{0,30}}?(?:\(|, |: |x ?)(?P<number>{one})\b(?! ?(?:mm|cm|seconds?|sec|cycles?))",
        rf"\ball (?P<number>{one})\b",
    )
    found = (pattern(way).search(span.of(document.text)) for span in spans for way in ways)
    told = next((match["number"].lower() for match in found if match), "1")
    return max(1, NUMBERS.get(told) or int(told))


# -- vaccines ------------------------------------------------------------------------------------------------------


def _giving(
    products: Sequence[Procedure], document: Document, visit: Encounter, table: Procedures
) -> Iterator[Procedure]:
    """The codes for giving the vaccines, by age, counselling, payer and route; each with what it is for."""
    covid = [p for p in products if is_covid(p.code)]
    yield from (_other(p, "90480", 1, table) for p in covid)
    rest = [p for p in products if p not in covid]
    if not rest:
        return
    age = visit.age if visit.age is not None else stated_age(document.text)
    if age is not None and age < COUNSELLED_UNDER and _counselled(rest, document):
        yield _other(rest[0], "90460", len(rest), table)
        further = sum(int(_vaccine(p.code)["components"]) - 1 for p in rest)
        if further:
            yield _other(rest[0], "90461", further, table)
        return
    apart = [p for p in rest if visit.medicare and _vaccine(p.code)["medicare"]]
    yield from (_other(p, _vaccine(p.code)["medicare"], 1, table) for p in apart)
    others = [p for p in rest if p not in apart]
    injected = [p for p in others if not _vaccine(p.code)["route"]]
    swallowed = [p for p in others if p not in injected]
    if injected:
        yield _other(injected[0], "90471", 1, table)
    further = len(injected) - 1
    if further > 0:
        yield _other(injected[0], "90472", further, table)
    if swallowed:
        first = 0 if injected else 1
        if first:
            yield _other(swallowed[0], "90473", 1, table)
        if len(swallowed) > first:
            yield _other(swallowed[0], "90474", len(swallowed) - first, table)


def _counselled(products: Sequence[Procedure], document: Document) -> bool:
    return any(
        COUNSELLED.search(span.line_of(document.text).of(document.text)) for p in products for span in p.evidence
    )


@lru_cache(maxsize=256)
def _vaccine(code: str) -> dict[str, str]:
    listed = (row for row in rows("vaccine_components.tsv") if code in row["codes"].split("|"))
    return next(listed, {"components": "1", "route": "", "medicare": ""})


def _other(procedure: Procedure, code: str, units: int, table: Procedures) -> Procedure:
    """A service that follows from another, with the same evidence and reasons."""
    known = table.get(code)
    return replace(
        procedure,
        code=code,
        system=known.system if known else procedure.system,
        description=known.description if known else "",
        units=units,
        modifiers=(),
        modifier_reasons=(),
        alternatives=(),
        rationale=f"follows from {procedure.code}",
    )


# -- digits --------------------------------------------------------------------------------------------------------


def digit(code: str, said: str) -> str | None:
    """The modifier of the one finger, toe or eyelid that a sentence names for a service on such a part."""
    found = {
        row["modifier"]
        for row in rows("digits.tsv")
        if pattern(rf"(?:{row['codes']})").match(code)
        and pattern(rf"\b{row['side']} (?:\w+ )?(?:{row['part']})\b").search(said)
    }
    return found.pop() if len(found) == 1 else None
