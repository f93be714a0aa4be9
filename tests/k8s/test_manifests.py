from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.config import GatewaySettings
from codeserve.deployments.check_file import find_troubles
from codeserve.deployments.cluster import ENVIRONMENT, read_config, settings_of, validate_config
from codeserve.preflight import Surroundings
from scripts import k8s_serving
from tests.conftest import ROOT
from tests.k8s import checks, tools

every_overlay = pytest.mark.parametrize("overlay", tools.OVERLAYS)


def groups(overlay: str) -> dict[str, Any]:
    service = tools.ray_service(tools.objects(overlay))
    return {g["groupName"]: g for g in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]}


@every_overlay
@pytest.mark.parametrize("version", tools.VERSIONS)
def test_every_object_fits_its_schema(overlay: str, version: str) -> None:
    found = tools.objects(overlay)
    assert {"RayService", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "ServiceAccount"} <= {
        one["kind"] for one in found
    }
    for one in found:
        tools.validate(one, version)
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "codeserve"


@every_overlay
@pytest.mark.parametrize("name", checks.CHECKS)
def test_security(overlay: str, name: str) -> None:
    assert list(checks.CHECKS[name](tools.objects(overlay))) == []


@every_overlay
def test_codeserve_check_takes_it(overlay: str, tmp_path: Path) -> None:
    path = tmp_path / "rendered.yaml"
    path.write_text(tools.rendered(overlay))
    assert find_troubles(path, Surroundings()) == ()


@every_overlay
def test_the_serving_part_is_what_the_root_file_gives(overlay: str) -> None:
    """`make k8s` after a change of serve_config*.yaml, of Ray's version or of the script."""
    assert k8s_serving.path_of(overlay).read_text() == k8s_serving.serving_patch(overlay)


@every_overlay
def test_what_pods_serve_differs_from_the_root_file_only_where_it_must(overlay: str) -> None:
    config = yaml.safe_load(tools.ray_service(tools.objects(overlay))["spec"]["serveConfigV2"])
    root = read_config(ROOT / k8s_serving.SOURCES[overlay])
    assert config["http_options"] == {**root["http_options"], "host": "0.0.0.0"}
    gateway = config["applications"][0]["args"]["gateway"]
    own = root["applications"][0]["args"]["gateway"]
    assert gateway == {**own, "host": "0.0.0.0", "port": 8000, "keys_file": "/etc/codeserve/keys"}
    assert config["applications"][0]["args"]["model_set"] == root["applications"][0]["args"]["model_set"]


@every_overlay
def test_ports_and_environment_are_the_codes(overlay: str) -> None:
    service = tools.ray_service(tools.objects(overlay))
    port = settings_of(validate_config(yaml.safe_load(service["spec"]["serveConfigV2"]), overlay)).gateway.port
    assert [p["port"] for p in service["spec"]["serveService"]["spec"]["ports"]] == [port]
    for _, template in tools.pods(service):
        container = template["spec"]["containers"][0]
        assert {p["name"]: p["containerPort"] for p in container["ports"]}["serve"] == port
        given = {one["name"]: one["value"] for one in container["env"]}
        assert ENVIRONMENT.items() <= given.items()


@every_overlay
def test_old_clusters_stay_until_their_last_note_is_done(overlay: str) -> None:
    spec = tools.ray_service(tools.objects(overlay))["spec"]
    gateway: GatewaySettings = settings_of(validate_config(yaml.safe_load(spec["serveConfigV2"]), overlay)).gateway
    assert spec["rayClusterDeletionDelaySeconds"] > gateway.max_timeout_s
    assert spec["upgradeStrategy"] == {"type": "NewCluster"}


