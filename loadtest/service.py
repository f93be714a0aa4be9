"""The service that a run loads: on a free port of this machine, with API keys of its own, ended with the run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from benchmarks.processes import ROOT, running
from benchmarks.tiny import make_reasoner
from codeserve.api.auth import ENVIRONMENT, create_key
from codeserve.errors import SetupError
from loadtest.scenario import Scenario

MODELS = ("embedded", "tiny", "stub")


def configuration(scenario: Scenario, models: str, folder: Path) -> dict[str, Any]:
    """serve_config.yaml with the scenario's admission and the chosen models."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve_config.yaml").read_text())
    application = config["applications"][0]
    admission = application["args"]["gateway"].setdefault("admission", {})
    admission.update(scenario.admission)
    if models == "tiny":
        application["args"]["model_set"]["reasoner"]["model"] = str(make_reasoner(folder / "llm"))
    if models == "stub":
        application["import_path"] = "loadtest.stub:build"
    return config


@contextmanager
def started(scenario: Scenario, models: str, folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Its address and the secret of each key, which exists in memory alone. Raises SetupError."""
    made = {name: create_key(name) for name in scenario.keys}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(configuration(scenario, models, folder)))
    environment = {
        ENVIRONMENT: ",".join(line for _, line in made.values()),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    }
    with ExitStack() as stack:
        try:
            service = stack.enter_context(running(config, folder / "service.log", **environment))
        except RuntimeError as error:
            raise SetupError(str(error)) from None
        yield service.url, {name: secret for name, (secret, _) in made.items()}
