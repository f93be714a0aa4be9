"""Edits of the modifiers: those that exist, stand on the right kind of code and part of the body, and do not
contradict each other or CMS's fee schedule.

Source: CPT appendix A; CMS's HCPCS modifiers; the indicators of the Medicare physician fee schedule (Claims Processing
Manual, chapter 12, section 40, and chapter 23, addendum); data/rules/modifiers.tsv, code_kinds.tsv, body_parts.tsv.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from codeserve.codesets.reference import Fee
from codeserve.rules.edits_case import Case
from codeserve.rules.edits_words import say
from codeserve.rules.kinds import kind_of, part_of
from codeserve.rules.results import Finding, Procedure
from codeserve.rules.tables import rows

MOST = 4  # CMS-1500, item 24D
FORM = re.compile(r"[0-9A-Z]{2}", re.ASCII)
ADD_ON_TAKES_NOT = frozenset({"51"})
# Fee schedule: the field, its values, and the modifiers that then are not paid.
INDICATORS = (
    ("bilateral", {"0", "2", "9"}, {"50"}, "bilateral"),
    ("assistant", {"1", "9"}, {"80", "81", "82", "AS"}, "assistant at surgery"),
    ("co_surgeons", {"0", "9"}, {"62"}, "co-surgeons"),
    ("pctc", {"0", "2", "3", "4", "5", "6", "7", "8", "9"}, {"TC"}, "professional and technical part"),
    ("pctc", {"0", "2", "3", "4", "5", "7", "9"}, {"26"}, "professional and technical part"),
)


def modifier_edits(case: Case) -> Iterator[Finding]:
    for number, line in enumerate(case.lines, 1):
        if line.modifiers:
            yield from _of_line(number, line, case)


def _of_line(number: int, line: Procedure, case: Case) -> Iterator[Finding]:
    told = {"line": number, "code": line.code}
    if len(line.modifiers) > MOST:
        yield say("modifier-too-many", (line.code,), most=MOST, number=len(line.modifiers), **told)
    if len(set(line.modifiers)) < len(line.modifiers):
        yield say("modifier-twice", (line.code,), **told)
    for modifier in dict.fromkeys(line.modifiers):
        yield from _one(modifier, line.code, told)
    for one, other in combinations(dict.fromkeys(line.modifiers), 2):
        if shared := groups(one) & groups(other):
            yield say("modifier-contradiction", (line.code,), one=one, other=other, what=min(shared), **told)
    if "51" in line.modifiers and case.codesets.reference.add_on(line.code, case.day):
        yield say("modifier-51-add-on", (line.code,), **told)
    if "50" in line.modifiers and line.units > 1:
        yield say("modifier-50-units", (line.code,), units=line.units, **told)
    fee = case.codesets.reference.fee(line.code, day=case.day)
    yield from _fee_schedule(fee, line, told) if fee else ()


def _one(modifier: str, code: str, told: dict[str, object]) -> Iterator[Finding]:
    row = of(modifier)
    if row is None:
        rule = "modifier-not-listed" if FORM.fullmatch(modifier) and not modifier.isdigit() else "modifier-unknown"
        yield say(rule, (code,), modifier=modifier[:8], **told)
        return
    kind = kind_of(code)
    if kind and row["on"] != "*" and kind not in row["on"].split("|"):
        rule = "modifier-wrong-kind" if row["strict"] == "yes" else "modifier-unusual-kind"
        allowed = row["on"].replace("|", ", ")
        yield say(rule, (code,), modifier=modifier, meaning=row["meaning"], kind=kind, allowed=allowed, **told)
    elif row["part"] and (part := part_of(code)) and part != row["part"]:
        yield say("modifier-wrong-part", (code,), modifier=modifier, meaning=row["meaning"], part=part, **told)


def _fee_schedule(fee: Fee, line: Procedure, told: dict[str, object]) -> Iterator[Finding]:
    for field, values, modifiers, what in INDICATORS:
        value = str(getattr(fee, field))
        for modifier in sorted(modifiers & set(line.modifiers)):
            if value in values:
                yield say(
                    "modifier-fee-schedule",
                    (line.code,),
                    modifier=modifier,
                    what=what,
                    value=value,
                    table=fee.table.source,
                    **told,
                )


@lru_cache(maxsize=1)
def _modifiers() -> dict[str, dict[str, str]]:
    return {row["modifier"]: row for row in rows("modifiers.tsv")}


def of(modifier: str) -> dict[str, str] | None:
    """The row of modifiers.tsv, or None."""
    return _modifiers().get(modifier)


@lru_cache(maxsize=1024)
def groups(modifier: str) -> frozenset[str]:
    row = of(modifier)
    return frozenset(g for g in row["group"].split("|") if g) if row else frozenset()


@lru_cache(maxsize=1)
def allows_pair() -> frozenset[str]:
    """The modifiers that let both codes of an NCCI pair be paid, where the pair allows one at all."""
    return frozenset(m for m, row in _modifiers().items() if row["ncci"] == "yes")
