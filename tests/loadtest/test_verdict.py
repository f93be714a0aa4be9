from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.scenario import Scenario
from loadtest.summary import summarise
from loadtest.table import table
from loadtest.tally import FAILED, GOOD, OUTCOMES, REFUSED, SLOW, Tally
from loadtest.verdict import judge

Ended = list[tuple[str, str, float]]
ended = st.lists(
    st.tuples(st.sampled_from(["desk", "import"]), st.sampled_from(OUTCOMES), st.floats(0, 100)), max_size=60
)


def scenario(**slo: Any) -> Scenario:
    traffic = {"desk": {"users": 1, "every_s": 1, "key": "desk", "slo": {"within_s": 5, **slo}}}
    return Scenario.model_validate({"about": "", "minutes": 1, "traffic": traffic})


def tally(*kinds: tuple[str, float], unanswered: int = 0) -> Tally:
    found = Tally()
    for kind, seconds in kinds:
        found.begun("desk")
        found.ended("desk", kind, seconds, "500" if kind == FAILED else "")
    for _ in range(unanswered):
        found.begun("desk")
    return found


def missed(found: Tally, **slo: Any) -> set[str]:
    return {one.objective for one in judge(scenario(**slo), found.rows) if not one.met}


ALL = {"p95_s": 2, "errors": 0.1, "goodput": 0.8, "refused": 0.1}


def test_all_is_well() -> None:
    assert missed(tally(*[(GOOD, 1.0)] * 10), **ALL) == set()


def test_each_objective_can_be_missed() -> None:
    good = [(GOOD, 1.0)]
    assert missed(tally(*good * 9, (GOOD, 4.0)), **ALL) == {"p95_s"}
    assert missed(tally(*good * 8, *[(FAILED, 1.0)] * 2), **ALL) == {"errors"}
    assert missed(tally(*good * 8, *[(REFUSED, 1.0)] * 2), **ALL) == {"refused"}
    assert missed(tally(*good * 7, *[(SLOW, 1.5)] * 3), **ALL) == {"goodput"}


def test_requests_without_an_end_are_errors() -> None:
    assert missed(tally(*[(GOOD, 1.0)] * 8, unanswered=2), errors=0.1) == {"errors"}


def test_where_nothing_was_sent_nothing_is_met() -> None:
    assert missed(Tally(), **ALL) == {"p95_s", "errors", "goodput", "refused"}
    assert not summarise("x", scenario(), {}, 1.0)["met"]


def test_quick_refusals_do_not_flatter_the_latency() -> None:
    found = tally(*[(GOOD, 4.0)] * 2, *[(REFUSED, 0.01)] * 98)
    assert missed(found, p95_s=2) == {"p95_s"}


def test_the_summary_says_what_was_missed() -> None:
    told = summarise("x", scenario(errors=0.0), tally((GOOD, 1.0), (FAILED, 1.0)).rows, 1.0)
    assert not told["met"]
    assert told["traffic"]["desk"]["why"] == {"500": 1}
    assert told["objectives"] == [{"traffic": "desk", "objective": "errors", "bound": 0.0, "got": 0.5, "met": False}]


def of(found: Ended) -> Tally:
    counted = Tally()
    for traffic, outcome, seconds in found:
        counted.begun(traffic)
        counted.ended(traffic, outcome, seconds)
    return counted


@given(ended, ended)
def test_what_workers_report_adds_up(one: Ended, other: Ended) -> None:
    """Through JSON, as plain as msgpack; drained twice, nothing counts twice."""
    master = Tally()
    for worker in (of(one), of(other)):
        master.merge(json.loads(json.dumps(worker.drain())))
        master.merge(json.loads(json.dumps(worker.drain())))
    assert master.rows == of(one + other).rows


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_a_step_up(seconds: list[float], q: float) -> None:
    row = tally(*((GOOD, one) for one in seconds)).rows["desk"]
    found = row.percentile_s(q)
    assert found is not None
    assert any(one - 1e-9 <= found <= one + 0.0051 for one in seconds)
    assert sum(one <= found for one in seconds) >= q * len(seconds) - 1e-9


def test_the_table_says_which_objective_was_missed_by_how_much() -> None:
    told = summarise("x", scenario(errors=0.0), tally((GOOD, 1.0), (FAILED, 1.0)).rows, 1.0)
    told["run"] = {"models": "stub", "when": "2026-11-25T09:00:00+00:00", "load_average": {"before": 1.0, "after": 2.0}}
    (line,) = table([told]).splitlines()[2:]
    assert line.startswith("| x, 1, stub | desk | 2 | 1 | 0 | 0 | 1 | 0 | 1.00 / 1.00 | **missed:** errors 0.5 (0) |")
