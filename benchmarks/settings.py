"""One configuration for all arms: serve_config.yaml, with the tiny models in the place of the real ones or not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

from codeserve.config import AppSettings, load_settings

ROOT = Path(__file__).parents[1]
MODELS = ("real", "tiny")


def configuration(models: str, folder: Path) -> dict[str, Any]:
    """A Serve configuration; tiny models are made in `folder`."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    if models == "tiny":
        from benchmarks.tiny import make_reasoner
        from tests.tiny import make_tiny_tagger

        folders = {"tagger": folder / "tiny_tagger", "reasoner": folder / "tiny_reasoner"}
        for made, make in zip(folders.values(), (make_tiny_tagger, make_reasoner), strict=True):
            if not (made / "config.json").is_file():
                make(made)
        for stage, made in folders.items():
            arguments(config)["model_set"][stage]["model"] = str(made)
    return config


def arguments(config: dict[str, Any]) -> dict[str, Any]:
    """The application's own settings, to be changed in place."""
    found: dict[str, Any] = config["applications"][0]["args"]
    return found


def without_gate(config: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    arguments(changed)["model_set"]["reasoner"]["gate"] = False
    return changed


def with_import(config: dict[str, Any], path: str) -> dict[str, Any]:
    """The same with another application builder."""
    changed = copy.deepcopy(config)
    changed["applications"][0]["import_path"] = path
    return changed


def with_replicas(config: dict[str, Any], cpus: float | None = None, **counts: int) -> dict[str, Any]:
    """`cpus`: what Ray counts for each replica of those named, if not what the configuration says."""
    changed = copy.deepcopy(config)
    for deployment in changed["applications"][0]["deployments"]:
        if deployment["name"] in counts:
            deployment["num_replicas"] = counts[deployment["name"]]
            if cpus is not None:
                deployment["ray_actor_options"]["num_cpus"] = cpus
    return changed


def write(config: dict[str, Any], file: Path) -> Path:
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    return file


def read(file: Path) -> AppSettings:
    return load_settings(arguments(yaml.safe_load(file.read_text())))
