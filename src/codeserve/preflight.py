"""Whether a configuration can work, told before anything starts: relations between keys that no single key shows.

Pure: it takes the parsed file and what surrounds the service, and returns what is wrong, each with its key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from codeserve.config import AppSettings

GATEWAY, TAGGER, REASONER = "Gateway", "EntityTagger", "Reasoner"
PROBES = 8  # readiness, liveness and metrics requests that may be inside a gateway beside the notes
MARGIN_S = 5.0  # for a process to end after its last request
SPECIAL_TOKENS = 2
STORAGE = "storage.url"


@dataclass(frozen=True, slots=True)
class Trouble:
    """`key` is the path in the file. An error cannot work; a warning works worse than its author may think."""

    severity: Literal["error", "warning"]
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the file does not say. `grace_s`: how long the platform waits after SIGTERM before it kills, of which
    `pre_stop_s` pass before the signal; `gpus`, `cpus` and `nodes`: the most that the cluster may ever have. None:
    unknown."""

    grace_s: float | None = None
    pre_stop_s: float = 0.0
    gpus: float | None = None
    cpus: float | None = None
    nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment's options after defaults; `least` and `most` replicas."""

    name: str
    ongoing: int
    queued: int
    drain_s: float
    health_s: float
    surge_percent: int
    cpus: float
    gpus: float
    least: int
    most: int
    target: float | None


def examine(
    config: Mapping[str, Any],
    settings: AppSettings,
    defaults: Mapping[str, Mapping[str, Any]],
    around: Surroundings,
) -> tuple[Trouble, ...]:
    """`defaults`: the options of each deployment where the file says nothing."""
    given = {d["name"]: d for d in config["applications"][0].get("deployments", ())}
    unknown = sorted(given.keys() - defaults.keys())
    troubles = [
        _error(f"deployments.{name}", f"there is no such deployment; there are {', '.join(sorted(defaults))}")
        for name in unknown
    ]
    deployments = {name: _deployment(name, {**base, **given.get(name, {})}) for name, base in defaults.items()}
    troubles += _timeouts(config, settings)
    troubles += _drain(deployments, around)
    troubles += _health(deployments[REASONER], settings)
    troubles += _slots(deployments, settings)
    troubles += _scaling(deployments, settings)
    troubles += _hardware(deployments, settings, around)
    troubles += _updates(deployments)
    troubles += _storage(deployments[GATEWAY], settings, around)
    return tuple(troubles)


def _deployment(name: str, options: Mapping[str, Any]) -> Deployment:
    actor = options.get("ray_actor_options") or {}
    scaling = options.get("autoscaling_config")
    fixed = int(options.get("num_replicas") or 1)
    return Deployment(
        name=name,
        ongoing=int(options["max_ongoing_requests"]),
        queued=int(options.get("max_queued_requests", -1)),
        drain_s=float(options["graceful_shutdown_timeout_s"]),
        health_s=float(options["health_check_timeout_s"]),
        surge_percent=int(options.get("max_surge_percent") or 0),
        cpus=float(actor.get("num_cpus", 1)),
        gpus=float(actor.get("num_gpus", 0)),
        least=int(scaling.get("min_replicas", 1)) if scaling else fixed,
        most=int(scaling.get("max_replicas", 1)) if scaling else fixed,
        target=float(scaling.get("target_ongoing_requests", 2)) if scaling else None,
    )


def _timeouts(config: Mapping[str, Any], settings: AppSettings) -> Iterator[Trouble]:
    proxy = (config.get("http_options") or {}).get("request_timeout_s")
    cap = settings.gateway.max_timeout_s
    if proxy is not None and proxy <= cap:
        yield _error(
            "http_options.request_timeout_s",
            f"the proxy gives up after {proxy:g} s with a plain 408, before gateway.max_timeout_s ({cap:g} s) can "
            "answer 504; set it above",
        )


def _drain(deployments: Mapping[str, Deployment], around: Surroundings) -> Iterator[Trouble]:
    for one in deployments.values():
        needed = around.pre_stop_s + one.drain_s + MARGIN_S
        if around.grace_s is not None and needed > around.grace_s:
            yield _error(
                f"deployments.{one.name}.graceful_shutdown_timeout_s",
                f"preStop {around.pre_stop_s:g} s + drain {one.drain_s:g} s + {MARGIN_S:g} s to end are more than the "
                f"grace period of {around.grace_s:g} s, so requests would be killed",
            )


def _health(reasoner: Deployment, settings: AppSettings) -> Iterator[Trouble]:
    stall = settings.model_set.reasoner.stall_s
    if reasoner.health_s <= stall:
        yield _error(
            f"deployments.{reasoner.name}.health_check_timeout_s",
            f"{reasoner.health_s:g} s end a check before model_set.reasoner.stall_s ({stall:g} s) can tell a stalled "
            "engine from a slow one; set it above",
        )


