"""A scenario: who sends what how often over the run, and what they must get. A YAML file, checked to the last key."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, StringConstraints, ValidationError, model_validator

from codeserve.config import PriorityName, Settings
from codeserve.errors import SetupError
from loadtest.misuse import MISUSES

FOLDER = Path(__file__).parent / "scenarios"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=600)]


class Objectives(Settings):
    """What one kind of traffic must get. Shares are of all requests that it sent.

    `within_s`: a proper answer counts as good up to so many seconds after its request was due. `p95_s`: of proper
    answers. `errors`: at most this share may be neither answered properly nor refused with Retry-After. `goodput`: at
    least this share must be good. `refused`: at most this share may be refused.
    """

    within_s: Seconds
    p95_s: Seconds | None = None
    errors: Share = 0.0
    goodput: Share | None = None
    refused: Share | None = None


class Traffic(Settings):
    """Users of one kind. `users`: at the peak. `every_s`: seconds between a user's requests in the mean (a Poisson
    process); none: the next as soon as the last is answered. `key`: the name of its API key. `part`: the share of the
    run in which it sends. `characters`: notes of these lengths instead of the usual ones. `misuse`: sends these
    instead of proper requests."""

    users: int = Field(ge=1, le=500)
    every_s: Seconds | None = None
    key: Name
    priority: PriorityName | None = None
    timeout_s: Seconds = 60
    part: tuple[Share, Share] = (0.0, 1.0)
    characters: tuple[Annotated[int, Field(ge=200, le=200_000)], ...] = ()
    misuse: tuple[str, ...] = ()
    slo: Objectives

    @model_validator(mode="after")
    def _makes_sense(self) -> Traffic:
        if self.part[0] >= self.part[1]:
            raise ValueError("part must begin before it ends")
        if unknown := set(self.misuse) - MISUSES.keys():
            raise ValueError(f"misuse {', '.join(sorted(unknown))} is not one of {', '.join(MISUSES)}")
        if self.misuse and self.every_s is None:
            raise ValueError("misuse needs every_s: nothing holds it back")
        return self


class Scenario(Settings):
    """`curve`: points of (time, share of the users), from the first to the last in `minutes`, with straight lines
    between; the times may be hours of a day. `admission`: what the service's configuration says of keys and lines."""

    about: str
    minutes: float = Field(gt=0, le=120)
    curve: tuple[tuple[float, Share], ...] = Field(((0.0, 1.0), (1.0, 1.0)), min_length=2)
    max_requests: int = Field(20_000, ge=1, le=500_000)
    seed: int = 0
    admission: dict[str, Any] = Field(default_factory=dict)
    traffic: dict[Name, Traffic] = Field(min_length=1)

    @model_validator(mode="after")
    def _times_rise(self) -> Scenario:
        times = [at for at, _ in self.curve]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError("the times of curve must rise")
        if not any(share for _, share in self.curve):
            raise ValueError("curve is nothing all the time")
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.key for one in self.traffic.values()))


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def path_of(name: str) -> Path:
    """Of one of ours by its name, or of any YAML file."""
    return Path(name).absolute() if name.endswith((".yaml", ".yml")) else FOLDER / f"{name}.yaml"


def load(path: Path, minutes: float | None = None) -> Scenario:
    """`minutes` takes the place of its own. Raises SetupError that names each wrong key."""
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
        values = {**read, "minutes": minutes} if minutes is not None and isinstance(read, dict) else read
        return Scenario.model_validate(values)
    except FileNotFoundError:
        raise SetupError(
            f"there is no scenario {path.stem}", hint=f"one of {', '.join(names())}, or a YAML file"
        ) from None
    except yaml.YAMLError as error:
        raise SetupError(f"{path.name} is not YAML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise SetupError(f"{path.name}: {wrong}") from None
