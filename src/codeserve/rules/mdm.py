"""The three elements of medical decision making, counted from the note; each item cites its words.

Source: AMA CPT E/M guidelines, table "Levels of Medical Decision Making" (2021 office, 2023 other settings).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.rules.external_causes import is_injury
from codeserve.rules.results import Diagnosis, Element, ElementItem, Role
from codeserve.rules.tables import rows

LEVELS = ("none", "straightforward", "low", "moderate", "high")
DECIDED_IN = (
    SectionKind.ASSESSMENT,
    SectionKind.ASSESSMENT_PLAN,
    SectionKind.PLAN,
    SectionKind.INSTRUCTIONS,
    SectionKind.PROCEDURE,
    SectionKind.OTHER,
    SectionKind.HOSPITAL_COURSE,
)
REVIEWED_IN = (SectionKind.RESULTS, SectionKind.OTHER, *DECIDED_IN[:3], SectionKind.HPI)
HISTORY_IN = (SectionKind.HPI, SectionKind.CHIEF_COMPLAINT, SectionKind.OTHER)
_NEGATED = re.compile(r"\b(?:no|not|denies|without|never|declined|if)\b[^.,;]*$", re.IGNORECASE)
CATEGORY_1 = {"ordered", "reviewed", "external_notes", "historian"}
CATEGORY_2 = {"interpretation"}
CATEGORY_3 = {"discussion"}


@dataclass(frozen=True, slots=True)
class Cue:
    kind: str
    level: str
    pattern: re.Pattern[str]
    message: str


@lru_cache(maxsize=4)
def cues(element: str) -> tuple[Cue, ...]:
    return tuple(
        Cue(r["kind"], r["level"], re.compile(r["pattern"], re.IGNORECASE), r["message"])
        for r in rows("mdm_cues.tsv")
        if r["element"] == element
    )


def rank(level: str) -> int:
    """The place of a level, none first. Raises ValueError for what is no level."""
    return LEVELS.index(level)


def highest(levels: Sequence[str]) -> str:
    return max(levels, key=rank, default="none")


def two_of_three(problems: str, data: str, risk: str) -> str:
    """The MDM level: met or exceeded by two of the three elements."""
    return sorted((problems, data, risk), key=rank)[1]


def assess(document: Document, diagnoses: Sequence[Diagnosis]) -> tuple[Element, Element, Element]:
    """Problems, data and risk."""
    sentences = tuple(split_sentences(document.text, document.sections))
    return (
        _problems(document, diagnoses),
        _data(document, sentences),
        _risk(document, sentences),
    )


def _matches(
    document: Document, sentences: Sequence[Span], kinds: Sequence[SectionKind], cue: Cue
) -> Iterator[re.Match[str]]:
    """Where a cue stands unnegated in sentences of some sections."""
    for sentence in sentences:
        if document.section_at(sentence.start).kind in kinds:
            for match in cue.pattern.finditer(document.text, sentence.start, sentence.end):
                if not _NEGATED.search(document.text[sentence.start : match.start()]):
                    yield match


# -- problems ----------------------------------------------------------------------------------------------------------


def _problems(document: Document, diagnoses: Sequence[Diagnosis]) -> Element:
    """From the assessed problems only: their number and the worst kind among them."""
    assessed = [d for d in diagnoses if d.role is Role.ASSESSED]
    items = tuple(_problem(document, diagnosis) for diagnosis in assessed)
    kinds = [item.kind for item in items]
    stable = kinds.count("stable_chronic")
    levels = ["low" if kind in ("stable_chronic", "acute_uncomplicated") else _cue_level(kind) for kind in kinds]
    if stable >= 2:
        levels.append("moderate")
    if kinds.count("self_limited") >= 2:
        levels.append("low")
    return Element(highest(levels), items)


def _cue_level(kind: str) -> str:
    if kind == "self_limited":
        return "straightforward"
    return next((c.level for c in cues("problems") if c.kind == kind), "low")


def _problem(document: Document, diagnosis: Diagnosis) -> ElementItem:
    reach = _own_text(document, diagnosis)
    own = reach.of(document.text) + " " + diagnosis.description
    for cue in cues("problems"):
        match = cue.pattern.search(own)
        if match and _fits(cue.kind, diagnosis.code) and not _NEGATED.search(own[: match.start()][-60:]):
            return ElementItem(cue.kind, f"{diagnosis.code}: {cue.message}", diagnosis.evidence[:1])
    kind, message = _plain_kind(diagnosis.code)
    return ElementItem(kind, f"{diagnosis.code}: {message}", diagnosis.evidence[:1])


def _fits(kind: str, code: str) -> bool:
    """An exacerbation is a chronic illness's; an injury is complicated by its own words."""
    if kind in ("exacerbation", "severe_exacerbation"):
        return _is(code, "chronic.tsv")
    if kind == "complicated_injury":
        return is_injury(code)
    if kind == "uncertain_prognosis":
        return code[0] in "RND" and not _is(code, "chronic.tsv")
    return True


