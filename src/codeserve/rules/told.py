"""A note as what was done is read from it: sentences, what they say of here and now, what stands around them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codeserve.notes.document import Document, Section, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.rules.clauses import here_and_now
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import setting_of

NEVER_IN = frozenset(
    {
        SectionKind.PMH,
        SectionKind.PSH,
        SectionKind.FAMILY_HISTORY,
        SectionKind.SOCIAL_HISTORY,
        SectionKind.MEDICATIONS,
        SectionKind.ALLERGIES,
        SectionKind.INSTRUCTIONS,
        SectionKind.CHIEF_COMPLAINT,
    }
)
TOLD_IN = frozenset({SectionKind.HPI, SectionKind.ROS})  # the patient's story: only what is said to be here and now
SHOWS = frozenset({SectionKind.RESULTS, SectionKind.EXAM, SectionKind.VITALS})
OPERATIVE = frozenset({"operative", "procedure"})
# A heading above the course of an operation; what was done is named above it.
_DESCRIBES = re.compile(r"\b(?:descri\w+|details?|technique|course|narrative)\b", re.IGNORECASE)
_POSTOPERATIVE = re.compile(r"\bpost-?\s?op(?:erative)? (?:diagnos[ei]s|dx)\b", re.IGNORECASE)


_PARAGRAPH = re.compile(r"\n[ \t]*\n")


@dataclass(frozen=True, slots=True)
class Told:
    """`said`: the sentence. `kept`: the same without its clauses on plans and the past. `block`: what is kept around it
    (its problem, its procedure section, or an operative note as a whole); `note`: of the whole note. `performed`: it
    stands where only what was done stands."""

    span: Span
    said: str
    kept: str
    section: SectionKind
    block: str
    note: str
    performed: bool
    office: bool

    @property
    def barred(self) -> bool:
        return self.section in NEVER_IN

    @property
    def here(self) -> bool:
        """Whether it needs no word for here and now."""
        return self.section not in NEVER_IN | TOLD_IN

    @property
    def shows(self) -> bool:
        """Whether it stands among what this visit found, where the office does its tests itself."""
        return self.office and self.section in SHOWS


def read(document: Document, visit: Encounter) -> tuple[Told, ...]:
    """All sentences of a note, in order."""
    setting = setting_of(visit)
    text = document.text
    sentences = split_sentences(text, document.sections)
    kept = {s: here_and_now(s.of(text), elsewhere=setting != "emergency") for s in sentences}
    operative = visit.note_type in OPERATIVE or bool(_POSTOPERATIVE.search(text))
    telling = [s for s in sentences if _kind(document, s, document.section_at(s.start), operative) not in NEVER_IN]
    note = "\n".join(kept[s] for s in telling)
    naming = [s for s in document.sections if s.kind is SectionKind.PROCEDURE and not _describes(s, text)]
    blocks: dict[Span, str] = {}
    found: list[Told] = []
    for sentence in sentences:
        section = document.section_at(sentence.start)
        around = _around(document, sentence, section)
        if around not in blocks:
            blocks[around] = "\n".join(kept[s] for s in telling if around.contains(s))
        kind = _kind(document, sentence, section, operative)
        performed = kind is SectionKind.PROCEDURE and (section in naming or not naming or section.kind is not kind)
        block = note if operative else blocks[around]
        found.append(
            Told(sentence, sentence.of(text), kept[sentence], kind, block, note, performed, setting == "office")
        )
    return tuple(found)


def _kind(document: Document, sentence: Span, section: Section, operative: bool) -> SectionKind:
    """The kind of a sentence's section; in the note of a procedure a label such as "Allergies: none" ends with its
    paragraph, and what was done goes on behind it."""
    if not operative or section.kind not in NEVER_IN or section.heading is None:
        return section.kind
    label = document.text[section.heading.end : sentence.start].lstrip(":*_ \t")
    inline = not label.startswith(("\n", "\r"))
    return SectionKind.PROCEDURE if inline and _PARAGRAPH.search(label) else section.kind


def _describes(section: Section, text: str) -> bool:
    """Whether a section tells how it went, rather than naming what was done."""
    return section.heading is not None and bool(_DESCRIBES.search(section.heading.of(text)))


def _around(document: Document, sentence: Span, section: Section) -> Span:
    """The problem that a sentence stands under, else its section."""
    own = next((item.span for item in document.items if item.span.contains(sentence)), None)
    return own or section.span
