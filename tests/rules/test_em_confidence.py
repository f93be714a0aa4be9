from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from codeserve.rules.confidence import Confidence
from codeserve.rules.em_confidence import TABLE, features, with_confidence
from codeserve.rules.levels import LEVELS
from codeserve.rules.results import Element
from tests.rules.making import diagnosis, em

level = st.sampled_from(LEVELS)


@given(level, level, level, st.floats(0, 1))
def test_a_confidence_is_within_the_bounds_of_its_table(one: str, two: str, three: str, sure: float) -> None:
    visit = replace(em(), problems=Element(one, ()), data=Element(two, ()), risk=Element(three, ()))
    told = with_confidence(visit, [diagnosis("I10", confidence=sure)])
    held = Confidence.load(TABLE)
    assert held.least <= told.confidence <= held.most


def test_features_of_the_counting() -> None:
    visit = replace(
        em(), problems=Element("low", ()), data=Element("straightforward", ()), risk=Element("moderate", ())
    )
    told = features(visit, [diagnosis("I10", confidence=0.5)])
    assert (told["settled"], told["near"], told["by_time"], told["inferred"]) == (0.0, 1.0, 0.0, 0.0)
    assert told["diagnoses"] == 0
    assert features(replace(visit, notices=("em-setting-inferred",)), ())["inferred"] == 1.0


def test_an_inferred_visit_is_less_sure() -> None:
    sure = with_confidence(em(), [diagnosis("I10")])
    assert with_confidence(em(rationale="patient status inferred"), [diagnosis("I10")]).confidence < sure.confidence
