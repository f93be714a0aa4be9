from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from codeserve.cli import app
from codeserve.deployments.check_file import find_troubles, refuse_shared_sqlite
from codeserve.deployments.cluster import settings_of
from codeserve.errors import SetupError
from codeserve.preflight import Surroundings
from tests.conftest import ROOT

FILES = ("serve_config.yaml", "serve_config.gpu.yaml")
CPU, GPU = (yaml.safe_load((ROOT / name).read_text()) for name in FILES)

UNKNOWN = Surroundings()


def changed(config: dict[str, Any], deployment: str, **options: Any) -> dict[str, Any]:
    other = copy.deepcopy(config)
    for one in other["applications"][0]["deployments"]:
        if one["name"] == deployment:
            one.update(options)
    return other


def with_gateway(config: dict[str, Any], **settings: Any) -> dict[str, Any]:
    other = copy.deepcopy(config)
    other["applications"][0]["args"]["gateway"].update(settings)
    return other


def errors(tmp_path: Path, config: Any, around: Surroundings = UNKNOWN) -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return [t.key for t in find_troubles(path, around) if t.severity == "error"]


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_has_no_error(name: str) -> None:
    around = Surroundings(grace_s=120, pre_stop_s=5)
    assert [t for t in find_troubles(ROOT / name, around) if t.severity == "error"] == []


def test_a_drain_longer_than_the_grace_period(tmp_path: Path) -> None:
    config = changed(CPU, "Reasoner", graceful_shutdown_timeout_s=50)
    key = "deployments.Reasoner.graceful_shutdown_timeout_s"
    assert key not in errors(tmp_path, config, Surroundings(grace_s=60, pre_stop_s=5))
    assert key in errors(tmp_path, config, Surroundings(grace_s=60, pre_stop_s=6))


def test_a_batch_above_the_ongoing_requests(tmp_path: Path) -> None:
    assert "deployments.EntityTagger.max_ongoing_requests" in errors(
        tmp_path, changed(CPU, "EntityTagger", max_ongoing_requests=1)
    )
    assert errors(tmp_path, changed(CPU, "EntityTagger", max_ongoing_requests=18)) == []


def test_more_gpus_than_the_autoscaler_may_have(tmp_path: Path) -> None:
    assert errors(tmp_path, GPU, Surroundings(gpus=7)) == []
    assert errors(tmp_path, GPU, Surroundings(gpus=6)) == ["deployments.*.ray_actor_options.num_gpus"]
    assert errors(tmp_path, CPU, Surroundings(cpus=0.8)) == ["deployments.*.ray_actor_options.num_cpus"]


def test_shedding_below_what_scales_up(tmp_path: Path) -> None:
    config = with_gateway(changed(GPU, "Gateway", num_replicas=1), max_in_flight=64)
    assert "gateway.max_in_flight" in errors(tmp_path, config)
    assert errors(tmp_path, with_gateway(config, max_in_flight=65)) == []


def test_a_target_that_is_never_reached(tmp_path: Path) -> None:
    config = changed(GPU, "Reasoner", max_ongoing_requests=63)
    assert "deployments.Reasoner.autoscaling_config.target_ongoing_requests" in errors(tmp_path, config)


def test_no_room_for_those_who_wait(tmp_path: Path) -> None:
    config = changed(CPU, "Gateway", max_ongoing_requests=16 + 32 + 32 + 8)
    assert errors(tmp_path, config) == []
    waiting = with_gateway(config, admission={"max_waiting": 33, "max_waiting_batch": 32})
    assert errors(tmp_path, waiting) == ["deployments.Gateway.max_ongoing_requests"]


def test_a_line_without_a_bound_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(changed(CPU, "Reasoner", max_queued_requests=-1)))
    warned = {t.key for t in find_troubles(path, UNKNOWN) if t.severity == "warning"}
    assert "deployments.Reasoner.max_queued_requests" in warned
    assert "deployments.EntityTagger.max_queued_requests" not in warned


def test_no_room_for_probes_and_a_proxy_that_gives_up_first(tmp_path: Path) -> None:
    config = changed(CPU, "Gateway", max_ongoing_requests=16)
    config["http_options"]["request_timeout_s"] = 600
    assert errors(tmp_path, config) == ["http_options.request_timeout_s", "deployments.Gateway.max_ongoing_requests"]


