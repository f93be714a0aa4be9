"""From raw blocks to figures. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

# The processes that carry a request, and the ones that Ray runs beside them whether or not requests come.
SERVING = ("ProxyActor", "Gateway", "EntityTagger", "Reasoner")
Block = dict[str, Any]


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; nan of none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def latencies(block: Block) -> list[float]:
    """Seconds from the due arrival to the answer, of the notes that came due after the warm-up and were answered."""
    return [one["done"] - one["due"] for one in block["sent"] if one["status"] == 200 and one["due"] >= 0]


def notes_per_s(block: Block) -> float:
    """Answers that came within the block, whenever they came due: else a closed loop would lose a note a caller."""
    return sum(one["status"] == 200 and one["done"] <= block["seconds"] for one in block["sent"]) / block["seconds"]


def others(block: Block, warm_s: float) -> float:
    """Cores that other programs kept busy, from the warm-up's begin to the last answer."""
    wall = block.get("wall_s") or warm_s + max((one["done"] for one in block["sent"]), default=block["seconds"])
    return float(block["others_cpu_s"] / wall)


def goodput(block: Block, slo_s: float) -> float:
    """Notes a second that came due within the block and were answered within the SLO."""
    due = [one for one in block["sent"] if one["due"] >= 0]
    within = sum(one["status"] == 200 and one["done"] - one["due"] <= slo_s for one in due)
    return within / block["seconds"]


def at(blocks: Sequence[Block], mode: str, level: float | None = None, share: float | None = None) -> list[Block]:
    """The repetitions of one load."""
    return [
        b
        for b in blocks
        if b["mode"] == mode
        and (level is None or b["level"] == level)
        and (share is None or b.get("share") == share)
        and not any("cpu_s" in one for one in b["sent"])
    ]


def levels(blocks: Sequence[Block], mode: str) -> list[float]:
    return sorted({b["level"] for b in at(blocks, mode)})


def middle(blocks: Sequence[Block]) -> float:
    """The median of the repetitions' notes a second."""
    return statistics.median(map(notes_per_s, blocks)) if blocks else float("nan")


def most(blocks: Sequence[Block]) -> float:
    """The closed loop's best level."""
    return max((middle(at(blocks, "closed", level)) for level in levels(blocks, "closed")), default=float("nan"))


def pooled(blocks: Sequence[Block]) -> list[float]:
    return [seconds for block in blocks for seconds in latencies(block)]


def stages(blocks: Sequence[Block]) -> dict[str, float]:
    """Median milliseconds by stage, of Server-Timing."""
    seen: dict[str, list[float]] = {}
    for block in blocks:
        for one in block["sent"]:
            for name, ms in one.get("stages_ms", {}).items():
                seen.setdefault(name, []).append(ms)
    return {name: statistics.median(values) for name, values in seen.items()}


def cpu_per_note(blocks: Sequence[Block]) -> dict[str, float]:
    """Mean CPU milliseconds a note by kind of process, warm-up included."""
    notes = sum(block["answered"] for block in blocks)
    kinds = sorted({kind for block in blocks for kind in block["server_cpu_s"]})
    return {
        kind: 1000 * sum(block["server_cpu_s"].get(kind, 0.0) for block in blocks) / max(notes, 1) for kind in kinds
    }


def serving_cpu_ms(blocks: Sequence[Block]) -> list[float]:
    """CPU milliseconds of the serving processes around each single note, of blocks that watched it."""
    return [1000 * sum(one["cpu_s"].values()) for block in blocks for one in block["sent"] if one.get("cpu_s")]


def ceilings(passes: Sequence[dict[str, Any]], cores: int) -> dict[str, float]:
    """Notes a second without a server: of the models alone, and with the work between them spread over all cores.

    Of each phase the quickest pass counts: what others do on the machine can only slow a phase down.
    """
    walls = {phase: min(one["wall_s"][phase] for one in passes) for phase in passes[0]["wall_s"]}
    models = walls["tag"] + walls["generate"]
    between = sum(walls.values()) - models
    notes = passes[0]["notes"]
    return {
        "models": notes / models,
        "all": notes / (models + between / cores),
        "all_one_after_another": notes / (models + between),
    }


def codes(answer: dict[str, Any]) -> tuple[tuple[str, ...], ...]:
    """What a claim would hold of an answer."""
    em = answer.get("em") or {}
    return (
        tuple(d["code"] for d in answer["diagnosis_codes"]),
        tuple(p["code"] for p in answer["procedure_codes"]),
        (str(em.get("code")),),
    )


def same_codes(one: dict[str, Any], other: dict[str, Any]) -> tuple[int, int]:
    """Of the notes that both arms answered: how many with the same codes, and how many there are."""
    both = one.keys() & other.keys()
    return sum(codes(one[key]) == codes(other[key]) for key in both), len(both)


def profile(blocks: Sequence[Block], name: str, measured: str, cores: int, memory_gib: float) -> dict[str, Any]:
    """The closed loop as `codeserve capacity --profile FILE` reads it; `works`: an idle server's seconds a note."""
    idle: dict[int, list[float]] = {}
    for block in at(blocks, "closed", min(levels(blocks, "closed"))):
        for sent in block["sent"]:
            idle.setdefault(sent["note"], []).append(sent["done"] - sent["due"])
    return {
        "name": name,
        "measured": measured,
        "closed_loop": [
            {"notes": int(level), "notes_per_s": round(middle(at(blocks, "closed", level)), 3)}
            for level in levels(blocks, "closed")
        ],
        "works": [round(statistics.median(seconds), 4) for seconds in idle.values()] or [1.0],
        "cores": cores,
        "gpus": 0,
        "memory_gib": round(memory_gib, 1),
    }
