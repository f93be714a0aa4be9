"""The first element of medical decision making: number and complexity of the problems addressed.

Source: AMA CPT E/M guidelines, "Number and Complexity of Problems Addressed at the Encounter"; the kinds by code are
this project's reading of its definitions (data/rules/mdm_problem_*.tsv).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from types import MappingProxyType

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.gaps_words import first
from codeserve.rules.levels import highest
from codeserve.rules.reading import Reading, Sentence, counts, pattern
from codeserve.rules.results import Diagnosis, Element, ElementItem, OpenItem, Role
from codeserve.rules.tables import rows

STEM_LONGEST = 8
CATEGORY = 3  # characters of a code; a shorter stem is a chapter's default
SHOWN = 480  # characters of what is said about an open problem
NOTHING: Mapping[str, str] = MappingProxyType({})
STATED = frozenset({SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN, SectionKind.PLAN})


@dataclass(frozen=True, slots=True)
class _Judged:
    """The kind of a problem, the words that make it so (none: its code does), and what is said about the problem."""

    diagnosis: Diagnosis
    kind: str
    cue: Span | None
    said: tuple[Span, ...]
    decided_by: str = "rules"


def problems_element(reading: Reading, diagnoses: Sequence[Diagnosis], settled: Mapping[str, str] = NOTHING) -> Element:
    """One item for each assessed diagnosis; codes of one category and kind are one problem when they are counted.
    `settled`: kinds by code that the LLM told of what was open (rules/mdm_open.py)."""
    assessed = [d for d in diagnoses if d.role is Role.ASSESSED]
    only = sum(plain_kind(d.code) != "administrative" for d in assessed) == 1
    judged = [_settled(_judged(reading, d, only), settled) for d in assessed]
    items = tuple(
        ElementItem(j.kind, f"{j.diagnosis.code}: {_levels()[j.kind]['message']}", _words(j), j.decided_by)
        for j in judged
    )
    number = Counter(kind for kind, _ in {(j.kind, j.diagnosis.code[:CATEGORY]) for j in judged})
    level = highest(_levels()[kind]["several" if n > 1 else "one"] for kind, n in number.items())
    return Element(level, items, tuple(item for j in judged for item in _open(reading.document, j)))


def plain_kind(code: str) -> str:
    """The kind of a problem by its code alone: the longest stem of the table."""
    return _kinds().get(_stem(code), "acute_uncomplicated")


def _stem(code: str) -> str:
    stems = (code[:n] for n in range(min(len(code), STEM_LONGEST), 0, -1))
    return next((stem for stem in stems if stem in _kinds()), "")


@lru_cache(maxsize=1)
def _levels() -> dict[str, dict[str, str]]:
    return {row["kind"]: row for row in rows("mdm_problem_levels.tsv")}


@lru_cache(maxsize=1)
def _kinds() -> dict[str, str]:
    return {row["stem"]: row["kind"] for row in rows("mdm_problem_kinds.tsv")}


def _words(judged: _Judged) -> tuple[Span, ...]:
    """Its name, with the words that made its kind: where the LLM told it, all that it was shown."""
    told = _shown(judged.said) if judged.decided_by == "llm" else [judged.cue] if judged.cue else []
    return (*judged.diagnosis.evidence[:1], *told)


def _judged(reading: Reading, diagnosis: Diagnosis, only: bool) -> _Judged:
    own, said = _said(reading, diagnosis, only)
    kind, cue = _kind(reading, diagnosis, own, said)
    return _Judged(diagnosis, kind, cue, tuple(sentence.span for sentence in said))


def _settled(judged: _Judged, settled: Mapping[str, str]) -> _Judged:
    kind = settled.get(judged.diagnosis.code)
    return replace(judged, kind=kind, decided_by="llm") if kind else judged


def _open(document: Document, judged: _Judged) -> Iterator[OpenItem]:
    """The question that the words about a problem leave open, if any."""
    by_chapter = judged.cue is None and len(_stem(judged.diagnosis.code)) < CATEGORY
    said = " ".join(span.of(document.text) for span in judged.said)
    for row in rows("mdm_questions.tsv"):
        fits = row["fits"] == judged.kind and (by_chapter or not row["by_chapter"])
        if fits and judged.said and not (row["unless"] and first(said, row["unless"])):
            yield OpenItem(judged.diagnosis.code, row["question"], judged.diagnosis.evidence[0], _shown(judged.said))


def _shown(said: tuple[Span, ...]) -> tuple[Span, ...]:
    """The first sentences, whole ones, at least one."""
    ends = accumulate(len(span) for span in said)
    return tuple(span for span, end in zip(said, ends, strict=True) if end <= SHOWN) or said[:1]


def _kind(
    reading: Reading, diagnosis: Diagnosis, own: Sequence[Sentence], said: Sequence[Sentence]
) -> tuple[str, Span | None]:
    """What the words near the problem make of its kind, with those words; else the kind by code."""
    kind, cue = plain_kind(diagnosis.code), None
    for row in rows("mdm_problem_cues.tsv"):
        if not _fits(row, kind, diagnosis.code) or not reading.holds(row["settings"]):
            continue
        if (row["alone"] and len(own) > 1) or (row["unless"] and _found(said, row["unless"], kind)):
            continue
        places = {"note": reading.sentences, "own": own}
        words = _found(places.get(row["where"], said), row["pattern"], row["kind"])
        if words is not None:
            kind, cue = row["kind"], words if len(words) else None
            if not row["on"]:
                return kind, cue
    missed = _missed_goal(said, diagnosis.code) if kind == "stable_chronic" else None
    return ("exacerbation", missed) if missed else (kind, cue)


def _said(reading: Reading, diagnosis: Diagnosis, only: bool) -> tuple[list[Sentence], list[Sentence]]:
    """The sentences of the problem's own text; the same with those of the assessment and plan that belong to no other
    problem, where it is the only one."""
    parts = own_text(reading.document, diagnosis)
    worded = [s for s in reading.sentences if any(letter.isalpha() for letter in s.text)]
    own = [s for s in worded if any(part.overlaps(s.span) for part in parts)]
    assessed = (item.span for item in reading.document.items if item.section.assesses)
    others = [span for span in assessed if not any(span.overlaps(part) for part in parts)]
    more = (s for s in worded if only and s.section in STATED and not any(s.span.overlaps(other) for other in others))
    return own, list(dict.fromkeys((*own, *more)))


def _found(sentences: Iterable[Sentence], words: str, kind: str) -> Span | None:
    """Where words stand first that count."""
    for sentence in sentences:
        for match in pattern(words).finditer(sentence.text):
            if counts(sentence.text, match.start(), "problems", kind):
                return Span(*match.span()).shift(sentence.span.start)
    return None


def _missed_goal(said: Iterable[Sentence], code: str) -> Span | None:
    """A value beyond the usual goal of a chronic illness that the note does not call controlled."""
    told = tuple(said)
    if any(pattern("{at_goal}").search(sentence.text) for sentence in told):
        return None
    for row in rows("mdm_goals.tsv"):
        if code.startswith(tuple(row["codes"].split("|"))):
            for sentence in told:
                for match in pattern(row["pattern"]).finditer(sentence.text):
                    value = float(match["value"])
                    if (row["at_least"] and value >= float(row["at_least"])) or (
                        row["at_most"] and value <= float(row["at_most"])
                    ):
                        return Span(*match.span()).shift(sentence.span.start)
    return None


def _fits(row: dict[str, str], plain: str, code: str) -> bool:
    if row["codes"] and not code.startswith(tuple(row["codes"].split("|"))):
        return False
    return plain in row["fits"].split("|") if row["fits"] else plain != "administrative"


def own_text(document: Document, diagnosis: Diagnosis) -> tuple[Span, ...]:
    """The item of the assessment that names the diagnosis; where there is none, the lines that name it."""
    items = tuple(i.span for i in document.items if any(i.span.contains(e) for e in diagnosis.evidence))
    return items or tuple(evidence.line_of(document.text) for evidence in diagnosis.evidence)
