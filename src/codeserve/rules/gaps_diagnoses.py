"""Gaps of single diagnoses: side, detail, support, status, and for risk adjustment what was done about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.codesets.icd10cm import Icd10cm
from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules import details
from codeserve.rules.gaps_words import Asked, Gap, first, gap, quoted
from codeserve.rules.hcc import carries_hcc
from codeserve.rules.mdm_problems import own_text, plain_kind
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.tables import any_of, rows

CHRONIC = "stable_chronic"
UNSPECIFIED = re.compile(r"\bunspecified\b|\bwithout (?:mention|status)\b", re.IGNORECASE)
OPTIONS = 6
MOST_READ = 400  # codes of a category: injuries have thousands, which differ in the same words
SIDE_STEMS = frozenset(words.stem(word) for word in ("right", "left"))
SUPPORTED_IN = frozenset(
    {SectionKind.HPI, SectionKind.EXAM, SectionKind.RESULTS, SectionKind.CHIEF_COMPLAINT, SectionKind.VITALS}
    | {SectionKind.HOSPITAL_COURSE, SectionKind.PROCEDURE, SectionKind.PLAN}
)


def diagnosis_gaps(asked: Asked) -> Iterator[Gap]:
    for d in asked.diagnoses:
        if d.role is Role.ASSESSED and d.evidence:
            yield from _of(d, asked)


def _of(d: Diagnosis, asked: Asked) -> Iterator[Gap]:
    told = {"term": quoted(asked.document.text, d.evidence[0]), "code": d.code}
    near = own_text(asked.document, d)
    said = " ".join(span.of(asked.document.text) for span in near)
    side = _side(d, asked)
    if side:
        yield gap(side, d.evidence[:1], (d.code,), **told)
    elif found := _open_axis(d, said, asked):
        axis, options = found
        yield gap("detail-missing", d.evidence[:1], (d.code,), axis=axis, options=", ".join(options), **told)
    if plain_kind(d.code) == "administrative":
        return
    bare = not first(said, "meat") and not first(said, "status")
    if bare and not _spoken_of(d, near, asked):
        yield gap("no-support", d.evidence[:1], (d.code,), **told)
    elif bare and carries_hcc(d.code):
        yield gap("meat-missing", d.evidence[:1], (d.code,), **told)
    elif plain_kind(d.code) == CHRONIC and not first(_around(d, said, asked), "status"):
        yield gap("status-missing", d.evidence[:1], (d.code,), **told)


def _around(d: Diagnosis, said: str, asked: Asked) -> str:
    """The problem's own text, and every sentence that shares a telling word with its term."""
    stems = _stems(d, asked)
    return " ".join((said, *(s.text for s in asked.reading.sentences if stems & set(words.stems(s.text)))))


def _stems(d: Diagnosis, asked: Asked) -> set[str]:
    return {stem for span in d.evidence for stem in words.stems(span.of(asked.document.text)) if len(stem) > 3}


def _spoken_of(d: Diagnosis, near: tuple[Span, ...], asked: Asked) -> bool:
    stems = _stems(d, asked)
    return any(
        stems & set(words.stems(s.text))
        for s in asked.reading.sentences
        if s.section in SUPPORTED_IN and not any(span.overlaps(s.span) for span in near)
    )


def _side(d: Diagnosis, asked: Asked) -> str | None:
    """Whether the side is missing, or told in two ways."""
    concept = asked.codesets.concepts.of(d.code)
    if not concept or not concept.sided:
        return None
    member = next((m for m in concept.members if m.code == d.code), None)
    if member is None:
        return None
    if member.side is None:
        return "side-missing"
    return "conflicting-sides" if member.side in ("right", "left") and _contradicted(d, member.side, asked) else None


def _contradicted(d: Diagnosis, side: str, asked: Asked) -> bool:
    """Whether sentences of the history or the examination that name the same part of the body give the other side
    alone."""
    part = _stems(d, asked) - details.weak_stems() - SIDE_STEMS
    others = {
        detail.value
        for s in asked.reading.sentences
        if s.section in (SectionKind.HPI, SectionKind.EXAM, SectionKind.CHIEF_COMPLAINT)
        if part & set(words.stems(s.text))
        for detail in details.find("side", asked.document.text, s.span)
    }
    return others == ({"left"} if side == "right" else {"right"})


def _open_axis(d: Diagnosis, said: str, asked: Asked) -> tuple[str, tuple[str, ...]] | None:
    """The first axis in which codes of the same category differ while this one leaves it open; and its choices."""
    icd = asked.codesets.icd
    if d.code not in icd or not UNSPECIFIED.search(icd.description(d.code)):
        return None
    own = icd.description(d.code).lower()
    context = _around(d, said, asked)
    for axis, choices, held in _axes_of(d.code[:3], icd):
        if not choices.search(own) and not choices.search(context):
            return axis, held[:OPTIONS]
    return None


@lru_cache(maxsize=256)
def _axes_of(category: str, icd: Icd10cm) -> tuple[tuple[str, re.Pattern[str], tuple[str, ...]], ...]:
    """The axes in which codes of a category differ: the name, a pattern for all choices, those that its codes have."""
    described = [icd.description(code).lower() for code in icd.leaves(category)[:MOST_READ]]
    found = []
    for row in rows("gap_axes.tsv"):
        choices = row["words"].split("|")
        held = tuple(choice for choice in choices if any(map(any_of([choice]).search, described)))
        if len(held) > 1:
            found.append((row["axis"], any_of(choices), held))
    return tuple(found)
