"""What the play needs: practices with a platform each, a database, keys, a configuration. All in one folder that goes
with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import yaml

from codeserve.adapters.simulators.base import NoteOnFile, Simulator
from codeserve.adapters.simulators.fhir import FhirSimulator
from codeserve.adapters.simulators.tokens import TOKEN_PATH, credentials
from codeserve.api.auth import add_key
from codeserve.config import StorageSettings, load_settings
from codeserve.errors import SetupError
from codeserve.storage import keyfile, migrate
from codeserve.storage.engine import Database
from codeserve.storage.opening import connect
from codeserve.storage.tables import Rollout

CODER, WORKER = "coder", "worker"


@dataclass(frozen=True, slots=True)
class Scene:
    """A practice, the note that its platform signs, and the codes that its people submit in the end: our own, as a
    coder would bill the note; `because`: why not what was suggested beside them (examples/demo.json)."""

    practice: str
    mode: str
    note: str
    patient: Mapping[str, str]
    text: str
    final: Mapping[str, Any]
    because: Mapping[str, str]

    @property
    def on_file(self) -> NoteOnFile:
        return NoteOnFile(self.text, **self.patient)


@dataclass(frozen=True)
class Stage:
    """`config` names the gateway at `url`; `environment` is what it and the worker need; `keys`: API keys of coders by
    practice."""

    scenes: tuple[Scene, ...]
    simulators: Mapping[str, Simulator]
    database: Database
    config: Path
    url: str
    environment: Mapping[str, str]
    keys: Mapping[str, str]


def read_scenes(examples: Path) -> tuple[Scene, ...]:
    """Raises SetupError where the examples are not there."""
    try:
        told = orjson.loads((examples / "demo.json").read_bytes())
        return tuple(Scene(**one, text=(examples / "notes" / f"{one['note']}.txt").read_text()) for one in told)
    except FileNotFoundError:
        raise SetupError(
            f"there are no examples in {examples}", hint="run it in a checkout of the repository"
        ) from None


@contextmanager
def staged(folder: Path, scenes: tuple[Scene, ...], base: Mapping[str, Any], port: int) -> Iterator[Stage]:
    """`base`: a Serve configuration to add storage and platforms to; the gateway will listen on `port`."""
    with ExitStack() as stack:
        simulators = {scene.practice: stack.enter_context(FhirSimulator().serving()) for scene in scenes}
        storage = StorageSettings(url=f"sqlite:///{folder / 'demo.db'}", keys_file=folder / "data-keys.json")
        keyfile.create(storage.keys_file)
        database = connect(storage)
        stack.callback(database.close)
        migrate.upgrade(database.engine)
        _set_modes(database, scenes)
        keys = {
            one.practice: add_key(folder / "keys", f"{CODER}.{one.practice}", (), ("coder",), one.practice)
            for one in scenes
        }
        environment = {"CODESERVE_WORKER_KEY": add_key(folder / "keys", WORKER)}
        for practice, simulator in simulators.items():
            name = practice.upper()
            known = credentials(token_url=f"{simulator.root}{TOKEN_PATH}")
            environment |= {f"{name}_CREDENTIALS": json.dumps(known), f"{name}_SECRET": simulator.webhook_secret}
            simulator.webhook_url = f"http://127.0.0.1:{port}/v1/webhooks/{practice}"
        config = _configured(base, storage, simulators, folder / "keys", port)
        path = folder / "serve_config.yaml"
        path.write_text(yaml.safe_dump(config))
        yield Stage(scenes, simulators, database, path, f"http://127.0.0.1:{port}", environment, keys)


def _set_modes(database: Database, scenes: tuple[Scene, ...]) -> None:
    with database.write() as session:
        for scene in scenes:
            row = Rollout(tenant=scene.practice, specialty="", mode=scene.mode, threshold=0.95, families=[], figures={})
            row.maximum_a_day, row.approved_by, row.approved_at = 0, None, None
            session.add(row)


def _configured(
    base: Mapping[str, Any], storage: StorageSettings, simulators: Mapping[str, Simulator], keys: Path, port: int
) -> dict[str, Any]:
    application, *others = base["applications"]
    platforms = {
        practice: {
            "adapter": simulator.name,
            "base_url": simulator.base_url,
            "tenant": practice,
            "credentials_env": f"{practice.upper()}_CREDENTIALS",
            "webhook_secret_env": f"{practice.upper()}_SECRET",
        }
        for practice, simulator in simulators.items()
    }
    args = dict(application.get("args", {}))
    args["gateway"] = {**args.get("gateway", {}), "host": "127.0.0.1", "port": port, "keys_file": str(keys)}
    args["storage"] = {"url": storage.url, "keys_file": str(storage.keys_file)}
    args["platforms"] = platforms
    args["worker"] = {"gateway": f"http://127.0.0.1:{port}", "poll_s": 0.2}
    load_settings(args)
    options = {**base.get("http_options", {}), "host": "127.0.0.1", "port": port}
    return {**base, "http_options": options, "applications": [{**application, "args": args}, *others]}
