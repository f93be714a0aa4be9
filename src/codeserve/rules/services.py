"""Which services the note says were done in this visit: not planned, not history, not done elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.document import Document, SectionKind
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import pattern, setting_of
from codeserve.rules.tables import rows

NEVER_IN = (
    SectionKind.PMH,
    SectionKind.PSH,
    SectionKind.FAMILY_HISTORY,
    SectionKind.SOCIAL_HISTORY,
    SectionKind.MEDICATIONS,
    SectionKind.ALLERGIES,
    SectionKind.INSTRUCTIONS,
    SectionKind.CHIEF_COMPLAINT,
)
TOLD_IN = (SectionKind.HPI, SectionKind.ROS)  # the patient's story: only what is said to be here and now
NOT_ASKED = {"evaluation"}
IN_PROCEDURE = frozenset({"injection", "surgery", "treatment", "drug", "immunization", "imaging"})
BY_SIGHT = frozenset({"counselling", "screening", "treatment"})
APART = 3  # words that may stand between those of a term
FACILITY = ("inpatient", "observation", "emergency")
FACILITYS_OWN = frozenset({"drug", "supply", "immunization", "screening", "treatment"})
READ_BY_ONE = re.compile(
    r"\b(?:interpreted by me|my (?:own )?(?:interpretation|read)|(?:independently|personally) "
    r"(?:interpreted|read|viewed|reviewed))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Done:
    """A sentence that tells of a service, and the term of the procedure table that it holds."""

    term: str
    sentence: Span
    kind: str


@dataclass(frozen=True, slots=True)
class Cue:
    """What a sentence shows was done: kinds of services, and the beginnings of their codes (empty for any)."""

    kinds: frozenset[str]
    codes: tuple[str, ...] = ()

    def admits(self, code: ProcedureCode) -> bool:
        return code.kind in self.kinds and (not self.codes or code.code.startswith(self.codes))


class ProcedureTerms:
    """The procedure table's terms as sets of stems, for finding them close together in sentences, in any order."""

    def __init__(self, procedures: Procedures) -> None:
        self._terms: list[tuple[frozenset[str], str, ProcedureCode]] = [
            (frozenset(words.stems(term)), term, code)
            for code in procedures.all()
            if code.kind not in NOT_ASKED
            for term in code.terms
        ]

    def within(self, sentence: str, cues: tuple[Cue, ...]) -> tuple[tuple[str, str], ...]:
        """(term, kind) of the longest terms whose words a sentence holds and a cue admits; none inside another."""
        listed = words.stems(sentence)
        stems = frozenset(listed)
        held = [
            one
            for one in self._terms
            if one[0] and one[0] <= stems and any(cue.admits(one[2]) for cue in cues) and _together(one[0], listed)
        ]
        longest = [one for one in held if not any(one[0] < other for other, _, _ in held)]
        unique: dict[frozenset[str], tuple[str, str]] = {}
        for stems, term, code in longest:
            unique.setdefault(stems, (term, code.kind))
        return tuple(unique[stems] for stems in sorted(unique, key=sorted))


def _together(term: frozenset[str], listed: Sequence[str]) -> bool:
    """Whether the words of a term stand within a few words of each other."""
    width = len(term) + APART
    return any(term <= frozenset(listed[at : at + width]) for at in range(len(listed)) if listed[at] in term)


def done(document: Document, terms: ProcedureTerms, encounter: Encounter | None = None) -> tuple[Done, ...]:
    """The services that the note says were done, each term once, in the order of the note."""
    visit = encounter or Encounter()
    found: dict[str, Done] = {}
    for sentence in split_sentences(document.text, document.sections):
        said = sentence.of(document.text)
        cues = _cues(said, document.section_at(sentence.start).kind, setting_of(visit))
        for term, kind in terms.within(said, cues) if cues else ():
            if _possible(kind, said, visit):
                found.setdefault(term, Done(term, sentence, kind))
    return tuple(found.values())


@lru_cache(maxsize=1)
def _rows_done() -> tuple[tuple[Cue, bool, re.Pattern[str]], ...]:
    return tuple(
        (
            Cue(frozenset(r["kinds"].split("|")), tuple(c for c in r["codes"].split("|") if c)),
            r["sure"] == "yes",
            pattern(r["pattern"]),
        )
        for r in rows("procedure_cues.tsv")
        if r["sort"] == "done"
    )


def _cues(said: str, section: SectionKind, setting: str) -> tuple[Cue, ...]:
    if section in NEVER_IN or _speaks_against(said, "not_done"):
        return ()
    if setting != "emergency" and _speaks_against(said, "elsewhere"):
        return ()
    found = [
        cue
        for cue, sure, words_done in _rows_done()
        if (sure or section not in TOLD_IN)
        and (match := words_done.search(said))
        and not _speaks_against(said[: match.start()], "not_before")
    ]
    if section is SectionKind.PROCEDURE and not _speaks_against(said, "not_before"):
        found.append(Cue(IN_PROCEDURE))
    return tuple(found)


def _speaks_against(said: str, sort: str) -> bool:
    return any(pattern(r["pattern"]).search(said) for r in rows("procedure_cues.tsv") if r["sort"] == sort)


def _possible(kind: str, said: str, visit: Encounter) -> bool:
    """Nothing is done by hand through a screen; a hospital's equipment and drugs are not the physician's."""
    if visit.modality in ("video", "audio") and kind not in BY_SIGHT:
        return False
    if setting_of(visit) not in FACILITY:
        return True
    if kind in FACILITYS_OWN:
        return False
    return kind not in ("test", "imaging") or bool(READ_BY_ONE.search(said))


def professional(code: str, visit: Encounter) -> Iterator[str]:
    """What the interpretation alone is billed as where the equipment is the facility's: a code, or modifier 26."""
    if setting_of(visit) in FACILITY:
        yield from (r["becomes"] for r in rows("components.tsv") if code.startswith(r["code"]))
