"""Risk adjustment of a year or of one visit: the scores, and what is left to ask about, as questions with evidence.

A question never holds a code, a category or a payment (ACDIS/AHIMA compliant query practice); those stand beside it,
for the reviewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from codeserve.rules.reading import Reading
from codeserve.rules.recapture import Recapture, recapture
from codeserve.rules.results import Diagnosis, Role
from codeserve.rules.risk_adjustment import Person, Score, scores
from codeserve.rules.suspects import Quote, Read, Suspect, recapture_row, suspected

THIS_NOTE = "in this note"
AUDIO = "audio"
NOT_BY_TELEPHONE = "no code counts: CMS counts visits in person and by video, not by telephone alone"
SEXES = {"female": "F", "male": "M"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """A diagnosis of an earlier year; without `years` it is not known of which."""

    code: str
    years: tuple[int, ...] = ()
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """`kind`: "recapture", "support" or "suspected". `codes` are those it is about, none for a suspected condition;
    `categories` and `change` of the raw factor by model, for recapture."""

    kind: str
    question: str
    codes: tuple[str, ...]
    quotes: tuple[Quote, ...]
    source: str
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    change: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Risk:
    """`remarks` say what was assumed of the person, and what does not count."""

    scores: tuple[Score, ...]
    questions: tuple[Asked, ...]
    remarks: tuple[str, ...]


def risk_of(
    codes: Sequence[str],
    earlier: Sequence[Earlier],
    now: Sequence[Read],
    before: Sequence[Read],
    person: Person,
    describe: Callable[[str], str],
    here: str = THIS_NOTE,
    named: Callable[[str], tuple[Quote, ...]] = lambda code: (),
) -> Risk:
    """`codes` and `now` are of the year (or visit) that is looked at, `earlier` and `before` of the years before it.
    `describe` takes a code to its name; `here` says in the question where a condition was not found; `named` gives the
    places of `now` that name the condition of a code all the same."""
    prior = tuple(dict.fromkeys(one.code for one in earlier))
    missed = recapture(codes, prior, person)
    found = suspected(now, before, codes, prior)
    questions = [_recaptured(one, earlier, found, named, describe, here) for one in missed]
    questions += [Asked("suspected", one.question, (), one.quotes, one.source) for one in found if not one.known]
    told = scores(codes, prior, tuple(one.lasting[0] for one in missed), person)
    return Risk(told, tuple(questions), tuple(f"assumed: {words}" for words in person.assumed))


def of_visit(reading: Reading, diagnoses: Sequence[Diagnosis], describe: Callable[[str], str]) -> Risk:
    """Of one visit alone, against the earlier diagnoses that its encounter tells."""
    encounter = reading.encounter
    person = Person(encounter.age, SEXES.get(encounter.sex or ""))
    codes = () if encounter.modality == AUDIO else counted(diagnoses)
    earlier = [Earlier(code) for code in encounter.prior_diagnoses]
    risk = risk_of(codes, earlier, [Read("", encounter.date_of_service, reading)], [], person, describe)
    return risk if encounter.modality != AUDIO else replace(risk, remarks=(*risk.remarks, NOT_BY_TELEPHONE))


def counted(diagnoses: Sequence[Diagnosis]) -> tuple[str, ...]:
    """The codes of a visit that risk adjustment looks at: what was assessed, and status codes."""
    return tuple(d.code for d in diagnoses if d.role in (Role.ASSESSED, Role.STATUS))


def _recaptured(
    one: Recapture,
    earlier: Sequence[Earlier],
    found: Sequence[Suspect],
    named: Callable[[str], tuple[Quote, ...]],
    describe: Callable[[str], str],
    here: str,
) -> Asked:
    """The question about an earlier condition, with where it was documented and with what now speaks of it."""
    meant = [told for told in earlier if told.code in one.codes]
    years = sorted({year for told in meant for year in told.years})
    row = recapture_row()
    places = [quote for code in one.lasting for quote in named(code)]
    question = row["question"].format(
        words=describe(one.lasting[0]) or "A condition",
        when=f"in {_joined(years)}" if years else "before",
        now=f"; it is named {here}, without an assessment that was found" if places else f" and not {here}",
    )
    quotes = [quote for told in meant for quote in told.quotes] + places
    quotes += [quote for suspect in found if set(suspect.known) & set(one.codes) for quote in suspect.quotes]
    return Asked(
        "recapture", question, one.codes, tuple(dict.fromkeys(quotes)), row["source"], one.categories, one.change
    )


def _joined(years: Sequence[int]) -> str:
    *most, last = (str(year) for year in years)
    return f"{', '.join(most)} and {last}" if most else last
