"""A note made ready for the models: redacted, split into sections. Every later stage works on `Document.text`."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

from codeserve.notes.spans import Span


class SectionKind(StrEnum):
    CHIEF_COMPLAINT = "chief_complaint"
    HPI = "hpi"
    ROS = "ros"
    PMH = "pmh"
    PSH = "psh"
    FAMILY_HISTORY = "family_history"
    SOCIAL_HISTORY = "social_history"
    MEDICATIONS = "medications"
    ALLERGIES = "allergies"
    VITALS = "vitals"
    EXAM = "exam"
    RESULTS = "results"
    ASSESSMENT = "assessment"
    PLAN = "plan"
    ASSESSMENT_PLAN = "assessment_plan"
    PROCEDURE = "procedure"
    HOSPITAL_COURSE = "hospital_course"
    INSTRUCTIONS = "instructions"
    OTHER = "other"

    @property
    def assesses(self) -> bool:
        """Whether the clinician states today's diagnoses here."""
        return self in (SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN)


@dataclass(frozen=True, slots=True)
class Section:
    """`span` covers heading and body, `body` the text under the heading. Sections of a note touch and cover it."""

    kind: SectionKind
    span: Span
    body: Span
    heading: Span | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One problem of the assessment: its heading line and the text (plan) that belongs to it, up to the next."""

    heading: Span
    span: Span
    section: SectionKind


@dataclass(frozen=True, slots=True)
class Document:
    """`text` is the redacted note, `original` what came in; `sections` and `items` index `text`.

    `starts[i]` is the offset in `original` of character i of `text`, `ends[i]` the offset after it; a
    placeholder's characters all carry the whole range that it replaced.
    """

    original: str
    text: str
    starts: tuple[int, ...] | range
    ends: tuple[int, ...] | range
    sections: tuple[Section, ...]
    items: tuple[Item, ...] = ()

    def to_original(self, span: Span) -> Span:
        """Where a non-empty span of `text` lies in `original`."""
        return Span(self.starts[span.start], self.ends[span.end - 1])

    def section_at(self, offset: int) -> Section:
        """The section that holds `offset`; the last one for the end of the text."""
        place = bisect_right(self.sections, offset, key=lambda section: section.span.end)
        return self.sections[min(place, len(self.sections) - 1)]
