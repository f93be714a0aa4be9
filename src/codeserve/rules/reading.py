"""A note as the rules of medical decision making read it: sentences with their sections, and what does not count."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
REACH = 240  # characters in which a word can speak against another: a note without full stops stays readable in time
PLACES = {
    "decided": DECIDED,
    "reviewed": DECIDED | {SectionKind.HPI, SectionKind.EXAM},
    "results": frozenset({SectionKind.RESULTS}),
    "any": frozenset(SectionKind) - LISTED,
}


@dataclass(frozen=True, slots=True)
class Sentence:
    span: Span
    text: str
    section: SectionKind


@dataclass(frozen=True, slots=True)
class Reading:
    """One note and its visit. `setting` as in the API's contract, resolved from the place of service."""

    document: Document
    sentences: tuple[Sentence, ...]
    entities: tuple[Entity, ...]
    encounter: Encounter
    setting: str

    @classmethod
    def of(cls, document: Document, entities: Sequence[Entity], encounter: Encounter) -> Reading:
        spans = split_sentences(document.text, document.sections)
        sentences = tuple(Sentence(s, s.of(document.text), document.section_at(s.start).kind) for s in spans)
        return cls(document, sentences, tuple(entities), encounter, setting_of(encounter))

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


@lru_cache(maxsize=512)
def pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


@lru_cache(maxsize=32)
def _barred(topics: frozenset[str], where: str) -> tuple[re.Pattern[str], ...]:
    """The patterns of mdm_not_counted.tsv for some elements and kinds."""
    return tuple(
        pattern(row["pattern"])
        for row in rows("mdm_not_counted.tsv")
        if row["where"] == where and topics & set(row["for"].split("|"))
    )


def counts(text: str, start: int, *topics: str) -> bool:
    """Whether what stands at `start` of a sentence counts for an element or kind: not negated, not conditional."""
    named = frozenset(topics)
    before, around = text[max(0, start - REACH) : start], text[max(0, start - REACH) : start + REACH]
    return not any(p.search(before) for p in _barred(named, "before")) and not any(
        p.search(around) for p in _barred(named, "anywhere")
    )
