"""Gaps of single diagnoses: side, detail, support, status, and for risk adjustment what was done about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules import details
from codeserve.rules.gaps import Asked, Gap, gap, pattern_of, quoted
from codeserve.rules.hcc import carries_hcc
from codeserve.rules.mdm_problems import own_text, plain_kind
from codeserve.rules.reading import pattern
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.tables import any_of, rows

CHRONIC = "stable_chronic"
UNSPECIFIED = re.compile(r"\bunspecified\b|\bwithout (?:mention|status)\b", re.IGNORECASE)
OPTIONS = 6
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
    bare = not _says(said, "meat") and not _says(said, "status")
    if bare and not _spoken_of(d, near, asked):
        yield gap("no-support", d.evidence[:1], (d.code,), **told)
    elif bare and carries_hcc(d.code):
        yield gap("meat-missing", d.evidence[:1], (d.code,), **told)
    elif plain_kind(d.code) == CHRONIC and not _says(_around(d, said, asked), "status"):
        yield gap("status-missing", d.evidence[:1], (d.code,), **told)


def _says(text: str, sort: str) -> bool:
    return bool(pattern(pattern_of(sort)).search(text))


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
    part = _stems(d, asked) - _common()
    others = {
        detail.value
        for s in asked.reading.sentences
        if s.section in (SectionKind.HPI, SectionKind.EXAM, SectionKind.CHIEF_COMPLAINT)
        if part & set(words.stems(s.text))
        for detail in details.find("side", asked.document.text, s.span)
    }
    return others == ({"left"} if side == "right" else {"right"})


@lru_cache(maxsize=1)
def _common() -> set[str]:
    """Stems that tie no side to a problem."""
    plain = "pain chronic acute sprain strain fracture disease syndrome tear primary injury joint"
    return {words.stem(word) for word in (*plain.split(), "right", "left")}


def _open_axis(d: Diagnosis, said: str, asked: Asked) -> tuple[str, tuple[str, ...]] | None:
    """The first axis in which codes of the same category differ while this one leaves it open; and its choices."""
    icd = asked.codesets.icd
    if d.code not in icd or not UNSPECIFIED.search(icd.description(d.code)):
        return None
    described = _category(d.code[:3], icd)
    own = icd.description(d.code).lower()
    context = _around(d, said, asked)
    for axis, choices in _axes():
        held = tuple(c for c in choices if any(any_of([c]).search(text) for text in described))
        if len(held) < 2 or any(any_of([c]).search(own) for c in choices):
            continue
        if not any_of(choices).search(context):
            return axis, held[:OPTIONS]
    return None


@lru_cache(maxsize=256)
def _category(stem: str, icd: object) -> tuple[str, ...]:
    leaves = icd.leaves(stem)  # type: ignore[attr-defined]
    return tuple(icd.description(code).lower() for code in leaves[:400])  # type: ignore[attr-defined]


@lru_cache(maxsize=1)
def _axes() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((row["axis"], tuple(row["words"].split("|"))) for row in rows("gap_axes.tsv"))
