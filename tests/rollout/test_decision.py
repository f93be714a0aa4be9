from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.rollout.decision import in_sample, route_under, would_post
from codeserve.rollout.modes import Mode
from codeserve.rollout.suggestion import Line, suggestion_of
from codeserve.rules.results import Severity
from tests.api.fakes import answer
from tests.rollout.making import policy, suggestion

PLAIN = suggestion("I10", "99213")
codes = st.lists(st.sampled_from(["I10", "E11.9", "99213", "99214", "93000", "20610"]), max_size=4)
severities = st.lists(st.sampled_from(Severity), max_size=2)
modes = st.sampled_from(Mode)


def rules(decided: object) -> list[str]:
    return [reason.rule for reason in decided.reasons]  # type: ignore[attr-defined]


def test_what_is_sure_clean_and_allowed_is_posted() -> None:
    decided = route_under(policy(), PLAIN, 9)
    assert (decided.route, rules(decided), decided.quality_sample) == ("auto_post", ["clean"], False)


@pytest.mark.parametrize(
    ("change", "posted", "rule"),
    [
        ({"mode": Mode.ASSISTED}, 0, "mode"),
        ({"mode": Mode.SHADOW}, 0, "mode"),
        ({"threshold": 0.99}, 0, "confidence-below-threshold"),
        ({"families": frozenset({"office_visit"})}, 0, "family"),
        ({"families": frozenset()}, 0, "family"),
        ({}, 10, "daily-maximum"),
        ({"maximum_a_day": 0}, 0, "daily-maximum"),
    ],
)
def test_each_rule_holds_back_and_says_so(change: dict[str, object], posted: int, rule: str) -> None:
    decided = route_under(replace(policy(), **change), PLAIN, posted)  # type: ignore[arg-type]
    assert (decided.route, rules(decided)) == ("review", [rule])


def test_the_reason_names_what_is_outside() -> None:
    decided = route_under(policy(), suggestion("I10", "99213", "20610"), 0)
    assert decided.reasons[0].text == "1 of 3 codes outside the allowed families: 20610"


def test_findings_and_doubt_as_ever() -> None:
    assert rules(route_under(policy(), suggestion("I10", findings=[Severity.WARNING]), 0)) == ["finding-warning"]
    error = route_under(policy(), suggestion("I10", findings=[Severity.ERROR]), 0)
    assert (error.route, rules(error)) == ("worklist", ["finding-error"])
    assert route_under(policy(), suggestion(), 0).route == "worklist"
    assert route_under(policy(), suggestion("I10", confidence=0.3), 0).route == "worklist"


@given(codes, st.floats(0, 1), severities, modes, st.floats(0.5, 1), st.integers(0, 12))
def test_nothing_is_posted_unless_all_rules_hold(
    found: list[str], confidence: float, told: list[Severity], mode: Mode, threshold: float, posted: int
) -> None:
    one, own = suggestion(*found, confidence=confidence, findings=told), policy(mode, threshold=threshold)
    decided = route_under(own, one, posted)
    may = mode is Mode.AUTOMATED and bool(found) and confidence >= threshold and posted < own.maximum_a_day
    may = may and set(told) <= {Severity.INFO} and not {"93000", "20610"} & set(found)
    assert (decided.route == "auto_post") == may
    assert decided.reasons
    assert decided.shown == (mode is not Mode.SHADOW)
    assert decided.as_dict()["reasons"][0].keys() == {"rule", "text"}


@given(codes, st.floats(0, 1), st.floats(0.5, 1), st.floats(0.5, 1), st.integers(0, 12))
def test_stricter_never_posts_more(found: list[str], sure: float, low: float, high: float, posted: int) -> None:
    low, high = sorted((low, high))
    one = suggestion(*found, confidence=sure)
    if route_under(policy(threshold=high), one, posted).route == "auto_post":
        assert route_under(policy(threshold=low), one, posted).route == "auto_post"
        assert would_post(policy(Mode.ASSISTED, threshold=high, maximum_a_day=0), one)


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_the_sample_is_the_same_always_and_grows_with_the_share(id: str, small: float, large: float) -> None:
    small, large = sorted((small, large))
    assert in_sample(id, small) == in_sample(id, small)
    assert not in_sample(id, small) or in_sample(id, large)
    assert in_sample(id, 1)
    assert not in_sample(id, 0)


def test_the_sample_has_its_share() -> None:
    chosen = sum(in_sample(f"0198c0de-0000-7000-8000-{number:012d}", 0.05) for number in range(20_000))
    assert 0.045 < chosen / 20_000 < 0.055


def test_a_sampled_note_is_posted_and_looked_at() -> None:
    decided = route_under(policy(quality_share=1.0), PLAIN, 0)
    assert (decided.route, decided.quality_sample, rules(decided)) == ("auto_post", True, ["clean", "quality-sample"])


def test_a_suggestion_of_an_answer() -> None:
    from codeserve.api.schemas import ExtractRequest

    asked = ExtractRequest.model_validate(
        {"document_id": "d", "text": "chest pain, ECG", "encounter": {"setting": "office"}}
    )
    found = suggestion_of("s", answer(asked).model_dump(mode="json"))
    assert found.lines == (
        Line("R07.9", True, frozenset(), 0.87),
        Line("93000", False, frozenset(), 0.95),
        Line("99213", False, frozenset({"25"}), 0.8),
    )
    assert found.confidences == (0.87, 0.95, 0.8)
    assert [finding.rule for finding in found.findings] == ["unspecified-code"]
    assert route_under(policy(), found, 0).route == "review"
