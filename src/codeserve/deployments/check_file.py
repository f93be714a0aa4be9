"""`codeserve check FILE`: a Serve configuration, or a KubeRay RayService that holds one, examined before a start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel
from rich.console import Console

from codeserve.config import AppSettings
from codeserve.deployments.cluster import settings_of, validate_config
from codeserve.errors import SetupError
from codeserve.preflight import STORAGE, Surroundings, Trouble, examine

GPU_RESOURCE = "nvidia.com/gpu"
STYLES = {"error": "bold red", "warning": "yellow"}


def check_file(path: Path, around: Surroundings, console: Console) -> bool:
    """Print what is wrong, each with its key; whether there is no error. Raises SetupError for an unreadable file."""
    troubles = find_troubles(path, around)
    for trouble in sorted(troubles, key=lambda t: (t.severity, t.key)):
        console.print(
            f"[{STYLES[trouble.severity]}]{trouble.severity}[/] [bold]{trouble.key}[/]: {trouble.message}",
            soft_wrap=True,
        )
    errors = sum(trouble.severity == "error" for trouble in troubles)
    if errors:
        console.print(f"{path}: {errors} error(s); nothing was started.")
    else:
        console.print(f"{path}: can work, {len(troubles)} warning(s).")
    return not errors


def find_troubles(path: Path, around: Surroundings) -> tuple[Trouble, ...]:
    """Raises SetupError that names the key where the file is not even a configuration."""
    document = _load(path)
    if document.get("kind") == "RayService":
        around = _of_cluster(document["spec"].get("rayClusterConfig") or {}, around)
        document = yaml.safe_load(document["spec"]["serveConfigV2"])
    unknown = tuple(_unknown_keys(document))
    config = validate_config(document, path.name)
    return (*unknown, *examine(config, settings_of(config), _defaults(), around))


def refuse_shared_sqlite(config: Mapping[str, Any], settings: AppSettings) -> None:
    """For a start that nobody has checked. Raises SetupError where more than one gateway would share an SQLite file."""
    for trouble in examine(config, settings, _defaults(), Surroundings()):
        if trouble.key == STORAGE:
            raise SetupError(f"{trouble.key}: {trouble.message}")


def _load(path: Path) -> dict[str, Any]:
    try:
        found = [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]
    except FileNotFoundError:
        raise SetupError(f"there is no file {path.name}") from None
    except yaml.YAMLError as error:
        raise SetupError(f"{path.name} is not YAML: {error}") from None
    services = [one for one in found if isinstance(one, dict) and one.get("kind") == "RayService"]
    chosen = services or found
    if len(chosen) != 1 or not isinstance(chosen[0], dict):
        raise SetupError(f"{path.name} should hold one Serve configuration or one RayService")
    return dict(chosen[0])


def _defaults() -> dict[str, dict[str, Any]]:
    """What the code says of each deployment where the file is silent."""
    from codeserve.deployments.gateway import Gateway
    from codeserve.deployments.reasoner import Reasoner
    from codeserve.deployments.tagger import EntityTagger

    deployments: tuple[Any, ...] = (Gateway, EntityTagger, Reasoner)  # the decorator's type is not what it returns
    return {
        one.name: {**one._deployment_config.to_dict(), "ray_actor_options": one.ray_actor_options}
        for one in deployments
    }


def _unknown_keys(document: Mapping[str, Any]) -> Iterator[Trouble]:
    """Serve ignores a misspelt key below the top; here it is an error."""
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import ServeDeploySchema

    # Serve's schema types this one as a plain dictionary.
    typed = {"autoscaling_config": AutoscalingConfig}

    def walk(given: Any, model: type[BaseModel], path: str) -> Iterator[Trouble]:
        if not isinstance(given, Mapping):
            return
        for key, value in given.items():
            at = f"{path}.{key}" if path else str(key)
            if key not in model.model_fields:
                yield Trouble("error", at, "unknown key; it would be ignored")
            elif inner := typed.get(key) or _model_in(model.model_fields[key].annotation):
                for number, one in enumerate(value if isinstance(value, list) else [value]):
                    name = one.get("name", number) if isinstance(value, list) and isinstance(one, Mapping) else ""
                    yield from walk(one, inner, f"{at}.{name}" if name != "" else at)

    yield from walk(document, ServeDeploySchema, "")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _of_cluster(cluster: Mapping[str, Any], around: Surroundings) -> Surroundings:
    """The grace period, the preStop pause and the hardware that a RayService's pods may have."""
    groups = [*((g, int(g.get("maxReplicas", g.get("replicas", 1)))) for g in cluster.get("workerGroupSpecs", ()))]
    if head := cluster.get("headGroupSpec"):
        groups.append((head, 1))
    pods = [(group["template"]["spec"], most) for group, most in groups]
    graces = [float(pod["terminationGracePeriodSeconds"]) for pod, _ in pods if "terminationGracePeriodSeconds" in pod]
    return replace(
        around,
        grace_s=around.grace_s if around.grace_s is not None else min(graces, default=30.0),
        pre_stop_s=max([around.pre_stop_s, *(_pause(c) for pod, _ in pods for c in pod.get("containers", ()))]),
        gpus=around.gpus
        if around.gpus is not None
        else float(sum(most * _gpus(c) for pod, most in pods for c in pod.get("containers", ()))),
        nodes=sum(most for _, most in pods),
    )


def _pause(container: Mapping[str, Any]) -> float:
    """Seconds that preStop sleeps: its own `sleep` action, or a command that says so."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    if "sleep" in hook:
        return float(hook["sleep"]["seconds"])
    command = " ".join((hook.get("exec") or {}).get("command", ()))
    return sum(float(seconds) for seconds in re.findall(r"\bsleep (\d+(?:\.\d+)?)", command))


def _gpus(container: Mapping[str, Any]) -> float:
    return float(((container.get("resources") or {}).get("limits") or {}).get(GPU_RESOURCE, 0))
