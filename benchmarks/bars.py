"""What the project asks of itself, held against a run: one row a bar, met or missed or not measured."""

from __future__ import annotations

import math
from typing import Any

from benchmarks import results

Row = tuple[str, str, float, str]
OVER_CEILING, OVER_NAIVE, OVER_TWO_PROCESSES, SERVING_MS, HALF_LOAD = 0.9, 3.0, 1.0, 5.0, 5.0


def rows(raw: dict[str, Any], cores: int) -> list[Row]:
    """Bar, what is asked, what was measured (nan: not measured), the verdict."""
    speed = {name: results.most(arm["blocks"]) for name, arm in raw.items() if arm.get("blocks")}
    own = speed.get("codeserve", math.nan)
    ceiling = results.ceilings(raw["offline"]["passes"], cores)["all"] if "offline" in raw else math.nan
    single = results.serving_cpu_ms(raw["replay"]["blocks"]) if "replay" in raw else []
    return [
        _least("codeserve over the offline ceiling with its rules and retrieval", OVER_CEILING, own / ceiling),
        _least("codeserve over the naive server", OVER_NAIVE, own / speed.get("naive", math.nan)),
        _least("codeserve over `vllm serve`", OVER_TWO_PROCESSES, own / speed.get("two-processes", math.nan)),
        _most("CPU ms a note of the serving layer, p50", SERVING_MS, results.quantile(single, 0.5)),
        _most("p99 at half load over p99 of an idle server", HALF_LOAD, _half_load(raw)),
    ]


def _half_load(raw: dict[str, Any]) -> float:
    blocks = raw.get("codeserve", {}).get("blocks", [])
    half = results.pooled(results.at(blocks, "open", share=0.5))
    return results.quantile(half, 0.99) / results.quantile(results.pooled(results.at(blocks, "closed", 1)), 0.99)


def _least(bar: str, wanted: float, measured: float) -> Row:
    return bar, f"≥ {wanted:g}", measured, _verdict(measured >= wanted, measured)


def _most(bar: str, wanted: float, measured: float) -> Row:
    return bar, f"≤ {wanted:g}", measured, _verdict(measured <= wanted, measured)


def _verdict(met: bool, measured: float) -> str:
    return "not measured" if math.isnan(measured) else "met" if met else "missed"
