from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codeserve.rules.results import Finding, Severity
from codeserve.rules.routing import route
from tests.rules.making import diagnosis, em, procedure

confidences = st.lists(st.floats(0, 1), max_size=5)
severities = st.lists(st.sampled_from(Severity), max_size=3)


def finding(severity: Severity) -> Finding:
    return Finding("F1", severity, "a-rule", "a source", "a message")


def routed(values: list[float], found: list[Severity], threshold: float = 0.95, mode: str = "automated") -> str:
    told = [diagnosis("I10", confidence=value) for value in values]
    return route(told, (), None, [finding(s) for s in found], threshold, mode).decision


def test_decisions() -> None:
    assert routed([0.99, 0.97], []) == "auto_post"
    assert routed([0.99, 0.97], [Severity.INFO]) == "auto_post"
    assert routed([0.99, 0.9], []) == "review"
    assert routed([0.99], [Severity.WARNING]) == "review"
    assert routed([0.99], [Severity.ERROR]) == "worklist"
    assert routed([0.99, 0.4], []) == "worklist"
    assert routed([], []) == "worklist"


def test_only_the_automated_mode_posts() -> None:
    assert routed([0.99], [], mode="assisted") == "review"
    assert routed([0.99], [], mode="shadow") == "review"


def test_every_kind_of_code_counts() -> None:
    sure = [diagnosis("I10")]
    assert route(sure, [procedure("93000", confidence=0.8)], None, (), mode="automated").decision == "review"
    assert route(sure, (), em(confidence=0.8), (), mode="automated").decision == "review"
    assert route(sure, [procedure("93000")], em(), (), mode="automated").decision == "auto_post"


def test_reasons_tell_what_and_how_many() -> None:
    told = [diagnosis("I10", confidence=value) for value in (0.4, 0.8, 0.99)]
    reasons = " | ".join(route(told, (), None, [finding(Severity.ERROR)], 0.95, "assisted").reasons)
    assert "1 of 3 confidences below 0.5, the lowest 0.40" in reasons
    assert "1 of 3 confidences below the threshold 0.95, the lowest 0.80" in reasons
    assert "1 error: a-rule" in reasons
    assert "a coder decides" in reasons


@given(confidences, severities, st.floats(0.5, 1), st.sampled_from(["shadow", "assisted", "automated"]))
def test_nothing_doubtful_is_posted(values: list[float], found: list[Severity], threshold: float, mode: str) -> None:
    decision = routed(values, found, threshold, mode)
    clean = bool(values) and min(values) >= threshold and set(found) <= {Severity.INFO} and mode == "automated"
    assert (decision == "auto_post") == clean


@given(confidences, severities)
def test_there_is_always_a_reason(values: list[float], found: list[Severity]) -> None:
    told = [diagnosis("I10", confidence=value) for value in values]
    assert route(told, (), None, [finding(s) for s in found], mode="automated").reasons
