"""Write k8s/overlays/*/serving.yaml from the Serve configurations of the root: `make k8s`.

Each is a patch of the RayService: its `serveConfigV2`, Ray's version from the lock, and the hash of both in the head's
pod template. KubeRay starts a new cluster for a changed template and moves the Service when it serves; a change of
`serveConfigV2` alone would be Serve's rolling update, in which the stages of two versions refuse each other.
"""

from __future__ import annotations

import copy
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from codeserve.artifacts import write_whole
from codeserve.deployments.cluster import validate_config, with_address

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {"cpu-dev": "serve_config.yaml", "gpu": "serve_config.gpu.yaml", "gpu-ha": "serve_config.gpu.yaml"}
KEYS_FILE = "/etc/codeserve/keys"
# What an overlay changes of a deployment: with these no single node is needed.
DEPLOYMENTS: dict[str, dict[str, dict[str, Any]]] = {
    "gpu-ha": {
        "Gateway": {"num_replicas": 3, "max_replicas_per_node": 1},
        "EntityTagger": {"autoscaling_config": {"min_replicas": 2, "max_replicas": 6}},
        "Reasoner": {"autoscaling_config": {"min_replicas": 2}},
    }
}


class _Text(str):
    """A string that is written as a block."""


yaml.SafeDumper.add_representer(
    _Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)


def serve_config(overlay: str) -> dict[str, Any]:
    """The root's configuration as pods serve it: on every address, with mounted keys, proxies where replicas are."""
    source = ROOT / SOURCES[overlay]
    config = with_address(yaml.safe_load(source.read_text(encoding="utf-8")), "0.0.0.0", 8000)
    config = copy.deepcopy(config) | {"proxy_location": "EveryNode"}
    application = config["applications"][0]
    application["args"]["gateway"]["keys_file"] = KEYS_FILE
    for deployment in application["deployments"]:
        for key, value in DEPLOYMENTS.get(overlay, {}).get(deployment["name"], {}).items():
            deployment[key] = {**deployment[key], **value} if isinstance(value, dict) else value
    return validate_config(config, source.name)


def ray_version() -> str:
    found = re.search(r"^ray==(\S+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, "the lock names no version of Ray"
    return found[1]


def serving_patch(overlay: str) -> str:
    """The text of the overlay's serving.yaml."""
    text = yaml.safe_dump(serve_config(overlay), sort_keys=False)
    digest = hashlib.sha256(f"{ray_version()}\n{text}".encode()).hexdigest()[:16]
    patch = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "codeserve"},
        "spec": {
            "serveConfigV2": _Text(text),
            "rayClusterConfig": {
                "rayVersion": ray_version(),
                "headGroupSpec": {"template": {"metadata": {"annotations": {"codeserve/serving": digest}}}},
            },
        },
    }
    head = f"# Made by `make k8s` from {SOURCES[overlay]}: change that, or scripts/k8s_serving.py.\n"
    return head + yaml.safe_dump(patch, sort_keys=False, width=120)


def path_of(overlay: str) -> Path:
    return ROOT / "k8s" / "overlays" / overlay / "serving.yaml"


def main() -> None:
    for overlay in SOURCES:
        write_whole(path_of(overlay), [serving_patch(overlay).removesuffix("\n").encode()], mode=0o644)
        sys.stdout.write(f"{path_of(overlay).relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
