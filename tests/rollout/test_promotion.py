from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.errors import Conflict, Forbidden
from codeserve.rollout.figures import Case
from codeserve.rollout.modes import Mode
from codeserve.rollout.promotion import ITSELF, WINDOW, Change, assess, demote, fall_back, promote
from tests.rollout.making import START, case, person, policy

LATER = START + timedelta(days=30)
OURS = ["I10", "E11.9", "99213-25"]


def cases(count: int, wrong: int = 0, start: int = 0, at: Any = None) -> list[Case]:
    """`wrong` of them, spread evenly, have another visit's code in the end."""
    spoiled = {number * count // wrong for number in range(wrong)} if wrong else set()
    made = [case(start + n, OURS, ["I10", "E11.9", "99214-25" if n in spoiled else "99213-25"]) for n in range(count)]
    return [replace(one, at=at) for one in made] if at else made


def approved(told: Sequence[Case]) -> Change:
    return promote(assess(policy(Mode.ASSISTED), Mode.AUTOMATED, told), person("compliance"), LATER, maximum_a_day=25)


def test_a_period_that_holds_and_a_persons_approval() -> None:
    change = approved(cases(400, wrong=6))
    assert (change.after.mode, change.after.maximum_a_day, change.after.since) == (Mode.AUTOMATED, 25, LATER)
    told = change.as_dict()
    assert (told["by"], told["tenant"], told["specialty"]) == ("a-compliance", "north", "family medicine")
    assert (told["from"]["mode"], told["to"]["mode"]) == ("assisted", "automated")
    assert told["figures"]["cases"] == 400
    assert len(told["reasons"]) == 5


def test_too_few_or_too_wrong() -> None:
    for told in (cases(120), cases(400, wrong=60), []):
        found = assess(policy(Mode.ASSISTED), Mode.AUTOMATED, told)
        assert not found.passed
        assert found.missing
        with pytest.raises(Conflict, match="do not hold"):
            promote(found, person("compliance"), LATER, maximum_a_day=25)


def test_shadow_to_assisted_asks_less() -> None:
    told = cases(220, wrong=40)
    assert assess(policy(Mode.SHADOW), Mode.ASSISTED, told).passed is False  # a boast: 0.98, and one of five is wrong
    modest = [case(n, OURS, ["I10", "E11.9", "99213-25"], confidence=0.95) for n in range(220)]
    found = assess(policy(Mode.SHADOW), Mode.ASSISTED, modest)
    change = promote(found, person("compliance"), LATER)
    assert (change.after.mode, change.after.maximum_a_day) == (Mode.ASSISTED, 10)


@pytest.mark.parametrize(
    ("mode", "to"),
    [
        (Mode.SHADOW, Mode.AUTOMATED),
        (Mode.AUTOMATED, Mode.AUTOMATED),
        (Mode.ASSISTED, Mode.SHADOW),
        (Mode.AUTOMATED, Mode.ASSISTED),
    ],
)
def test_no_step_is_left_out(mode: Mode, to: Mode) -> None:
    with pytest.raises(Conflict):
        assess(policy(mode), to, cases(400))


@pytest.mark.parametrize(
    "approver",
    [
        *(person(role) for role in ("adapter", "coder", "senior_coder", "manager", "administrator", "auditor")),
        person("compliance", tenant="south"),
        person("compliance", kind="open"),
    ],
    ids=lambda p: f"{p.subject}.{p.tenant}.{p.kind}",
)
def test_who_may_not_approve(approver: Any) -> None:
    with pytest.raises(Forbidden):
        promote(assess(policy(Mode.ASSISTED), Mode.AUTOMATED, cases(400)), approver, LATER, maximum_a_day=25)


def test_automated_needs_families_and_a_maximum() -> None:
    found = assess(policy(Mode.ASSISTED), Mode.AUTOMATED, cases(400))
    with pytest.raises(Conflict, match="maximum"):
        promote(found, person("compliance"), LATER)
    none = replace(found, policy=replace(found.policy, families=frozenset()))
    with pytest.raises(Conflict, match="families"):
        promote(none, person("compliance"), LATER, maximum_a_day=25)


def test_only_the_period_and_what_would_be_posted_count() -> None:
    own = policy(Mode.ASSISTED, since=START + timedelta(minutes=100))
    doubtful = [case(1000 + n, OURS, ["E78.5"], confidence=0.8) for n in range(50)]
    surgery = [case(2000 + n, ["M17.11", "20610-RT"], ["E78.5"]) for n in range(50)]
    found = assess(own, Mode.AUTOMATED, [*cases(450), *doubtful, *surgery])
    assert found.figures.cases == 350
    assert found.passed
    assert assess(policy(Mode.SHADOW), Mode.ASSISTED, [*cases(50), *doubtful]).figures.cases == 100


def test_back_by_a_person_at_once() -> None:
    change = demote(policy(), Mode.SHADOW, person("manager"), LATER, "a new template")
    assert (change.after.mode, change.by, change.reasons) == (Mode.SHADOW, "a-manager", ("a new template",))
    assert change.as_dict()["figures"] is None
    for who in (person("coder"), person("manager", tenant="south")):
        with pytest.raises(Forbidden):
            demote(policy(), Mode.ASSISTED, who, LATER, "")
    with pytest.raises(Conflict):
        demote(policy(Mode.ASSISTED), Mode.AUTOMATED, person("manager"), LATER, "")


def test_automated_ends_by_itself_when_the_figures_fall() -> None:
    own = approved(cases(400)).after
    after = [replace(one, at=LATER + timedelta(minutes=n)) for n, one in enumerate(cases(80, wrong=20, start=500))]
    change = fall_back(own, after, LATER + timedelta(days=2))
    assert change is not None
    assert (change.by, change.after.mode, change.before.mode) == (ITSELF, Mode.ASSISTED, Mode.AUTOMATED)
    assert any("exact at least 0.85: 0.750" in reason for reason in change.reasons)
    assert fall_back(change.after, after, LATER + timedelta(days=2)) is None


def test_a_handful_is_no_fall_and_neither_is_what_came_before() -> None:
    own = approved(cases(400)).after
    bad = cases(59, wrong=59, start=500, at=LATER)
    assert fall_back(own, bad, LATER) is None
    assert fall_back(own, cases(400, wrong=400), LATER) is None


def test_between_the_bars_nothing_moves() -> None:
    """Hysteresis: figures that would not earn the step do not end it either."""
    middling = cases(400, wrong=48)
    assert not assess(policy(Mode.ASSISTED), Mode.AUTOMATED, middling).passed
    assert fall_back(policy(), middling, LATER) is None


def test_a_new_fault_is_seen_beside_a_long_good_time() -> None:
    good, bad = cases(2000), cases(WINDOW // 2, wrong=WINDOW // 2, start=2000)
    assert fall_back(policy(), good, LATER) is None
    assert fall_back(policy(), [*good, *bad], LATER) is not None


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 120), st.integers(0, 120), st.sampled_from(Mode))
def test_falling_back_goes_one_way(count: int, wrong: int, mode: Mode) -> None:
    told = cases(count, wrong=min(count, wrong))
    change = fall_back(policy(mode), told, LATER)
    if change is not None:
        assert (mode, change.after.mode, change.after.since) == (Mode.AUTOMATED, Mode.ASSISTED, LATER)
        assert change.reasons
        assert count >= 60
        assert not assess(replace(policy(Mode.ASSISTED)), Mode.AUTOMATED, told).passed
