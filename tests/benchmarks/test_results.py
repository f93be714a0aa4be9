from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import results
from codeserve.capacity.plan import Profile


def sent(due: float, done: float, status: int = 200, **more: Any) -> dict[str, Any]:
    return {"note": 0, "due": due, "sent": due, "done": done, "status": status, **more}


def block(mode: str, level: float, *requests: dict[str, Any], seconds: float = 10.0) -> dict[str, Any]:
    return {
        "mode": mode,
        "level": level,
        "seconds": seconds,
        "sent": list(requests),
        "server_cpu_s": {"Gateway": 1.0},
        "answered": len(requests),
    }


def test_only_answers_within_the_block_count_as_throughput() -> None:
    one = block("closed", 2, sent(0, 1), sent(9, 11), sent(2, 3, status=503))
    assert results.notes_per_s(one) == pytest.approx(0.1)


def test_what_was_under_way_when_the_block_began_counts_as_throughput_and_not_as_latency() -> None:
    one = block("closed", 2, sent(-1, 1), sent(1, 2))
    assert results.notes_per_s(one) == pytest.approx(0.2)
    assert results.latencies(one) == [1]
    assert results.goodput(one, slo_s=5.0) == pytest.approx(0.1)


def test_goodput_counts_what_came_due_and_was_answered_in_time() -> None:
    one = block("open", 2, sent(0, 1), sent(9, 11), sent(2, 8), sent(2, 3, status=429))
    assert results.goodput(one, slo_s=2.0) == pytest.approx(0.2)


def test_latency_counts_from_the_due_arrival() -> None:
    late = {"note": 0, "due": 0.0, "sent": 4.0, "done": 5.0, "status": 200}
    assert results.latencies(block("open", 1, late)) == [5.0]


@given(st.lists(st.floats(0, 100), min_size=1), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_a_value_that_enough_do_not_exceed(values: list[float], share: float) -> None:
    found = results.quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_there_is_no_quantile_of_nothing() -> None:
    assert math.isnan(results.quantile([], 0.5))


def test_watched_blocks_are_kept_apart() -> None:
    plain, watched = block("closed", 1, sent(0, 1)), block("closed", 1, sent(0, 1, cpu_s={"Gateway": 0.004}))
    assert results.at([plain, watched], "closed", 1) == [plain]
    assert results.serving_cpu_ms([plain, watched]) == [4.0]


def test_the_ceiling_spreads_the_work_between_the_models_over_the_cores() -> None:
    walls = {"prepare": 1.0, "tag": 3.0, "ask": 1.0, "retrieve": 2.0, "generate": 5.0, "decide": 0.0}
    found = results.ceilings([{"notes": 40, "wall_s": walls}], cores=2)
    assert found == {"models": 5.0, "all": 4.0, "all_one_after_another": pytest.approx(40 / 12)}


def test_the_closed_loop_is_a_profile_for_the_capacity_calculator(tmp_path: Path) -> None:
    blocks = [block("closed", 1, sent(0, 0.5), sent(1, 2)), block("closed", 4, *(sent(i, i + 1) for i in range(8)))]
    file = tmp_path / "profile.json"
    file.write_text(json.dumps(results.profile(blocks, "two notes", "a test", cores=2, memory_gib=8)))
    found = Profile.load(file)
    assert [(level.notes, level.notes_per_s) for level in found.closed_loop] == [(1, 0.2), (4, 0.8)]
    assert found.works == (0.75,)


def test_answers_agree_by_their_codes() -> None:
    one = {"diagnosis_codes": [{"code": "I10"}], "procedure_codes": [], "em": None}
    other = {"diagnosis_codes": [{"code": "I10"}], "procedure_codes": [], "em": {"code": "99213"}}
    assert results.same_codes({"a": one, "b": one, "c": one}, {"a": one, "b": other}) == (1, 2)
