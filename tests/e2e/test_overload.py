"""The real proxy and gateway before stub models, in a short form of `benchmarks/overload.py`: counts, never times."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("overload") / "result.json"
    command = [sys.executable, "-m", "benchmarks.overload", "--seconds", "4", "--out", str(out)]
    done = subprocess.run(command, cwd=Path(ROOT), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_every_request_is_answered_or_refused(result: dict[str, Any]) -> None:
    for name, part in (("overload", result["overload"]), ("noisy", result["two_keys"]["noisy"])):
        assert set(part["statuses"]) == {"200", "429"}, name
        assert sum(part["statuses"].values()) == part["sent"]


def test_a_quiet_key_is_refused_less_often_than_a_noisy_one(result: dict[str, Any]) -> None:
    def refused(part: dict[str, Any]) -> float:
        return float(part["statuses"].get("429", 0)) / float(part["sent"])

    quiet, noisy = result["two_keys"]["quiet_beside_noisy"], result["two_keys"]["noisy"]
    assert refused(quiet) < 0.5 * refused(noisy)
    flood = result["batch_flood"]
    assert refused(flood["interactive"]) < 0.5 * refused(flood["batch"])


def test_work_for_those_who_hung_up_was_stopped(result: dict[str, Any]) -> None:
    told = result["hang_up"]
    assert set(told["stayed"]["statuses"]) == {"200"}
    assert told["stage"]["cancelled"] > 0
    assert told["stage"]["begun"] == told["stage"]["done"] + told["stage"]["cancelled"]
    assert told["stage"]["done"] < told["stayed"]["sent"] + told["left"]["sent"]


def test_a_replica_that_dies_costs_no_answer(result: dict[str, Any]) -> None:
    assert set(result["replica_dies"]["statuses"]) == {"200"}
    assert result["replica_dies"]["made_again"] > 0