@pytest.mark.parametrize(
    ("deployment", "options", "key"),
    [
        (
            "Reasoner",
            {"graceful_shutdown_timeout": 9},
            "applications.codeserve.deployments.Reasoner.graceful_shutdown_timeout",
        ),
        (
            "Gateway",
            {"ray_actor_options": {"num_cpu": 1}},
            "applications.codeserve.deployments.Gateway.ray_actor_options.num_cpu",
        ),
    ],
)
def test_a_misspelt_key_anywhere(tmp_path: Path, deployment: str, options: dict[str, Any], key: str) -> None:
    assert key in errors(tmp_path, changed(CPU, deployment, **options))


def test_a_misspelt_deployment_and_scaling_key(tmp_path: Path) -> None:
    config = changed(GPU, "Reasoner", name="Raesoner")
    assert "deployments.Raesoner" in errors(tmp_path, config)
    scaling = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_request": 3}
    assert "applications.codeserve.deployments.Reasoner.autoscaling_config.target_ongoing_request" in errors(
        tmp_path, changed(GPU, "Reasoner", autoscaling_config=scaling)
    )


def test_the_setting_of_a_stage_is_refused_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"gateway\.max_in_flite"):
        errors(tmp_path, with_gateway(CPU, max_in_flite=3))


def ray_service(config: dict[str, Any], grace_s: int, gpus: int, most: int) -> dict[str, Any]:
    container = {
        "resources": {"limits": {"nvidia.com/gpu": gpus}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
    }
    pod = {"spec": {"terminationGracePeriodSeconds": grace_s, "containers": [container]}}
    group = {"maxReplicas": most, "template": pod}
    return {
        "kind": "RayService",
        "spec": {"serveConfigV2": yaml.safe_dump(config), "rayClusterConfig": {"workerGroupSpecs": [group]}},
    }


def test_a_manifest_brings_its_own_surroundings(tmp_path: Path) -> None:
    assert errors(tmp_path, ray_service(GPU, grace_s=75, gpus=1, most=7)) == []
    assert errors(tmp_path, ray_service(GPU, grace_s=74, gpus=1, most=7)) == [
        "deployments.Reasoner.graceful_shutdown_timeout_s"
    ]
    assert errors(tmp_path, ray_service(GPU, grace_s=75, gpus=1, most=6)) == [
        "deployments.*.ray_actor_options.num_gpus"
    ]


def test_the_command_names_the_key_and_exits_with_1(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(changed(CPU, "Gateway", max_ongoing_requests=10)))
    refused = CliRunner().invoke(app, ["check", str(path)])
    assert refused.exit_code == 1
    assert "deployments.Gateway.max_ongoing_requests" in refused.stdout
    assert CliRunner().invoke(app, ["check", str(ROOT / "serve_config.yaml")]).exit_code == 0


def test_a_health_check_that_ends_before_a_stall_can_be_told(tmp_path: Path) -> None:
    key = "deployments.Reasoner.health_check_timeout_s"
    stall = CPU["applications"][0]["args"]["model_set"]["reasoner"]["stall_s"]
    assert key in errors(tmp_path, changed(CPU, "Reasoner", health_check_timeout_s=stall))
    assert key not in errors(tmp_path, changed(CPU, "Reasoner", health_check_timeout_s=stall + 1))


def test_the_whole_chain_fits_twice_into_two_cores_so_that_an_update_has_room() -> None:
    deployments = CPU["applications"][0]["deployments"]
    assert 2 * sum(d["ray_actor_options"]["num_cpus"] * d["num_replicas"] for d in deployments) <= 2


def test_sqlite_with_more_than_one_node_is_refused(tmp_path: Path) -> None:
    def with_storage(config: dict[str, Any], url: str) -> dict[str, Any]:
        other = copy.deepcopy(config)
        other["applications"][0]["args"]["storage"] = {"url": url, "keys_file": "data-keys.json"}
        return other

    sqlite, postgresql = "sqlite:///codeserve.db", "postgresql://db/codeserve"
    assert errors(tmp_path, with_storage(CPU, sqlite)) == []
    two = changed(CPU, "Gateway", num_replicas=2)
    assert errors(tmp_path, with_storage(two, sqlite)) == ["storage.url"]
    assert errors(tmp_path, with_storage(two, postgresql)) == []
    one_pod, two_pods = (ray_service(with_storage(CPU, sqlite), grace_s=120, gpus=0, most=most) for most in (1, 2))
    assert errors(tmp_path, one_pod) == []
    assert errors(tmp_path, two_pods) == ["storage.url"]
    refuse_shared_sqlite(with_storage(CPU, sqlite), settings_of(with_storage(CPU, sqlite)))
    with pytest.raises(SetupError, match=r"storage\.url"):
        refuse_shared_sqlite(with_storage(two, sqlite), settings_of(with_storage(two, sqlite)))
