"""The first element of medical decision making: number and complexity of the problems addressed.

Source: AMA CPT E/M guidelines, "Number and Complexity of Problems Addressed at the Encounter"; the kinds by code are
this project's reading of its definitions (data/rules/mdm_problem_*.tsv).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.rules.levels import highest
from codeserve.rules.reading import Reading, counts, pattern
from codeserve.rules.results import Diagnosis, Element, ElementItem, Role
from codeserve.rules.tables import rows

STEM_LONGEST = 8


def problems_element(reading: Reading, diagnoses: Sequence[Diagnosis]) -> Element:
    """One item for each assessed diagnosis; codes of one category and kind are one problem when they are counted."""
    assessed = [d for d in diagnoses if d.role is Role.ASSESSED]
    kinds = [_kind(reading, d) for d in assessed]
    items = tuple(
        ElementItem(kind, f"{d.code}: {_levels()[kind]['message']}", _words(d, span))
        for d, (kind, span) in zip(assessed, kinds, strict=True)
    )
    number = Counter(kind for kind, _ in {(kind, d.code[:3]) for d, (kind, _) in zip(assessed, kinds, strict=True)})
    return Element(highest(_levels()[kind]["several" if n > 1 else "one"] for kind, n in number.items()), items)


def plain_kind(code: str) -> str:
    """The kind of a problem by its code alone: the longest stem of the table."""
    table = _kinds()
    stems = (code[:n] for n in range(min(len(code), STEM_LONGEST), 0, -1))
    return next((table[stem] for stem in stems if stem in table), "acute_uncomplicated")


@lru_cache(maxsize=1)
def _levels() -> dict[str, dict[str, str]]:
    return {row["kind"]: row for row in rows("mdm_problem_levels.tsv")}


@lru_cache(maxsize=1)
def _kinds() -> dict[str, str]:
    return {row["stem"]: row["kind"] for row in rows("mdm_problem_kinds.tsv")}


def _words(diagnosis: Diagnosis, cue: Span | None) -> tuple[Span, ...]:
    return (*diagnosis.evidence[:1], *([cue] if cue else []))


def _kind(reading: Reading, diagnosis: Diagnosis) -> tuple[str, Span | None]:
    """What the words near the problem make of its kind, with those words; else the kind by code."""
    plain = plain_kind(diagnosis.code)
    own = own_text(reading.document, diagnosis)
    near = (s for s in reading.sentences if any(part.overlaps(s.span) for part in own))
    said = [s for s in near if any(letter.isalpha() for letter in s.text)]
    for row in rows("mdm_problem_cues.tsv"):
        if not _fits(row, plain, diagnosis.code) or not reading.holds(row["settings"]):
            continue
        if row["alone"] and len(said) > 1:
            continue
        for sentence in said:
            for match in pattern(row["pattern"]).finditer(sentence.text):
                if counts(sentence.text, match.start(), "problems", row["kind"]):
                    return row["kind"], Span(*match.span()).shift(sentence.span.start)
    return plain, None


def _fits(row: dict[str, str], plain: str, code: str) -> bool:
    if row["codes"] and not code.startswith(tuple(row["codes"].split("|"))):
        return False
    return plain in row["fits"].split("|") if row["fits"] else plain != "administrative"


def own_text(document: Document, diagnosis: Diagnosis) -> tuple[Span, ...]:
    """The item of the assessment that names the diagnosis; where there is none, the lines that name it."""
    items = tuple(i.span for i in document.items if any(i.span.contains(e) for e in diagnosis.evidence))
    return items or tuple(evidence.line_of(document.text) for evidence in diagnosis.evidence)
