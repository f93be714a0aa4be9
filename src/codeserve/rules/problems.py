"""The problems that a visit may code, one record each, and the questions that they put to the reasoner.

Sources by trust: the problem lines of the assessment; problems in its prose; where there is no assessment, the problems
that are present elsewhere. Outpatient selection after ICD-10-CM guidelines section IV.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from codeserve.notes.document import Document, Item, SectionKind
from codeserve.notes.lines import lines
from codeserve.notes.sentences import split_sentences
from codeserve.notes.spans import Span
from codeserve.reasoning.questions import Question, System
from codeserve.retrieval import text as words
from codeserve.retrieval.lexicon import LexiconHit
from codeserve.rules import details
from codeserve.rules.details import Detail
from codeserve.rules.encounter import Encounter
from codeserve.rules.tables import cue, rows
from codeserve.tagging.entities import Assertion, Entity, EntityKind

Scan = Callable[[str], Sequence[tuple[Span, LexiconHit]]]
HEADINGS = "heading_words.tsv"
WHERE = "where_words.tsv"
CONTEXT = 300
MAX_PROBLEMS = 24
LOOSE_PROBLEMS = 6
SPOKEN_OF = (SectionKind.CHIEF_COMPLAINT, SectionKind.HPI, SectionKind.OTHER, SectionKind.HOSPITAL_COURSE)
_SPLIT = re.compile(r"\s*(?:,|;|/(?!\w)|\band\b|&|\bwith\b)\s*", re.IGNORECASE)
_WITHOUT = re.compile(r"\b(?:without|w/o)\b", re.IGNORECASE)  # it belongs to what follows it
_DENIED = re.compile(r"(?:without|w/o|no|not|denies)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.;]")
_BRACKET = re.compile(r"\s*[(\[][^)\]]*[)\]]")
AFTERCARE = "Z4"  # told elsewhere it is what will be done, not why the patient came


@dataclass(frozen=True, slots=True)
class Problem:
    """`term`: the words that name it; `spans`: where, best first; `body`: the text that belongs to it.

    `group` tells which line of the assessment it came from: a symptom beside the diagnosis that explains it is dropped.
    `historical`: said to be over. `qualifiers`: words of its line that specify it. `side`, `episode`,
    `trimester`: found details with their words.
    """

    term: str
    spans: tuple[Span, ...]
    body: Span
    section: SectionKind
    group: int
    assertion: Assertion = Assertion.PRESENT
    historical: bool = False
    qualifiers: tuple[str, ...] = ()
    side: Detail | None = None
    episode: Detail | None = None
    trimester: Detail | None = None


def find_problems(
    document: Document, entities: Sequence[Entity], encounter: Encounter, scan: Scan
) -> tuple[Problem, ...]:
    """The problems in the order of the note's assessment; the same problem once."""
    finder = _Finder(document, entities, encounter, scan)
    return merged(document, [*finder.from_items()] or [*finder.from_prose()] or [*finder.from_elsewhere()])


def merged(document: Document, found: Sequence[Problem]) -> tuple[Problem, ...]:
    """Each problem once, with the details that the note gives of it."""
    by_words: dict[tuple[str, ...], Problem] = {}
    for problem in found:
        key = words.signature(problem.term)
        known = by_words.get(key)
        by_words[key] = replace(known, spans=(*known.spans, *problem.spans)) if known else problem
    sentences = split_sentences(document.text, document.sections)
    trimester = details.trimester(document)
    return tuple(_detailed(document, p, sentences, trimester) for p in list(by_words.values())[:MAX_PROBLEMS])


