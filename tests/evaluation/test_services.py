from __future__ import annotations

import pytest

from codeserve.codesets import CodeSets
from codeserve.evaluation.gold import Gold, Note, Service
from codeserve.evaluation.services import agreement, services
from codeserve.pipeline import Coded
from codeserve.rules.encounter import Encounter
from codeserve.rules.results import Procedure, Route
from tests.evaluation.test_report import outcome
from tests.rules.making import document, procedure


class Read:
    def __init__(self, gold: tuple[Service, ...], *ours: Procedure) -> None:
        self.note = Note("N", {"text": "x"}, Gold((), services=gold))
        self.coded = Coded(document("x"), Encounter(), (), (), ours, None, (), Route("review", 0.95, ()))


def test_codes_modifiers_and_units_are_scored() -> None:
    gold = (Service("20610", ("RT",)), Service("J3301", (), 4), Service("93000"))
    ours = (procedure("20610", ("RT",)), procedure("J3301", units=1), procedure("81002", ("QW",)))
    found = services([Read(gold, *ours)])
    assert found is not None
    own = found["procedures"]
    assert (own["right"], own["suggested"], own["gold"]) == (2, 3, 3)
    assert found["modifiers right on matched codes"] == [2, 2]
    assert found["units right on matched codes"] == [1, 2]
    assert found["em"] == {"rightly none": 1}


def test_nothing_to_score() -> None:
    assert services([]) is None


def test_the_outcomes_of_an_evaluation_are_scored_too(codesets: CodeSets) -> None:
    found = services([outcome(codesets, "A", ("M10.9",), ())])
    assert found is not None
    assert found["procedures"]["f1"] == 1


@pytest.mark.parametrize(
    ("gold", "ours", "said"),
    [
        ("99213", "99213", "exact"),
        (None, None, "rightly none"),
        (None, "99213", "one too many"),
        ("99213", None, "missing"),
        ("99213", "99203", "another family"),
        ("99214", "99212", "off by 2"),
    ],
)
def test_levels_compared(gold: str | None, ours: str | None, said: str) -> None:
    assert agreement(gold, ours) == said
