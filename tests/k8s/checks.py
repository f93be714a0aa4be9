"""What the manifests promise about safety, as checks with names. Each takes all objects of an overlay and yields what
is wrong; nothing is right."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.k8s.tools import pods, ray_service

Objects = list[dict[str, Any]]
Check = Callable[[Objects], Iterator[str]]
CHECKS: dict[str, Check] = {}
COMPONENT = "app.kubernetes.io/component"
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def check(function: Check) -> Check:
    CHECKS[function.__name__.replace("_", "-")] = function
    return function


def containers(found: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """Also the autoscaler's, which KubeRay adds."""
    service = ray_service(found)
    for name, template in pods(service):
        for one in (*template["spec"]["containers"], *template["spec"].get("initContainers", ())):
            yield f"{name}/{one['name']}", one
    yield "head/autoscaler", service["spec"]["rayClusterConfig"]["autoscalerOptions"]


def workers(found: Objects) -> Iterator[dict[str, Any]]:
    yield from ray_service(found)["spec"]["rayClusterConfig"]["workerGroupSpecs"]


def amount(quantity: str) -> float:
    """Bytes of 512Mi, or a bare number."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi)?", quantity).groups()  # type: ignore[union-attr]
    return float(number) * UNITS.get(unit, 1)


@check
def not_root(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        context = template["spec"].get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield name


@check
def seccomp(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        if template["spec"].get("securityContext", {}).get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield name


@check
def read_only_root(found: Objects) -> Iterator[str]:
    yield from (n for n, c in containers(found) if not c.get("securityContext", {}).get("readOnlyRootFilesystem"))


@check
def no_privilege_escalation(found: Objects) -> Iterator[str]:
    for name, one in containers(found):
        context = one.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield name


@check
def no_capabilities(found: Objects) -> Iterator[str]:
    for name, one in containers(found):
        if one.get("securityContext", {}).get("capabilities") != {"drop": ["ALL"]}:
            yield name


@check
def no_host(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        spec = template["spec"]
        if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
            yield name
        yield from (f"{name}/{volume['name']}" for volume in spec["volumes"] if "hostPath" in volume)


@check
def limits(found: Objects) -> Iterator[str]:
    for name, one in containers(found):
        resources = one.get("resources", {})
        for side in ("requests", "limits"):
            if not {"cpu", "memory"} <= resources.get(side, {}).keys():
                yield f"{name}: {side}"


@check
def scratch_is_bounded(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        for volume in template["spec"]["volumes"]:
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
                yield f"{name}/{volume['name']}"


@check
def pinned_images(found: Objects) -> Iterator[str]:
    for name, one in containers(found):
        image = one.get("image")
        if image and ("/" not in image or not re.search(r":(?!latest)[\w.-]+$|@sha256:", image)):
            yield f"{name}: {image}"


@check
def no_secret_values(found: Objects) -> Iterator[str]:
    yield from (f"Secret {one['metadata']['name']}" for one in found if one["kind"] == "Secret")
    for name, one in containers(found):
        for variable in one.get("env", ()):
            if "value" in variable and re.search(r"KEY|TOKEN|PASSWORD|SECRET", variable["name"]):
                yield f"{name}: {variable['name']}"
    for match in re.findall(r"[Pp]assword\": \{\"value\"|\bcs_[\w-]{20,}|[0-9a-f]{64}", json.dumps(found)):
        yield match[:12]


@check
def no_account_token(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        if template["spec"].get("automountServiceAccountToken") is not False:
            yield name
        mounted = [m["name"] for c in template["spec"]["containers"] for m in c["volumeMounts"]]
        yield from (f"{name}/{m}" for m in mounted if m == "kubernetes-token")
    for one in found:
        if one["kind"] == "ServiceAccount" and one.get("automountServiceAccountToken") is not False:
            yield one["metadata"]["name"]


@check
def no_core_dumps(found: Objects) -> Iterator[str]:
    if ray_service(found)["metadata"].get("annotations", {}).get("ray.io/overwrite-container-cmd") != "true":
        yield "KubeRay would not take the command"
    for name, template in pods(ray_service(found)):
        for one in template["spec"]["containers"]:
            if not str(next(iter(one.get("args", ())), "")).startswith("ulimit -c 0;"):
                yield name


@check
def probes(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        for one in template["spec"]["containers"]:
            yield from (f"{name}: {kind}" for kind in ("startup", "readiness", "liveness") if f"{kind}Probe" not in one)
            startup = one.get("startupProbe", {})
            if startup.get("periodSeconds", 0) * startup.get("failureThreshold", 0) < 90:
                yield f"{name}: the start may take 90 s and more"


@check
def leaves_before_it_stops(found: Objects) -> Iterator[str]:
    for name, template in pods(ray_service(found)):
        for one in template["spec"]["containers"]:
            pause = one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            if not 5 <= pause < template["spec"].get("terminationGracePeriodSeconds", 30):
                yield name


@check
def budget_that_lets_nodes_drain(found: Objects) -> Iterator[str]:
    budgets = [one["spec"] for one in found if one["kind"] == "PodDisruptionBudget"]
    for group in workers(found):
        own = [b for b in budgets if _selects(b["selector"], group["template"]["metadata"]["labels"])]
        # KubeRay's pods: maxUnavailable and percentages are not counted by Kubernetes.
        if len(own) != 1 or not isinstance(own[0].get("minAvailable"), int):
            yield f"{group['groupName']}: a budget with a whole minAvailable"
        elif own[0]["minAvailable"] >= group["minReplicas"]:
            yield f"{group['groupName']}: {own[0]['minAvailable']} of {group['minReplicas']} let no node be drained"


@check
def spread(found: Objects) -> Iterator[str]:
    for group in workers(found):
        labels, spec = group["template"]["metadata"]["labels"], group["template"]["spec"]
        spreads = [one["labelSelector"] for one in spec.get("topologySpreadConstraints", ())]
        wanted = spec.get("affinity", {}).get("podAntiAffinity", {})
        terms = wanted.get("preferredDuringSchedulingIgnoredDuringExecution", ())
        apart = [one["podAffinityTerm"]["labelSelector"] for one in terms]
        for what, selectors in (("spread", spreads), ("anti-affinity", apart)):
            if not selectors or not all(_selects(one, labels) for one in selectors):
                yield f"{group['groupName']}: {what}"


@check
def denied_by_default(found: Objects) -> Iterator[str]:
    policies = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "NetworkPolicy"}
    if policies.get("default-deny") != {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}:
        yield "default-deny"
    for name, spec in policies.items():
        for rule in (*spec.get("ingress", ()), *spec.get("egress", ())):
            peers = [*rule.get("from", ()), *rule.get("to", ())]
            if (
                not peers
                or any(p == {} or p.get("namespaceSelector") == {} for p in peers)
                or "0.0.0.0/0" in str(peers)
            ):
                yield f"{name}: from or to everywhere"
            if "ports" not in rule and not all(p.keys() == {"podSelector"} for p in peers):
                yield f"{name}: every port"


@check
def only_serving_ports_are_open(found: Objects) -> Iterator[str]:
    """From outside the namespace: notes on 8000 (not to the head), metrics on 8080 and on the head's 8000, KubeRay to
    the dashboard."""
    open_to: dict[str, set[int]] = {}
    for one in (one for one in found if one["kind"] == "NetworkPolicy"):
        head = "head:" if one["spec"]["podSelector"].get("matchLabels", {}).get(COMPONENT) == "head" else ""
        for rule in one["spec"].get("ingress", ()):
            for peer in (p for p in rule["from"] if "namespaceSelector" in p):
                name = head + json.dumps(peer["namespaceSelector"]["matchLabels"], sort_keys=True)
                open_to.setdefault(name, set()).update(port["port"] for port in rule["ports"])
    expected = {
        '{"codeserve/caller": "true"}': {8000},
        '{"kubernetes.io/metadata.name": "monitoring"}': {8080},
        'head:{"kubernetes.io/metadata.name": "monitoring"}': {8000},
        '{"kubernetes.io/metadata.name": "kuberay-system"}': {8000, 8265},
    }
    yield from (f"{peer}: {ports}" for peer, ports in open_to.items() if expected.get(peer) != ports)
    yield from (f"{peer} is missing" for peer in expected.keys() - open_to.keys())


@check
def memory_holds_the_object_store(found: Objects) -> Iterator[str]:
    cluster = ray_service(found)["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        spec, name = group["template"]["spec"], group.get("groupName", "head")
        shared = next(v["emptyDir"] for v in spec["volumes"] if v["name"] == "shared-memory")
        store = float(group["rayStartParams"]["object-store-memory"])
        memory = amount(spec["containers"][0]["resources"]["limits"]["memory"])
        if shared.get("medium") != "Memory" or not store <= amount(shared["sizeLimit"]) <= memory / 2:
            yield name


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    return selector["matchLabels"].items() <= labels.items()
