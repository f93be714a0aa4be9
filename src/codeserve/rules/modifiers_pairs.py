"""59, or XE, XP, XS and XU, where both codes of an NCCI pair were done apart and the note says so; 76, 77 and 91 where
a service was done before on the day.

Source: NCCI Policy Manual for Medicare Services, chapter I, section E; CMS Claims Processing Manual, chapter 23,
section 20.9.1.1 (Medicare prefers the X modifiers); CPT appendix A; data/rules/site_words.tsv.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from codeserve.codesets.reference import PairEdit
from codeserve.notes.spans import Span
from codeserve.rules.edits_ncci import ALLOWED, bypassed, same_site
from codeserve.rules.kinds import kind_of
from codeserve.rules.modifier_cues import cued
from codeserve.rules.modifier_words import because
from codeserve.rules.modifiers_case import Marked, Services
from codeserve.rules.reading import pattern
from codeserve.rules.results import ModifierReason, Procedure
from codeserve.rules.tables import rows

# The first that the note tells holds.
TOLD = (
    ("other_session", "XE", "separate-session"),
    ("other_person", "XP", "separate-person"),
    ("separate", "XS", "separate-lesion"),
)
ON_FINDING = ("on_finding", "XU", "separate-service")
SIDES = ("right", "left")


def apart(services: Services) -> Iterator[Marked]:
    """On the second code of each pair that a modifier may allow and none does yet."""
    lines = services.lines
    for pair in services.codesets.reference.pairs([p.code for p in lines], services.encounter.date_of_service):
        first = [p for p in lines if p.code == pair.column1]
        second = [p for p in lines if p.code == pair.column2]
        of_visit = "em" in (kind_of(pair.column1), kind_of(pair.column2))
        if pair.indicator != ALLOWED or of_visit or pair.column1 == pair.column2:
            continue
        if (bypassed(first) or bypassed(second)) and not same_site(first, second):
            continue
        if reason := _reason(pair, first, second, services):
            yield from ((n, reason) for n, p in enumerate(lines) if p.code == pair.column2)


def _reason(
    pair: PairEdit, first: Sequence[Procedure], second: Sequence[Procedure], services: Services
) -> ModifierReason | None:
    """None where nothing tells that they were apart, or something that they were not."""
    document = services.document
    near = [span for line in (*first, *second) for span in line.evidence]
    if cued("same_site", document, near):
        return None
    told = {"column1": pair.column1, "column2": pair.column2}
    for sort, modifier, why in TOLD:
        if found := cued(sort, document, near):
            return because(why, _as_paid(modifier, services), found, **told)
    if sites := _sites_apart(first, second, document.text):
        spans = (span for line in second for span in line.evidence)
        return because("separate-site", _as_paid("XS", services), spans, sites=sites, **told)
    sort, modifier, why = ON_FINDING
    found = cued(sort, document, near)
    return because(why, _as_paid(modifier, services), found, **told) if found else None


def _as_paid(modifier: str, services: Services) -> str:
    return modifier if services.encounter.medicare else "59"


def _sites_apart(first: Sequence[Procedure], second: Sequence[Procedure], text: str) -> str:
    """The two sides' places on the body, in words, where both name some and share none; else "" ."""
    one, other = (_sites([s for line in lines for s in line.evidence], text) for lines in (first, second))
    if not one or not other or any(_same(a, b) for a in one for b in other):
        return ""
    return f"{', '.join(sorted(map(_said, one)))}; {', '.join(sorted(map(_said, other)))}"


Site = tuple[str, str]  # the side, or "", and the place


def _sites(spans: Sequence[Span], text: str) -> set[Site]:
    sides = "|".join(SIDES)
    return {
        ((match["side"] or "").lower(), row["site"])
        for row in rows("site_words.tsv")
        for span in spans
        for match in pattern(rf"\b(?:(?P<side>{sides}) (?:\w+ )?)?(?:{row['words']})\b").finditer(span.of(text))
    }


def _same(one: Site, other: Site) -> bool:
    return one[1] == other[1] and (one[0] == other[0] or not one[0] or not other[0])


def _said(site: Site) -> str:
    return " ".join(part for part in site if part)


def repeated(services: Services) -> Iterator[Marked]:
    """A service that the encounter tells was done before on the same day."""
    before = {r.code for r in services.encounter.recent_procedures if r.date == services.encounter.date_of_service}
    for number, line in enumerate(services.lines):
        if line.code not in before or kind_of(line.code) == "em":
            continue
        other = cued("other_physician", services.document, line.evidence)
        if kind_of(line.code) == "lab":
            yield number, because("repeated-test", "91")
        else:
            yield number, because("repeated-by-other", "77", other) if other else because("repeated", "76")
