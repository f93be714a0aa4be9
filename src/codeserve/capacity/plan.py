"""From notes a day and a wish for the slowest to replicas, cores, GPUs and cost."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from codeserve.capacity.simulation import Curve, Run, simulate
from codeserve.config import Settings
from codeserve.errors import SetupError

MOST_REPLICAS = 512
HOURS_A_MONTH = 730
SECONDS_AN_HOUR = 3600.0


class Level(Settings):
    """One level of a closed loop: `notes` at once gave `notes_per_s`."""

    notes: PositiveInt
    notes_per_s: PositiveFloat


class Profile(Settings):
    """One whole chain (gateway, tagger, reasoner) as measured. `works`: what notes cost, in any one unit; the rest is
    what a chain takes, and `measured` the command, machine and date."""

    name: str
    closed_loop: Annotated[tuple[Level, ...], Field(min_length=1)]
    works: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    cores: PositiveFloat
    gpus: Annotated[float, Field(ge=0)]
    memory_gib: PositiveFloat
    measured: str

    @classmethod
    def load(cls, path: Path | None = None) -> Profile:
        """A profile file, or the shipped one. Raises SetupError that names what is wrong."""
        source = path or files("codeserve").joinpath("data", "capacity", "cpu_2_cores.json")
        hint = "`make bench` writes one"
        try:
            return cls.model_validate_json(source.read_bytes())
        except OSError:
            raise SetupError("the profile cannot be read", hint=hint) from None
        except ValidationError as error:
            keys = ", ".join(".".join(map(str, e["loc"])) or "JSON" for e in error.errors())
            raise SetupError(f"the profile is not of the right form: {keys}", hint=hint) from None

    @property
    def curve(self) -> Curve:
        return Curve(tuple(sorted((level.notes, level.notes_per_s) for level in self.closed_loop)))


@dataclass(frozen=True, slots=True)
class Wish:
    """`busiest_hour`: the share of a day's notes that comes in its busiest hour; `spare`: replicas that may be lost or
    updated at that hour; `slots`: notes that each chain's gateway has at once, at work and in line; `price`: of one
    chain an hour."""

    notes_per_day: float
    p99_s: float
    busiest_hour: float = 0.15
    spare: int = 1
    slots: int = 48
    price: float | None = None

    @property
    def rate(self) -> float:
        """Notes a second in the busiest hour."""
        return self.notes_per_day * self.busiest_hour / SECONDS_AN_HOUR


@dataclass(frozen=True, slots=True)
class Plan:
    """`replicas` chains with the spare ones; `busy`: share of their speed in the busiest hour, without the spare."""

    replicas: int
    busy: float
    p50_s: float
    p99_s: float
    cores: float
    gpus: float
    memory_gib: float
    cost_a_month: float | None
    cost_a_note: float | None


def plan(wish: Wish, profile: Profile) -> Plan:
    """The fewest chains that meet the wish in the busiest hour. Raises SetupError where no number does."""
    least = max(1, int(wish.rate / profile.curve.most) + 1)
    alone = _run(Wish(wish.notes_per_day, wish.p99_s, slots=wish.slots), profile, rate=1e-3, replicas=1)
    if alone.quantile(0.99) > wish.p99_s:
        raise SetupError(
            f"even alone on an idle chain the slowest notes take {alone.quantile(0.99):.1f} s",
            hint="ask for a longer p99, or measure a quicker machine",
        )
    for replicas in range(least, MOST_REPLICAS + 1):
        run = _run(wish, profile, wish.rate, replicas)
        if not run.refused and run.quantile(0.99) <= wish.p99_s:
            return _priced(wish, profile, replicas, run)
    raise SetupError(f"{MOST_REPLICAS} chains are not enough")


def _run(wish: Wish, profile: Profile, rate: float, replicas: int) -> Run:
    return simulate(rate, profile.curve, replicas, wish.slots * replicas, profile.works)


def _priced(wish: Wish, profile: Profile, replicas: int, run: Run) -> Plan:
    whole = replicas + wish.spare
    month = wish.price * HOURS_A_MONTH * whole if wish.price is not None else None
    return Plan(
        replicas=whole,
        busy=wish.rate / (replicas * profile.curve.most),
        p50_s=run.quantile(0.5),
        p99_s=run.quantile(0.99),
        cores=whole * profile.cores,
        gpus=whole * profile.gpus,
        memory_gib=whole * profile.memory_gib,
        cost_a_month=month,
        cost_a_note=month / (wish.notes_per_day * HOURS_A_MONTH / 24) if month is not None else None,
    )