@every_overlay
def test_another_serve_configuration_is_another_cluster(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def stamp() -> str:
        patch = yaml.safe_load(k8s_serving.serving_patch(overlay))
        return patch["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["metadata"]["annotations"][
            "codeserve/serving"
        ]

    before = stamp()
    changed = k8s_serving.serve_config(overlay)
    changed["applications"][0]["args"]["model_set"]["name"] = "another"
    monkeypatch.setattr(k8s_serving, "serve_config", lambda _: changed)
    assert stamp() != before


@every_overlay
def test_images_are_of_this_version(overlay: str) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    target = "cpu" if overlay == "cpu-dev" else "gpu"
    for _, template in tools.pods(tools.ray_service(tools.objects(overlay))):
        assert template["spec"]["containers"][0]["image"].endswith(f"codeserve:{version[1]}-{target}")


@every_overlay
def test_ray_counts_what_the_pods_have(overlay: str) -> None:
    service = tools.ray_service(tools.objects(overlay))
    assert service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in groups(overlay).values():
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        start = group["rayStartParams"]
        assert start["num-cpus"] == limits["cpu"]
        assert start.get("num-gpus") == limits.get("nvidia.com/gpu")


@every_overlay
def test_every_replica_finds_a_pod(overlay: str) -> None:
    """At the least and at the most: of the CPUs and GPUs that all groups give."""
    config = yaml.safe_load(tools.ray_service(tools.objects(overlay))["spec"]["serveConfigV2"])
    for side, bound in (("min_replicas", "minReplicas"), ("max_replicas", "maxReplicas")):
        wanted = {"num_cpus": 0.0, "num_gpus": 0.0}
        for one in config["applications"][0]["deployments"]:
            replicas = one.get("autoscaling_config", {}).get(side, one.get("num_replicas", 1))
            for what in wanted:
                wanted[what] += replicas * one["ray_actor_options"].get(what, 0)
        for what, parameter in (("num_cpus", "num-cpus"), ("num_gpus", "num-gpus")):
            have = sum(g[bound] * float(g["rayStartParams"].get(parameter, 0)) for g in groups(overlay).values())
            # The autoscaler adds pods beyond the least.
            assert wanted[what] <= have or bound == "minReplicas", (side, what)


@every_overlay
def test_every_cache_folder_can_be_written(overlay: str) -> None:
    """Those of config.keep_to_home, on a root that is read-only."""
    program = "import os; from pathlib import Path; from codeserve.config import keep_to_home; b=dict(os.environ); "
    program += "keep_to_home(Path('/opt/codeserve/home')); "
    program += "print(*[v for k, v in os.environ.items() if v.startswith('/opt/codeserve/home/')], sep='\\n')"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")}
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=env).stdout
    folders = told.split()
    assert len(folders) >= 6
    for group in groups(overlay).values():
        spec = group["template"]["spec"]
        mounts = [m["mountPath"] for m in spec["containers"][0]["volumeMounts"]]
        for folder in folders:
            assert any(folder == at or folder.startswith(f"{at}/") for at in mounts), folder


@every_overlay
def test_the_page_of_all_replicas_is_scraped_once_and_can_be_reached(overlay: str) -> None:
    """docs/metrics.md: the head's proxy, and no other pod's."""
    found = tools.objects(overlay)
    scraped = [one for one in found if one["kind"] == "PodMonitor" and _ports(one) == ["serve"]]
    assert len(scraped) == 1
    wanted = scraped[0]["spec"]["selector"]["matchLabels"]
    chosen = [n for n, t in tools.pods(tools.ray_service(found)) if wanted.items() <= t["metadata"]["labels"].items()]
    assert chosen == ["head"]
    config = yaml.safe_load(tools.ray_service(found)["spec"]["serveConfigV2"])
    assert config["proxy_location"] == "EveryNode"  # which the head is, also without a replica


def _ports(monitor: dict[str, Any]) -> list[str]:
    return [one["port"] for one in monitor["spec"]["podMetricsEndpoints"]]


def test_gpu_ha_needs_no_single_pod() -> None:
    service = tools.ray_service(tools.objects("gpu-ha"))
    assert service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisPassword"]["valueFrom"]
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    for one in config["applications"][0]["deployments"]:
        assert one.get("num_replicas", 0) >= 2 or one["autoscaling_config"]["min_replicas"] >= 2
    assert min(g["minReplicas"] for g in groups("gpu-ha").values()) >= 2


BREAK: dict[str, str] = {
    "not-root": "runAsNonRoot: true",
    "seccomp": "type: RuntimeDefault",
    "read-only-root": "readOnlyRootFilesystem: true",
    "no-privilege-escalation": "allowPrivilegeEscalation: false",
    "no-capabilities": "- ALL",
    "no-host": "enableServiceLinks: false=>hostNetwork: true",
    "limits": "memory: 10Gi=>storage: 10Gi",
    "scratch-is-bounded": "sizeLimit: 8Gi=>medium: ''",
    "pinned-images": ":0.1.0-cpu=>:latest",
    "no-secret-values": "name: HF_HUB_OFFLINE=>name: HF_TOKEN",
    "no-account-token": "automountServiceAccountToken: false=>automountServiceAccountToken: true",
    "no-core-dumps": "ulimit -c 0",
    "probes": "startupProbe=>liveProbe",
    "leaves-before-it-stops": "seconds: 30=>seconds: 300",
    "budget-that-lets-nodes-drain": "minAvailable: 0=>minAvailable: 1",
    "spread": "topologySpreadConstraints=>constraints",
    "denied-by-default": "cidr: 10.0.0.0/8=>cidr: 0.0.0.0/0",
    "only-serving-ports-are-open": "port: 8080=>port: 6379",
    "memory-holds-the-object-store": "medium: Memory=>medium: ''",
}


@pytest.mark.parametrize("name", checks.CHECKS)
def test_a_check_can_fail(name: str) -> None:
    old, _, new = BREAK[name].partition("=>")
    text = tools.rendered("cpu-dev")
    assert old in text
    assert list(checks.CHECKS[name]([one for one in yaml.safe_load_all(text.replace(old, new or "x: y")) if one]))


def test_an_unknown_field_is_refused() -> None:
    service = tools.ray_service(tools.objects("gpu"))
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplica"] = 3
    with pytest.raises(Exception, match="maxReplica"):
        tools.validate(service, tools.VERSIONS[0])
    service = tools.ray_service(tools.objects("gpu"))
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]["spec"]["tolerance"] = []
    with pytest.raises(Exception, match="tolerance"):
        tools.validate(service, tools.VERSIONS[0])