def _slots(deployments: Mapping[str, Deployment], settings: AppSettings) -> Iterator[Trouble]:
    gateway, tagger, reasoner = (deployments[name] for name in (GATEWAY, TAGGER, REASONER))
    budget, waiting = settings.gateway.max_in_flight, settings.gateway.admission.most_waiting
    if gateway.ongoing < budget + waiting + PROBES:
        yield _error(
            "deployments.Gateway.max_ongoing_requests",
            f"{gateway.ongoing} leave no room for gateway.max_in_flight ({budget}), {waiting} that wait and {PROBES} "
            "probes: Serve would refuse before the gateway can answer 429",
        )
    for one in (gateway, tagger, reasoner):
        if one.queued < 0:
            yield Trouble(
                "warning",
                f"deployments.{one.name}.max_queued_requests",
                "without it Serve's own line before this deployment grows without a bound",
            )
    batch = settings.model_set.tagger.max_batch_tokens // (settings.model_set.tagger.window + SPECIAL_TOKENS)
    if batch > tagger.ongoing:
        yield _error(
            "deployments.EntityTagger.max_ongoing_requests",
            f"a batch of model_set.tagger.max_batch_tokens holds {batch} windows, and only {tagger.ongoing} "
            "requests may be there to fill it",
        )
    for stage in (tagger, reasoner):
        if stage.most * stage.ongoing < budget * gateway.least:
            yield Trouble(
                "warning",
                f"deployments.{stage.name}.max_ongoing_requests",
                f"{stage.most} × {stage.ongoing} slots are fewer than the {budget * gateway.least} notes that "
                "the gateways admit: the rest waits at the caller",
            )


def _scaling(deployments: Mapping[str, Deployment], settings: AppSettings) -> Iterator[Trouble]:
    gateway = deployments[GATEWAY]
    admitted = settings.gateway.max_in_flight * gateway.most
    for one in deployments.values():
        key = f"deployments.{one.name}.autoscaling_config"
        if one.target is None:
            continue
        if one.least > one.most:
            yield _error(f"{key}.min_replicas", f"{one.least} are more than max_replicas ({one.most})")
        if one.target > one.ongoing:
            yield _error(
                f"{key}.target_ongoing_requests",
                f"{one.target:g} are never reached with max_ongoing_requests of {one.ongoing}: it would not scale up",
            )
        if one is gateway or one.most == one.least:
            continue
        if admitted <= one.target * one.least:
            yield _error(
                "gateway.max_in_flight",
                f"all gateways together admit {admitted} notes and shed the rest, below the "
                f"{one.target * one.least:g} at which {one.name} scales up: it never would",
            )
        elif admitted <= one.target * (one.most - 1):
            reached = math.ceil(admitted / one.target)
            yield Trouble(
                "warning",
                "gateway.max_in_flight",
                f"with {admitted} notes admitted {one.name} reaches {reached} of its {one.most} replicas at most",
            )


def _hardware(deployments: Mapping[str, Deployment], settings: AppSettings, around: Surroundings) -> Iterator[Trouble]:
    reasoner, tensor_parallel = deployments[REASONER], settings.model_set.reasoner.tensor_parallel_size
    if settings.model_set.reasoner.device == "cuda" and tensor_parallel > 1 and reasoner.gpus < tensor_parallel:
        yield _error(
            "deployments.Reasoner.ray_actor_options.num_gpus",
            f"{reasoner.gpus:g} GPUs a replica cannot hold model_set.reasoner.tensor_parallel_size of "
            f"{tensor_parallel}",
        )
    for what, have in (("gpus", around.gpus), ("cpus", around.cpus)):
        wanted = {d.name: d.most * getattr(d, what) for d in deployments.values()}
        if have is not None and sum(wanted.values()) > have:
            told = ", ".join(f"{name} {amount:g}" for name, amount in wanted.items() if amount)
            yield _error(
                f"deployments.*.ray_actor_options.num_{what}",
                f"all replicas at their most take {sum(wanted.values()):g} {what.upper()} ({told}), and the "
                f"cluster may have {have:g}",
            )


def _updates(deployments: Mapping[str, Deployment]) -> Iterator[Trouble]:
    for one in deployments.values():
        if one.least == 1 and not one.surge_percent:
            yield Trouble(
                "warning",
                f"deployments.{one.name}.max_surge_percent",
                "with one replica and no surge an update stops the old one before the new one is ready",
            )


def _storage(gateway: Deployment, settings: AppSettings, around: Surroundings) -> Iterator[Trouble]:
    """An SQLite file belongs to one machine, and Ray may place each replica on another one."""
    if settings.storage is None or not settings.storage.url.startswith("sqlite"):
        return
    for count, what in ((gateway.most, "gateway replicas"), (around.nodes or 1, "nodes")):
        if count > 1:
            yield _error(STORAGE, f"SQLite serves one node, and there may be {count} {what}; use PostgreSQL")


def _error(key: str, message: str) -> Trouble:
    return Trouble("error", key, message)
