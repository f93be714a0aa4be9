"""From notes a day and a wish for the slowest to replicas, cores, GPUs and cost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from codeserve.capacity.simulation import Curve, Run, simulate
from codeserve.errors import SetupError

MOST_REPLICAS = 512
HOURS_A_MONTH = 730
SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Profile:
    """One whole chain (gateway, tagger, reasoner) as measured: `curve`, `works` as in the simulation, what it takes,
    and `measured`: command, machine and date."""

    name: str
    curve: Curve
    works: tuple[float, ...]
    cores: float
    gpus: float
    memory_gib: float
    measured: str

    @classmethod
    def load(cls, path: Path | None = None) -> Profile:
        """A profile file, or the shipped one. Raises SetupError that names what is wrong."""
        source = path or files("codeserve").joinpath("data", "capacity", "cpu_2_cores.json")
        try:
            read = json.loads(source.read_text(encoding="utf-8"))
            points = tuple(sorted((int(p["notes"]), float(p["notes_per_s"])) for p in read["closed_loop"]))
            works = tuple(float(work) for work in read["works"])
            if not points or not works or min(*works, *(v for point in points for v in point)) <= 0:
                raise ValueError("numbers above 0 are needed")
            sizes = (float(read[key]) for key in ("cores", "gpus", "memory_gib"))
            return cls(str(read["name"]), Curve(points), works, *sizes, str(read["measured"]))
        except OSError:
            raise SetupError("the profile cannot be read", hint="`make bench` writes one") from None
        except (KeyError, TypeError, ValueError) as error:
            raise SetupError(
                f"the profile is not of the right form ({error})", hint="`make bench` writes one"
            ) from None


@dataclass(frozen=True, slots=True)
class Wish:
    """`busiest_hour`: the share of a day's notes that comes in its busiest hour; `spare`: replicas that may be lost or
    updated at that hour; `slots`: notes admitted at once for each chain; `price`: of one chain an hour."""

    notes_per_day: float
    p99_s: float
    busiest_hour: float = 0.15
    spare: int = 1
    slots: int = 64
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
