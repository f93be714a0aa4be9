"""Gaps of single diagnoses: side, detail, support, status, and for risk adjustment what was done about them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules import details
from codeserve.rules.combinations import is_symptom
from codeserve.rules.gaps_details import open_details
from codeserve.rules.gaps_words import Asked, Gap, by_time_only, first, gap, quoted
from codeserve.rules.hcc import carries_hcc
from codeserve.rules.mdm_problems import own_text, plain_kind
from codeserve.rules.reading import pattern
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.tables import rows

CHRONIC = "stable_chronic"
# What is written there belongs to the first-listed diagnosis, whether it names it or not.
SHARED = frozenset(
    {SectionKind.PLAN, SectionKind.RESULTS, SectionKind.EXAM, SectionKind.HOSPITAL_COURSE, SectionKind.PROCEDURE}
)
NO_SUPPORT = frozenset({SectionKind.FAMILY_HISTORY, SectionKind.PMH, SectionKind.ALLERGIES, SectionKind.INSTRUCTIONS})
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
    elif details := open_details(d, _around(d, said, asked), asked):
        yield gap("detail-missing", d.evidence[:1], (d.code,), details=details, **told)
    else:
        details = ""
    kind = None if plain_kind(d.code) == "administrative" else _unshown(d, said, near, asked)
    if kind and not (kind == "status-missing" and (side or details)):
        yield gap(kind, d.evidence[:1], (d.code,), **told)


def _unshown(d: Diagnosis, said: str, near: tuple[Span, ...], asked: Asked) -> str | None:
    """What the note does not show of a diagnosis: its support, what was done about it, or its status. The first-listed
    is what the whole note is about, and a symptom is its own finding."""
    bare = not first(said, "meat") and not first(said, "status") and not _supported(d, asked)
    main = d.sequence == 1 and any(s.section in SHARED for s in asked.reading.sentences)
    if bare and not main and not is_symptom(d.code) and not _spoken_of(d, near, asked):
        return "no-support"
    if bare and carries_hcc(d.code):
        return "meat-missing"
    visit = asked.em is not None and asked.em.code not in by_time_only()
    if not visit or plain_kind(d.code) != CHRONIC or _second_of_line(d, asked):
        return None
    around = _around(d, said, asked)
    return None if first(around, "status") or first(around, "changed") else "status-missing"


def _second_of_line(d: Diagnosis, asked: Asked) -> bool:
    """Whether a line names another diagnosis before this one, which then is its cause or comes with it."""
    line = d.evidence[0].line_of(asked.document.text)
    others = (o.evidence[0] for o in asked.diagnoses if o.evidence and o.code != d.code and o.role is Role.ASSESSED)
    return any(line.contains(other) and other < d.evidence[0] for other in others)


def _supported(d: Diagnosis, asked: Asked) -> bool:
    """Whether drugs, tests or findings that belong to the condition stand in the note (gap_support.tsv)."""
    words = _support_of(d.code)
    return bool(words) and any(
        pattern(words).search(s.text) for s in asked.reading.sentences if s.section not in NO_SUPPORT
    )


@lru_cache(maxsize=4096)
def _support_of(code: str) -> str:
    return next((r["words"] for r in rows("gap_support.tsv") if code.startswith(tuple(r["codes"].split("|")))), "")


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
        if part & set(words.stems(s.text)) and not first(s.text, "not_side")
        for detail in details.find("side", asked.document.text, s.span)
    }
    return others == ({"left"} if side == "right" else {"right"})
