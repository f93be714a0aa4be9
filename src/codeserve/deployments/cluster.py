"""A Ray cluster of our own with the application on it: start, wait until ready, drain, stop, leave nothing behind."""

from __future__ import annotations

import logging
import os
import resource
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from pydantic import ValidationError

from codeserve.api import proxy
from codeserve.config import AppSettings, load_settings
from codeserve.deployments import rollout, status
from codeserve.errors import SetupError, StageFailed
from codeserve.preflight import GATEWAY

APP = rollout.NAMES[0]
DRAIN_S = 30.0
SETTLE_S = 1.0
SWITCH_S = 2.0  # until every proxy knows a new route
# Without one of these nothing of a node comes back. A Ray agent that dies takes its raylet with it.
NODE = {"raylet", "gcs_server"}
# Of every Ray process, on Kubernetes too.
ENVIRONMENT = {
    proxy.CALLBACK_VARIABLE: proxy.CALLBACK,
    # What is unhealthy may hang: waiting for it to drain would only delay its replacement.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
    # Ray would start its workers at 15: beside other programs of a machine the replicas would starve.
    "RAY_worker_niceness": "0",
    # The controller kills a proxy that is silent for 5 s at its start, which on a busy machine ends every start.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
    # It looks around ten times a second unless told otherwise: 32 ms of CPU in each second, whatever there is to do.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.5",
    # A call between replicas is one gRPC message there and one back, in a third less CPU than Ray's own task and object
    # (docs/decisions/031); its bound is far above what the longest note needs.
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(64 * 2**20),
}


def read_config(path: Path) -> dict[str, Any]:
    """The configuration file, checked down to the last key. Raises SetupError."""
    try:
        config = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise SetupError(f"there is no configuration file {path}", hint="give --config FILE") from None
    except yaml.YAMLError as error:
        raise SetupError(f"{path} is not YAML: {error}") from None
    return validate_config(config, str(path))


def validate_config(config: Any, name: str) -> dict[str, Any]:
    """The same configuration once every key has a value of its kind; `name` is the file's. Raises SetupError."""
    from ray.serve.schema import ServeDeploySchema

    try:
        schema = ServeDeploySchema.model_validate(config)
    except ValidationError as error:
        keys = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SetupError(f"{name}: {keys}") from None
    unknown = set(config) - set(ServeDeploySchema.model_fields)
    if unknown:
        raise SetupError(f"{name}: unknown keys: {', '.join(sorted(unknown))}")
    for application in schema.applications:
        load_settings(application.args)
    return dict(config)


def settings_of(config: dict[str, Any]) -> AppSettings:
    return load_settings(config["applications"][0].get("args", {}))


def with_address(config: dict[str, Any], host: str, port: int) -> dict[str, Any]:
    """The same configuration, listening elsewhere."""
    application, *others = config["applications"]
    args = application.get("args", {})
    gateway = {**args.get("gateway", {}), "host": host, "port": port}
    moved = {**application, "args": {**args, "gateway": gateway}}
    options = {**config.get("http_options", {}), "host": host, "port": port}
    return {**config, "http_options": options, "applications": [moved, *others]}


def refuse_taken_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise SetupError(
                f"port {port} on {host} is taken by another program",
                hint=f"choose another: make run PORT={port + 1}",
            ) from None


def _drain_s(config: dict[str, Any]) -> float:
    """How long the gateways may take to finish."""
    deployments = config["applications"][0].get("deployments", ())
    gateway: dict[str, Any] = next((one for one in deployments if one["name"] == GATEWAY), {})
    return float(gateway.get("graceful_shutdown_timeout_s", DRAIN_S))


