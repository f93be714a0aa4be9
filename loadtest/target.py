"""Where the load may go: this machine, unless its owner says that another one may be loaded."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from codeserve.errors import SetupError
from codeserve.loopback import is_loopback
from loadtest.scenario import path_of

SCENARIO, MINUTES, KEYS, OUT, OWN_HOST = (
    f"LOADTEST_{name}" for name in ("SCENARIO", "MINUTES", "KEYS", "OUT", "OWN_HOST")
)


def refuse_foreign(url: str, own_host: bool) -> None:
    """A load test of someone else's server is an attack, and a wrong address is quickly typed. Raises SetupError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SetupError("the address is not http://HOST:PORT or https://HOST")
    if not own_host and not is_loopback(parts.hostname):
        raise SetupError(
            f"{parts.hostname} is not this machine", hint="--own-host says that it is yours and may be loaded"
        )


def read_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The secret of each API key by its name. Raises SetupError."""
    try:
        keys = json.loads(environment.get(KEYS, "{}"))
    except ValueError:
        keys = None
    if not isinstance(keys, dict) or not all(isinstance(one, str) for one in keys.values()):
        raise SetupError(f"{KEYS} is not a JSON object", hint='{"front-desk": "cs_…"}')
    return keys


@dataclass(frozen=True, slots=True)
class Order:
    """What a Locust process is told through its environment: master and workers read the same."""

    scenario: Path
    minutes: float | None
    keys: Mapping[str, str]
    out: Path | None
    own_host: bool

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Order:
        """Raises SetupError."""
        try:
            minutes = float(environment[MINUTES]) if environment.get(MINUTES) else None
        except ValueError:
            raise SetupError(f"{MINUTES} is not a number") from None
        out = environment.get(OUT)
        return cls(
            path_of(environment.get(SCENARIO, "")),
            minutes,
            read_keys(environment),
            Path(out) if out else None,
            environment.get(OWN_HOST) == "1",
        )

    def environment(self) -> dict[str, str]:
        return {
            SCENARIO: str(self.scenario),
            MINUTES: "" if self.minutes is None else str(self.minutes),
            KEYS: json.dumps(dict(self.keys)),
            OUT: str(self.out or ""),
            OWN_HOST: "1" if self.own_host else "0",
        }
