from __future__ import annotations

from typing import Any

import pytest

from codeserve.errors import InvalidNote
from codeserve.rollout.modes import Mode, Policy, normal, policy_of


def test_the_closest_policy_holds() -> None:
    heart, any_other, elsewhere = Policy("north", "cardiology", Mode.SHADOW), Policy("north"), Policy("south")
    stored = [heart, any_other, elsewhere]
    assert policy_of(stored, "north", " Cardiology ") is heart
    assert policy_of(stored, "north", "dermatology") is any_other
    assert policy_of(stored, "north", None) is any_other
    assert policy_of(stored, "west", "cardiology") == Policy("west", "cardiology", Mode.ASSISTED)


def test_another_practices_policy_never_holds() -> None:
    posting = Policy("south", "", Mode.AUTOMATED, families=frozenset({"office_visit"}), maximum_a_day=9)
    assert policy_of([posting], "north", None).mode is Mode.ASSISTED


def test_names_of_specialties() -> None:
    assert normal("  Family   MEDICINE") == "family medicine"
    assert normal(None) == normal("") == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.4},
        {"threshold": 1.1},
        {"quality_share": -0.1},
        {"maximum_a_day": -1},
        {"families": frozenset({"x"})},
    ],
)
def test_what_a_policy_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidNote) as caught:
        Policy("north", **wrong)
    assert caught.value.field in wrong