class Cluster:
    """Runs one configuration on a Ray cluster that it starts and ends itself."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._running = rollout.named(config, rollout.NAMES[0])
        self._children: list[psutil.Process] = []
        self._others: set[int] = set()
        self._node: list[psutil.Process] = []
        self._served = False

    @property
    def url(self) -> str:
        options = self._running["http_options"]
        return f"http://{options['host']}:{options['port']}"

    def start(self) -> None:
        import ray
        from ray.serve._private import api as serve_api
        from ray.serve.schema import ServeDeploySchema

        schema = ServeDeploySchema.model_validate(self._running)
        # A core dump would hold notes. Every process of the cluster inherits the limit.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # A token of this cluster's own; else Ray would write one into the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        # What this process had started before is not the cluster's to end.
        self._others = {process.pid for process in psutil.Process().children(recursive=True)}
        # "local" never joins a cluster that happens to run.
        ray.init(
            address="local",
            num_cpus=max(2, os.cpu_count() or 2),
            namespace="serve",
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=True,
            logging_level=logging.WARNING,
        )
        self._remember_processes()
        self._node = [process for process in self._children if process.name() in NODE]
        self._client = serve_api.serve_start(
            http_options=schema.http_options.model_dump(), proxy_location=schema.proxy_location
        )
        self._deploy(self._running)

    def _deploy(self, config: dict[str, Any]) -> None:
        """As `serve run FILE` does, so that development and production take the same way."""
        from ray.serve.schema import ServeDeploySchema

        self._client.deploy_apps(ServeDeploySchema.model_validate(config))

    def wait_ready(self, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> float:
        """Seconds until every stage answered its probe, or until `stopped`. Raises SetupError when it cannot
        start, StageFailed when Ray's node dies."""
        seconds = self._wait(_name(self._running), self.url, timeout_s, stopped)
        self._served = not stopped()
        return seconds

    def update(self, config: dict[str, Any], timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> float:
        """Put another configuration in the place of the running one without losing a note; seconds until it serves.

        Raises SetupError when the new one cannot start; the running one stays.
        """
        new = rollout.named(config, rollout.other(_name(self._running)))
        self._deploy(rollout.beside(self._running, new))
        try:
            seconds = self._wait(_name(new), self.url + rollout.NEXT, timeout_s, stopped)
        except SetupError:
            self._deploy(self._running)
            raise
        if stopped():
            return seconds
        self._deploy(rollout.switched(self._running, new))
        time.sleep(SWITCH_S)
        previous, self._running = self._running, new
        self._finish(_name(previous), _drain_s(previous), refuse=False)
        self._deploy(new)
        return seconds

    def _wait(self, name: str, url: str, timeout_s: float, stopped: Callable[[], bool]) -> float:
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < timeout_s:
            self.require_node()
            missing = self._missing(name, url)
            if not missing or stopped():
                return spent
            time.sleep(0.25)
        raise SetupError(
            f"not ready after {timeout_s:.0f} s: {self._missing(name, url)}", hint="see `codeserve doctor`"
        )

    def _missing(self, name: str, url: str) -> str:
        from ray import serve
        from ray.serve.schema import ApplicationStatus

        application = serve.status().applications.get(name)
        if application is None:
            return "the application is being built"
        if application.status == ApplicationStatus.DEPLOY_FAILED:
            raise SetupError(f"the application cannot start: {_failure(application)}", hint="see `codeserve doctor`")
        waiting = {stage: one for stage, one in application.deployments.items() if one.status != "HEALTHY"}
        if waiting:
            return "; ".join(f"{stage}: {status.why(one)}" for stage, one in waiting.items())
        try:
            answer = httpx.get(f"{url}/readyz", timeout=30, trust_env=False)
        except httpx.TransportError:
            return "the proxy is starting"
        self._remember_processes()
        return "" if answer.status_code == 200 else "a stage has not answered its probe yet"

    def lost(self) -> bool:
        """Whether Ray's node has died: then this cluster is never ready again, and `stop` ends the rest of it."""
        return any(not _lives(process) for process in self._node)

    def require_node(self) -> None:
        """Raises StageFailed."""
        if self.lost():
            raise StageFailed("Ray's node has died, and the service with it", hint="start it again; supervisors do")

    def drain(self) -> int:
        """Take no more notes and finish what is inside; how many were left when the time was up."""
        if not self._served or self.lost():
            return 0
        return self._finish(_name(self._running), _drain_s(self._running), refuse=True)

    def _finish(self, name: str, seconds: float, refuse: bool) -> int:
        import ray
        from ray import serve
        from ray.serve.exceptions import RayServeException

        try:
            response = serve.get_app_handle(name).broadcast("drain", seconds, refuse)
            left: int = sum(response.results(timeout_s=seconds + SETTLE_S))
        except (ray.exceptions.RayError, RayServeException, TimeoutError):
            return 0  # there is no gateway that could finish anything
        time.sleep(SETTLE_S)  # the last answers are still on their way through the proxy
        return left

    def stop(self, grace_s: float = 30) -> None:
        """Stop, and see that no process of the cluster is left. Serve ends the proxy first: `drain` before."""
        import ray
        from ray import serve

        self._remember_processes()
        try:
            if not self.lost():
                serve.shutdown()
        finally:
            ray.shutdown()
            _, alive = psutil.wait_procs(self._children, timeout=grace_s)
            for process in alive:
                process.kill()
            psutil.wait_procs(alive, timeout=5)

    def _remember_processes(self) -> None:
        known = self._others | {process.pid for process in self._children}
        self._children += [p for p in psutil.Process().children(recursive=True) if p.pid not in known]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _name(config: dict[str, Any]) -> str:
    return str(config["applications"][0]["name"])


def _failure(application: Any) -> str:
    """Which deployment of an application cannot start, and why."""
    reasons = [
        f"{stage} {status.why(one)}" for stage, one in application.deployments.items() if one.status == "DEPLOY_FAILED"
    ]
    return "; ".join(reasons) or status.cause(application.message)