def _plain_kind(code: str) -> tuple[str, str]:
    if _is(code, "minor.tsv"):
        return "self_limited", "self-limited or minor problem"
    if _is(code, "chronic.tsv"):
        return "stable_chronic", "stable chronic illness"
    return "acute_uncomplicated", "acute, uncomplicated illness or injury"


def _is(code: str, table: str) -> bool:
    return any(code.startswith(row["stem"]) for row in rows(table))


def _own_text(document: Document, diagnosis: Diagnosis) -> Span:
    """The assessment's item that names the diagnosis, or the rest of its line."""
    first = diagnosis.evidence[0]
    for item in document.items:
        if item.span.contains(first):
            return item.span
    end = document.text.find("\n", first.end)
    return Span(first.start, end if end >= 0 else len(document.text))


# -- data --------------------------------------------------------------------------------------------------------------


def _data(document: Document, sentences: Sequence[Span]) -> Element:
    """Each unique test, note and source once; categories 1 to 3 of the table."""
    found: dict[str, ElementItem] = {}
    for cue in cues("data"):
        for match in _matches(document, sentences, _data_sections(cue.kind), cue):
            test = (match.groupdict().get("test") or cue.kind).lower().rstrip("s")
            label = f"{cue.message}: {test}" if "test" in cue.pattern.groupindex else cue.message
            found.setdefault(test, ElementItem(cue.kind, label, (Span(*match.span()),)))
    return Element(_data_level([item.kind for item in found.values()]), tuple(found.values()))


def _data_sections(kind: str) -> tuple[SectionKind, ...]:
    if kind == "ordered":
        return DECIDED_IN
    if kind == "historian":
        return HISTORY_IN
    return (SectionKind.RESULTS,) if kind == "reviewed" else (*REVIEWED_IN, *DECIDED_IN)


def _data_level(kinds: Sequence[str]) -> str:
    """Limited: two of category 1, or a historian. Moderate: three of category 1, or category 2, or 3. Extensive: two of
    these three."""
    first = sum(kind in CATEGORY_1 for kind in kinds)
    met = (first >= 3) + any(k in CATEGORY_2 for k in kinds) + any(k in CATEGORY_3 for k in kinds)
    if met >= 2:
        return "high"
    if met == 1:
        return "moderate"
    return "low" if first >= 2 or "historian" in kinds else "straightforward"


# -- risk --------------------------------------------------------------------------------------------------------------


def _risk(document: Document, sentences: Sequence[Span]) -> Element:
    items: dict[str, ElementItem] = {}
    levels = ["straightforward"]
    for cue in cues("risk"):
        match = next(_matches(document, sentences, DECIDED_IN, cue), None)
        if match:
            items[cue.kind] = ElementItem(cue.kind, cue.message, (Span(*match.span()),))
            levels.append(cue.level)
    return Element(highest(levels), tuple(items.values()))
