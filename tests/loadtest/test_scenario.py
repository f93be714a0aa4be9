from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.config import AdmissionSettings
from codeserve.errors import SetupError
from loadtest import scenario, service
from loadtest.scenario import Scenario

GOOD: dict[str, Any] = {
    "about": "one desk",
    "minutes": 1,
    "traffic": {"desk": {"users": 1, "every_s": 2, "key": "desk", "slo": {"within_s": 5}}},
}


def load(folder: Path, **changed: Any) -> Scenario:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changed}))
    return scenario.load(path)


def desk(**changed: Any) -> dict[str, Any]:
    return {"desk": {**GOOD["traffic"]["desk"], **changed}}


@pytest.mark.parametrize("name", scenario.names())
def test_ours_load_and_the_service_takes_their_admission(name: str, tmp_path: Path) -> None:
    chosen = scenario.load(scenario.path_of(name))
    config = service.configuration(chosen, "stub", tmp_path)
    admission = AdmissionSettings.model_validate(config["applications"][0]["args"]["gateway"]["admission"])
    # Limits of a key that nobody uses would be a misspelt name.
    assert admission.keys.keys() <= set(chosen.keys)
    assert sum(one.users for one in chosen.traffic.values()) <= 100


def test_what_the_issue_asks_for_is_there() -> None:
    wanted = {"clinic-day", "morning-peak", "batch-flood", "long-notes", "bad-clients", "adapter-mix"}
    assert wanted <= set(scenario.names())


def test_minutes_take_the_place_of_the_files_own(tmp_path: Path) -> None:
    load(tmp_path)
    assert scenario.load(tmp_path / "mine.yaml", 0.25).minutes == 0.25


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": 10_000}, "minutes"),
        ({"max_requests": 10**9}, "max_requests"),
        ({"surprise": 1}, "surprise"),
        ({"traffic": {}}, "traffic"),
        ({"curve": [[0, 1]]}, "curve"),
        ({"curve": [[1, 1], [0, 1]]}, "rise"),
        ({"curve": [[0, 0], [1, 0]]}, "nothing"),
        ({"traffic": desk(users=0)}, "traffic.desk.users"),
        ({"traffic": desk(part=[0.5, 0.5])}, "part"),
        ({"traffic": desk(misuse=["rudeness"])}, "rudeness"),
        ({"traffic": desk(misuse=["malformed"], every_s=None)}, "every_s"),
        ({"traffic": desk(slo={"within_s": 5, "p95": 1})}, "slo.p95"),
        ({"traffic": desk(characters=[10])}, "characters"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_key(changed: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=named):
        load(tmp_path, **changed)


def test_a_scenario_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(SetupError) as error:
        scenario.load(scenario.path_of("clinic-night"))
    assert "clinic-day" in str(error.value.hint)