class _Finder:
    def __init__(self, document: Document, entities: Sequence[Entity], encounter: Encounter, scan: Scan) -> None:
        self._document = document
        self._text = document.text
        self._problems = [e for e in entities if e.kind is EntityKind.PROBLEM]
        self._scan = scan
        self._stay = encounter.stay

    # -- problem lines ---------------------------------------------------------------------------------------------

    def from_items(self) -> Iterator[Problem]:
        assessed = [i for i in self._document.items if i.section is not SectionKind.PLAN]
        for group, item in enumerate(assessed or self._document.items):
            yield from self._item(item, group)
            if item.section is SectionKind.ASSESSMENT:
                yield from self._behind(item, group)

    def _behind(self, item: Item, group: int) -> Iterator[Problem]:
        """Problems of further sentences on the line of an assessment that is set apart from its plan."""
        end = _SENTENCE_END.search(self._text, item.heading.end, item.heading.end + 2)
        line = next((s for s in lines(self._text, item.span) if s.end > item.heading.start), item.heading)
        if end:
            for e in self._problems:
                if end.end() <= e.span.start and e.span.end <= line.end and e.assertion is Assertion.PRESENT:
                    yield self._problem(e.span, item, group)

    def _item(self, item: Item, group: int) -> Iterator[Problem]:
        heading = item.heading.of(self._text)
        if cue(HEADINGS, "not_problem").fullmatch(heading.strip(" .")) or cue(HEADINGS, "absent").search(heading):
            return
        if cue(HEADINGS, "family").search(heading):
            yield self._problem(item.heading, item, group)
            return
        pieces = list(self._pieces(item.heading))
        named = self._naming([piece for piece in pieces if not _DENIED.match(piece.of(self._text))])
        if not named and len(pieces) == 1 and self._looks_named(pieces[0]):
            named = pieces
        for piece in named:
            spare = tuple(p.of(self._text) for p in pieces if p not in named)
            if self._stated(piece) or len(named) == 1:
                yield self._problem(piece, item, group, spare)

    def _pieces(self, heading: Span) -> Iterator[Span]:
        """The heading, whole where the lexicon knows it whole, else cut at its conjunctions, causes and commas."""
        bare = self._without_bracket(heading)
        if self._known_whole(bare):
            yield bare
            return
        begin = bare.start
        marks = [*_SPLIT.finditer(self._text, bare.start, bare.end)]
        marks += [*cue(HEADINGS, "cause").finditer(self._text, bare.start, bare.end)]
        kept = [*cue(HEADINGS, "uncertain").finditer(self._text, bare.start + 1, bare.end)]
        kept += [*_WITHOUT.finditer(self._text, bare.start + 1, bare.end)]
        for match in sorted([*marks, *kept], key=lambda m: m.start()):
            if match.start() > begin:
                yield from self._trimmed(begin, match.start())
            # "Possible" and "without" belong to what follows them.
            begin = max(begin, match.start() if match in kept else match.end())
        yield from self._trimmed(begin, bare.end)

    def _trimmed(self, begin: int, end: int) -> Iterator[Span]:
        said = self._text[begin:end]
        bare = said.strip(" ,;.-")
        if bare:
            start = begin + said.index(bare[0])
            yield Span(start, start + len(bare))

    def _without_bracket(self, heading: Span) -> Span:
        match = _BRACKET.search(self._text, heading.start, heading.end)
        return Span(heading.start, match.start()) if match and match.end() == heading.end else heading

    def _known_whole(self, piece: Span) -> bool:
        said = piece.of(self._text)
        hits = self._scan(said)
        return len(hits) == 1 and len(hits[0][0]) >= len(said.strip()) * 0.85

    def _naming(self, pieces: Sequence[Span]) -> list[Span]:
        """The pieces that name a problem; "right elbow" behind "lateral epicondylitis," only says where."""
        known = [piece for piece in pieces if any(len(span) > 3 for span, _ in self._scan(piece.of(self._text)))]
        begun = [
            piece
            for piece in pieces
            for e in self._problems
            if piece.start <= e.span.start < piece.end and not any(e.span.overlaps(k) for k in known if k != piece)
        ]
        return [piece for piece in pieces if piece in known or (piece in begun and not self._says_where(piece))]

    def _says_where(self, piece: Span) -> bool:
        """Whether a piece holds nothing but sides, parts of the body, degrees and courses."""
        plain = _where_words()
        return all(word in plain or word.rstrip("s") in plain for word in piece.of(self._text).lower().split())

    def _looks_named(self, piece: Span) -> bool:
        """A single unknown line of the assessment is asked about, unless it has the length of a sentence."""
        return len(words.stems(piece.of(self._text))) <= 8

    def _stated(self, piece: Span) -> bool:
        """Guideline IV.H: what is possible, likely or to be ruled out is not coded for an outpatient."""
        return self._stay or not cue(HEADINGS, "uncertain").search(piece.of(self._text))

    def _problem(self, piece: Span, item: Item, group: int, qualifiers: tuple[str, ...] = ()) -> Problem:
        said = piece.of(self._text)
        # What was treated and resolved during a stay is a diagnosis of that stay (guideline III, UHDDS).
        resolved = not self._stay and cue(HEADINGS, "resolved").search(item.heading.of(self._text))
        over = cue(HEADINGS, "history").search(said) or resolved
        term = cue(HEADINGS, "uncertain").sub("", self._removed(piece) if over else said)
        return Problem(
            term=" ".join(cue(HEADINGS, "resolved").sub("", term).split()).strip(" ,;:"),
            spans=(piece,),
            body=item.span,
            section=item.section,
            group=group,
            historical=bool(over),
            qualifiers=qualifiers,
        )

    def _removed(self, piece: Span) -> str:
        """What "status post removal of a basal cell carcinoma" was about: a malignancy that is over (I.C.2.m)."""
        said = piece.of(self._text)
        return next((span.of(said) for span, hit in self._scan(said) if hit.code.startswith("C")), said)

    # -- prose -----------------------------------------------------------------------------------------------------

    def from_prose(self) -> Iterator[Problem]:
        for kinds in ((SectionKind.ASSESSMENT, SectionKind.ASSESSMENT_PLAN), (SectionKind.PLAN,)):
            found = list(self._present_in(kinds))
            if found:
                yield from found
                return

    def from_elsewhere(self) -> Iterator[Problem]:
        told = (p for p in self._present_in(SPOKEN_OF) if not self._is_aftercare(p.term))
        yield from islice(told, LOOSE_PROBLEMS)

    def _is_aftercare(self, term: str) -> bool:
        return any(hit.code.startswith(AFTERCARE) for _, hit in self._scan(term))

    def _present_in(self, kinds: Sequence[SectionKind]) -> Iterator[Problem]:
        """Problems that the tagger finds present, the lexicon's longer phrase where it reaches further."""
        allowed = {Assertion.PRESENT} | ({Assertion.POSSIBLE} if self._stay else set())
        for group, entity in enumerate(e for e in self._problems if e.section in kinds):
            if entity.assertion in allowed:
                body = self._document.section_at(entity.span.start).body
                yield Problem(entity.text, (entity.span,), body, entity.section, group)


@lru_cache(maxsize=1)
def _where_words() -> frozenset[str]:
    return frozenset(word for row in rows(WHERE) for word in row["words"].split("|"))


def _detailed(document: Document, problem: Problem, sentences: Sequence[Span], trimester: Detail | None) -> Problem:
    near = (*problem.spans, problem.body) if len(problem.body) < 1500 else problem.spans
    return replace(
        problem,
        side=details.side(document, problem.term, near, sentences),
        episode=details.episode(document, problem.term, (problem.body,), sentences),
        trimester=trimester,
    )


def questions(problems: Sequence[Problem], document: Document, encounter: Encounter) -> tuple[Question, ...]:
    """One question a problem; its id is the problem's place."""
    return tuple(
        Question(
            id=number,
            system=System.ICD10CM,
            term=problem.term,
            context=_context(document, problem),
            details=problem.qualifiers,
            section=problem.section.value,
            age=encounter.age,
            sex=encounter.sex,
        )
        for number, problem in enumerate(problems)
    )


def _context(document: Document, problem: Problem) -> str:
    begin = max(problem.body.start, problem.spans[0].start - CONTEXT // 3)
    return " ".join(document.text[begin : min(problem.body.end, begin + CONTEXT)].split())
