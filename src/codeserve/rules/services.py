"""Which services the note says were done in this visit: not planned, not history, not done elsewhere."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codeserve.codesets.procedures import ProcedureCode, Procedures
from codeserve.notes.document import Document
from codeserve.notes.spans import Span
from codeserve.retrieval import text as words
from codeserve.rules import frames
from codeserve.rules.clauses import speaks
from codeserve.rules.encounter import Encounter
from codeserve.rules.reading import pattern, setting_of
from codeserve.rules.tables import rows
from codeserve.rules.told import Told, read
from codeserve.rules.wounds import closures, excisions

NOT_ASKED = {"evaluation"}
IN_PROCEDURE = frozenset({"injection", "surgery", "treatment", "drug", "immunization", "imaging"})
BY_SIGHT = frozenset({"counselling", "screening", "treatment"})
_NEEDLE = re.compile(
    r"\b(?:im|i\.m\.|iv|ivp|i\.v\.|sq|sc|subq|subcut\w*|intramuscular\w*|intravenous\w*|inject\w*|shot|depo|infus\w*"
    r"|nebuli[sz]\w*)\b",
    re.IGNORECASE,
)
_DOSED = re.compile(
    r"\d ?(?:mcg|mg|g|ml|units?)\b[^.]{0,20}\b(?:im|iv|sq|sc|subq|subcut\w*)\b"
    r"|\b(?:im|iv|sq|sc|subq)\b[^.]{0,20}\d ?m?c?g",
    re.IGNORECASE,
)
_JOINED = re.compile(r"[a-z][-/][a-z]")
APART = 3  # words that may stand between those of a term
FACILITY = ("inpatient", "observation", "emergency")
FACILITY_PLACES = frozenset({"19", "21", "22", "23", "24", "51", "61"})
FACILITYS_OWN = frozenset({"drug", "supply", "immunization", "screening", "treatment"})
READ_BY_ONE = re.compile(
    r"\b(?:interpreted by me|my (?:own )?(?:interpretation|read)|(?:independently|personally) "
    r"(?:interpreted|read|viewed|reviewed))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Done:
    """A sentence that tells of a service: the term of the procedure table that it holds, and `code` where more than a
    term decides. `near`: what is told around the sentence, its clauses on plans and the past left out."""

    term: str
    sentence: Span
    kind: str
    code: str = ""
    near: str = ""


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
        # By its longest stem, so that a sentence is held against few terms.
        self._by_stem: dict[str, list[tuple[frozenset[str], str, ProcedureCode]]] = defaultdict(list)
        for one in self._terms:
            if one[0]:
                self._by_stem[max(sorted(one[0]), key=len)].append(one)
        seen = Counter(term for _, term, _ in self._terms)
        self.shared = frozenset(term for term, count in seen.items() if count > 1)  # the kind of service decides
        self._routes = {term for code in procedures.all() if "route" in code.needs for term in code.terms}
        self._names = {code.code: code.terms[0] for code in procedures.all() if code.terms}

    def by_needle(self, term: str, one: Told) -> bool:
        """Whether a drug that is also swallowed was injected; true of all others."""
        told = one.block if one.performed else one.kept
        return term not in self._routes or bool(_NEEDLE.search(told))

    def name(self, code: str) -> str:
        """How the table calls a code."""
        return self._names.get(code, code)

    def within(self, sentence: str, cues: tuple[Cue, ...]) -> tuple[tuple[str, str, str], ...]:
        """(term, kind, code) of the longest terms that a sentence holds and a cue admits; none inside another."""
        listed = words.stems(sentence)
        stems = frozenset(listed)
        held = [
            one
            for stem in sorted(stems)
            for one in self._by_stem.get(stem, ())
            if one[0] <= stems
            and any(cue.admits(one[2]) for cue in cues)
            and _together(one[0], listed)
            and _written(one[1], one[2], sentence)
        ]
        longest = [one for one in held if not any(one[0] < other[0] and _hides(other[2], one[2]) for other in held)]
        unique: dict[frozenset[str], tuple[str, str, str]] = {}
        for stems, term, code in longest:
            unique.setdefault(stems, (term, code.kind, code.code))
        return tuple(unique[stems] for stems in sorted(unique, key=sorted))


def _hides(longer: ProcedureCode, shorter: ProcedureCode) -> bool:
    """A drug stays within the name of what it is used for."""
    return shorter.kind != "drug" or longer.kind == "drug"


def _written(term: str, code: ProcedureCode, said: str) -> bool:
    """A combined vaccine is written as one word; else its parts are vaccines of their own."""
    return code.kind != "immunization" or not _JOINED.search(term) or term in said.lower()


def _together(term: frozenset[str], listed: Sequence[str]) -> bool:
    """Whether the words of a term stand within a few words of each other."""
    width = len(term) + APART
    return any(term <= frozenset(listed[at : at + width]) for at in range(len(listed)) if listed[at] in term)


def done(document: Document, terms: ProcedureTerms, encounter: Encounter | None = None) -> tuple[Done, ...]:
    """The services that the note says were done, each term and each code once, in the order of the note."""
    visit = encounter or Encounter()
    told = read(document, visit)
    found: dict[tuple[str, Span | None], Done] = {}
    for one in told:
        for service in _in_sentence(one, terms):
            if _possible(service.kind, one.said, visit):
                found.setdefault((service.code or service.term, service.sentence if one.performed else None), service)
    for code, one in (*closures(told), *excisions(told)):
        found.setdefault((code, None), Done(terms.name(code), one.span, "surgery", code, one.block))
    return tuple(found.values())


def _in_sentence(one: Told, terms: ProcedureTerms) -> Iterator[Done]:
    """By acts first, then by the terms that no act knows better."""
    cues = _cues(one)
    admitted = tuple(kind for cue in cues if not cue.codes for kind in cue.kinds)
    replaced: tuple[str, ...] = ()
    for act in frames.named(one.kept, one.performed, admitted) if one.here else ():
        replaced += act.replaces
        for code in frames.decide(act.family, (one.kept, one.block, one.note)):
            code = frames.refined(code, one.block)
            yield Done(terms.name(code), one.span, act.kind, code, one.block)
    named = [found for found in terms.within(one.kept, cues) if not found[2].startswith(replaced)] if cues else []
    if not any(kind == "drug" for _, kind, _ in named) and "drug" in admitted and _DOSED.search(one.kept):
        named += _drug_around(one, terms)
    for term, kind, code in named:
        if kind != "drug" or terms.by_needle(term, one):
            yield Done(term, one.span, kind, code if term in terms.shared else "", one.block)


def _drug_around(one: Told, terms: ProcedureTerms) -> Sequence[tuple[str, str, str]]:
    """The drug that the problem names, where the sentence tells a dose and a needle but no drug."""
    around = terms.within(one.block, (Cue(frozenset({"drug"})),))
    return around if len({code for _, _, code in around}) == 1 else ()


@lru_cache(maxsize=1)
def _results() -> tuple[Cue, ...]:
    """What an office does itself: its result among the results of the visit says that it was done."""
    return tuple(
        Cue(frozenset(r["kinds"].split("|")), tuple(c for c in r["codes"].split("|") if c))
        for r in rows("procedure_cues.tsv")
        if r["sort"] == "result"
    )


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


def _cues(one: Told) -> tuple[Cue, ...]:
    if one.barred:
        return ()
    found = [
        cue
        for cue, sure, words_done in _rows_done()
        if (sure or one.here)
        and (match := words_done.search(one.kept))
        and not speaks(one.kept[: match.start()], "not_before")
    ]
    if one.performed and not speaks(one.kept, "not_before"):
        found.append(Cue(IN_PROCEDURE))
    if one.shows:
        found += _results()
    return tuple(found)


def _possible(kind: str, said: str, visit: Encounter) -> bool:
    """Nothing is done by hand through a screen; a hospital's equipment and drugs are not the physician's."""
    if visit.modality in ("video", "audio") and kind not in BY_SIGHT:
        return False
    if not facility(visit):
        return True
    if kind in FACILITYS_OWN:
        return False
    return kind not in ("test", "imaging") or bool(READ_BY_ONE.search(said))


def facility(visit: Encounter) -> bool:
    """Whether equipment, drugs and supplies are those of a hospital or surgery centre."""
    return setting_of(visit) in FACILITY or visit.place_of_service in FACILITY_PLACES


def professional(code: str, visit: Encounter) -> Iterator[str]:
    """What the interpretation alone is billed as where the equipment is the facility's: a code, or modifier 26."""
    if facility(visit):
        yield from (r["becomes"] for r in rows("components.tsv") if code.startswith(r["code"]))
