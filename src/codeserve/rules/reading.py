"""A note as the rules of medical decision making read it: sentences with their sections, and what does not count."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from codeserve.notes.document import Document, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.rules.encounter import Encounter
from codeserve.rules.tables import rows
from codeserve.tagging.entities import Entity

DECIDED = frozenset(
    {
        SectionKind.ASSESSMENT,
        SectionKind.ASSESSMENT_PLAN,
        SectionKind.PLAN,
        SectionKind.INSTRUCTIONS,
        SectionKind.PROCEDURE,
        SectionKind.HOSPITAL_COURSE,
        SectionKind.OTHER,
    }
)
# A list of what a patient takes or of what relatives had shows no work of this visit.
LISTED = frozenset({SectionKind.MEDICATIONS, SectionKind.ALLERGIES, SectionKind.FAMILY_HISTORY, SectionKind.PSH})
FULL_LINE = 50  # characters of a line that was broken because it was full
_CLASS = re.compile(r"\{([a-z_]{3,})\}")
_LIST_MARK = re.compile(r"\d{1,2}[.)] |[a-z]\) ")
LISTED_IN_LINE = LISTED | {SectionKind.PMH, SectionKind.SOCIAL_HISTORY}
REACH = 240  # characters in which a word can speak against another: a note without full stops stays readable in time
PLANNED = frozenset({SectionKind.ASSESSMENT_PLAN, SectionKind.PLAN, SectionKind.INSTRUCTIONS})
TOLD = frozenset({SectionKind.HPI, SectionKind.CHIEF_COMPLAINT, SectionKind.OTHER, SectionKind.ROS})
PLACES = {
    "planned": PLANNED,
    "narrated": TOLD | DECIDED,
    "decided": DECIDED,
    "reviewed": TOLD | DECIDED | {SectionKind.EXAM, SectionKind.VITALS},
    "results": frozenset({SectionKind.RESULTS}),
    "any": frozenset(SectionKind) - LISTED,
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text` is that of `span` with its line breaks as spaces."""

    span: Span
    text: str
    section: SectionKind


@dataclass(frozen=True, slots=True)
class Reading:
    """One note and its visit. `setting` as in the API's contract, resolved from the place of service; `named`: the
    words that name the diagnoses; `found`: what was looked up in its sentences, for the rows that ask for the same."""

    document: Document
    sentences: tuple[Sentence, ...]
    entities: tuple[Entity, ...]
    encounter: Encounter
    setting: str
    named: tuple[Span, ...] = ()
    found: dict[tuple[str, Span], tuple[Span, ...]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls, document: Document, entities: Sequence[Entity], encounter: Encounter, named: Sequence[Span] = ()
    ) -> Reading:
        begins = frozenset(section.span.start for section in document.sections)
        spans = _unwrapped(document.text, split_sentences(document.text, document.sections), begins)
        sentences = tuple(Sentence(s, s.of(document.text).replace("\n", " "), _kind_at(document, s)) for s in spans)
        return cls(document, sentences, tuple(entities), encounter, setting_of(encounter), tuple(named))

    def beside(self, sentence: Sentence) -> Iterator[Sentence]:
        """A sentence and its neighbours of the same section."""
        at = bisect_left(self.sentences, sentence.span, key=lambda one: one.span)
        near = self.sentences[max(0, at - 1) : at + 2]
        return (one for one in near if one.section is sentence.section)

    def within(self, place: str) -> Iterator[Sentence]:
        """The sentences of a place of PLACES, in order."""
        return (sentence for sentence in self.sentences if sentence.section in PLACES[place])

    def holds(self, words: str) -> bool:
        """Whether a cell of settings or services, parted by "|", names this visit; an empty one always does."""
        told = {self.setting, self.encounter.service or ""}
        return not words or bool(told & set(words.split("|")))


def setting_of(encounter: Encounter) -> str:
    """The setting as told, else by place of service (data/rules/places.tsv), else the office."""
    if encounter.setting:
        return encounter.setting
    if encounter.note_type == "emergency":
        return "emergency"
    place = encounter.place_of_service
    return next((row["setting"] for row in rows("places.tsv") if row["place"] == place), "office")


def _kind_at(document: Document, span: Span) -> SectionKind:
    """The section of a sentence. A list that stands behind its heading ("Meds: ...") ends with its line: what follows
    without a heading of its own is narrative."""
    section = document.section_at(span.start)
    if section.kind not in LISTED_IN_LINE or section.heading is None:
        return section.kind
    line = section.heading.line_of(document.text)
    on_its_line = any(c.isalnum() for c in document.text[section.heading.end : line.end])
    return SectionKind.HPI if on_its_line and span.start > line.end else section.kind


def _unwrapped(text: str, spans: Sequence[Span], begins: Collection[int]) -> tuple[Span, ...]:
    """Sentences that a line break in running text cut, joined again; `begins` are where sections begin."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start not in begins and _goes_on(text, joined[-1], span):
            span = Span(joined.pop().start, span.end)
        joined.append(span)
    return tuple(joined)


def _goes_on(text: str, one: Span, other: Span) -> bool:
    line = one.end - (text.rfind("\n", 0, one.end) + 1)
    between = text[one.end : other.start]
    return (
        between.count("\n") == 1
        and not between.strip()
        and line >= FULL_LINE
        and text[one.end - 1] not in ".!?:;"
        and text[other.start].isalnum()
        and not _LIST_MARK.match(text, other.start)
    )


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """A pattern of the tables, in any case; {class} stands for the words of a class of mdm_words.tsv."""
    return re.compile(_expanded(text), re.IGNORECASE)


def _expanded(text: str) -> str:
    while _CLASS.search(text):
        text = _CLASS.sub(lambda match: _words()[match[1]], text)
    return text


@lru_cache(maxsize=1)
def _words() -> dict[str, str]:
    by_class: dict[str, str] = {}
    for row in rows("mdm_words.tsv"):
        by_class[row["class"]] = "|".join(filter(None, (by_class.get(row["class"]), row["words"])))
    return by_class


@lru_cache(maxsize=32)
def _barred(topics: frozenset[str], where: str) -> tuple[re.Pattern[str], ...]:
    """The patterns of mdm_not_counted.tsv for some elements and kinds."""
    return tuple(
        pattern(row["pattern"])
        for row in rows("mdm_not_counted.tsv")
        if row["where"] == where and topics & set(row["for"].split("|"))
    )


def counts(text: str, start: int, *topics: str, end: int | None = None) -> bool:
    """Whether what stands at `start` of a sentence counts for an element or kind: not negated, not conditional; with
    `end`, nothing right behind it speaks against it."""
    named = frozenset(topics)
    before, around = text[max(0, start - REACH) : start], text[max(0, start - REACH) : start + REACH]
    return (
        not any(p.search(before) for p in _barred(named, "before"))
        and not any(p.search(around) for p in _barred(named, "anywhere"))
        and (end is None or not any(p.match(text, end) for p in _barred(named, "behind")))
    )
