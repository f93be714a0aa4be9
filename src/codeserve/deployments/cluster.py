"""A Ray cluster of our own with the application on it: start, wait until ready, drain, stop, leave nothing behind."""

from __future__ import annotations

import logging
import os
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
from codeserve.errors import SetupError

APP = "codeserve"
# Of every Ray process, on Kubernetes too.
ENVIRONMENT = {
    proxy.CALLBACK_VARIABLE: proxy.CALLBACK,
    # What is unhealthy may hang: waiting for it to drain would only delay its replacement.
    "RAY_SERVE_FORCE_STOP_UNHEALTHY_REPLICAS": "1",
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


class Cluster:
    """Runs one configuration on a Ray cluster that it starts and ends itself."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._children: list[psutil.Process] = []

    @property
    def url(self) -> str:
        options = self._config["http_options"]
        return f"http://{options['host']}:{options['port']}"

    def start(self) -> None:
        import ray
        from ray.serve._private import api as serve_api
        from ray.serve.schema import ServeDeploySchema

        schema = ServeDeploySchema.model_validate(self._config)
        # A token of this cluster's own; else Ray would write one into the user's home.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
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
        client = serve_api.serve_start(
            http_options=schema.http_options.model_dump(), proxy_location=schema.proxy_location
        )
        # As `serve run FILE` does, so that development and production take the same way.
        client.deploy_apps(schema)

    def wait_ready(self, timeout_s: float, stopped: Callable[[], bool] = lambda: False) -> float:
        """Seconds until every stage answered its probe, or until `stopped`. Raises SetupError when it cannot start."""
        begun = time.monotonic()
        while (spent := time.monotonic() - begun) < timeout_s:
            missing = self._missing()
            if not missing or stopped():
                return spent
            time.sleep(0.25)
        raise SetupError(f"not ready after {timeout_s:.0f} s: {self._missing()}", hint="see `codeserve doctor`")

    def _missing(self) -> str:
        from ray import serve
        from ray.serve.schema import ApplicationStatus

        application = serve.status().applications.get(APP)
        if application is None:
            return "the application is being built"
        if application.status == ApplicationStatus.DEPLOY_FAILED:
            raise SetupError(f"the application cannot start: {application.message}", hint="see `codeserve doctor`")
        for name, deployment in application.deployments.items():
            if deployment.status != "HEALTHY":
                return f"{name} is starting"
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=30, trust_env=False)
        except httpx.TransportError:
            return "the proxy is starting"
        self._remember_processes()
        return "" if answer.status_code == 200 else "a stage has not answered its probe yet"

    def stop(self, grace_s: float = 30) -> None:
        """Drain, stop, and see that no process of the cluster is left."""
        import ray
        from ray import serve

        self._remember_processes()
        try:
            serve.shutdown()
        finally:
            ray.shutdown()
            _, alive = psutil.wait_procs(self._children, timeout=grace_s)
            for process in alive:
                process.kill()
            psutil.wait_procs(alive, timeout=5)

    def _remember_processes(self) -> None:
        known = {process.pid for process in self._children}
        self._children += [p for p in psutil.Process().children(recursive=True) if p.pid not in known]
