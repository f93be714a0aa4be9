"""docs/benchmarks.md out of a run's raw results."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import bars, plots, results
from codeserve.artifacts import write_whole
from codeserve.capacity.simulation import Curve, simulate

SLO_S = 10.0
PLACES = 48  # notes that the gateway of serve_config.yaml has at once: at work and in line
HEAD = """# Benchmarks

Made by `python -m benchmarks report` from the raw results of one run (`make bench`); the words around the figures stand
in `benchmarks/report.py`. Machines differ and this one was shared: compare figures of one run only.

Notes: the 15 examples and our 144 gold notes (mean 789 characters), in a fixed shuffled order, the same in all arms;
rules, prompts, gate, weights and engine settings are the same too. The load generator is a process of its own on the
same cores; latency counts from the moment a note was due. Every block has its own warm-up, which is not counted. Notes
repeat, so in long runs vLLM's prefix cache knows some prompts from before; the offline arm empties it before each pass.
A row's figure is the median of its repetitions, and the ceiling the quickest of each phase: others can only slow it
down. "Cores used by others" is what the machine's other programs took meanwhile; where it is not near 0, the row is
lower than a quiet machine would give.
"""
ARMS = {
    "offline": "(a) offline ceiling: no server, phase by phase, every model phase on all cores",
    "naive": "(b) FastAPI, Hugging Face pipeline and `model.generate`, one note and one prompt at a time",
    "two-processes": "(c) FastAPI with the tagger, `vllm serve` beside it; no admission, deadline or drain",
    "codeserve": "(d) codeserve",
    "pooled": "(e) codeserve with the tagger inside vLLM's pooling runner",
    "no-gate": "codeserve without the gate: every diagnosis is asked of the LLM",
    "replay": "codeserve with recorded answers in the models' place: the serving layer alone",
}


def write(run: Path, page: Path) -> None:
    """The page, its plots beside it, and the capacity profile in the run's folder."""
    parts = [HEAD]
    for models in ("real", "tiny"):
        if (run / models / "raw").is_dir():
            parts += _models(run / models, models, page.parent / "benchmarks")
    write_whole(page, ["\n".join(parts).encode()], mode=0o644)


def _models(folder: Path, models: str, pictures: Path) -> Iterator[str]:
    raw = {file.stem: json.loads(file.read_text()) for file in sorted((folder / "raw").glob("*.json"))}
    runs = [json.loads(line) for line in (folder / "run.jsonl").read_text().splitlines()] if raw else []
    title = {"real": "The real models", "tiny": "A tiny pair: the serving layer is the cost"}[models]
    yield f"\n## {title}\n"
    if runs:
        yield _circumstances(runs)
        remarks = folder / "remarks.md"  # what whoever measured has to say of this run
        yield remarks.read_text() if remarks.is_file() else ""
        yield "### Bars\n"
        yield _table(("bar", "asked", "measured", ""), bars.rows(raw, runs[-1]["machine"]["cores"]))
    yield _arms(raw, runs)
    if "codeserve" in raw:
        yield from _service(raw["codeserve"]["blocks"], folder, models, pictures, runs)
    if "replay" in raw:
        yield _serving(raw["replay"]["blocks"])
    for name, part in (("growth", _growth), ("replicas", _replicas), ("soak", _soak)):
        if name in raw:
            yield part(raw[name])


def _circumstances(runs: Sequence[dict[str, Any]]) -> str:
    last = {run["arm"]: run for run in runs}
    machine = runs[-1]["machine"]
    loads = ", ".join(f"{name} {run['machine']['load_average'][0]:.1f}" for name, run in last.items())
    commands = "; ".join(f"`{command}`" for command in dict.fromkeys(run["command"] for run in last.values()))
    return (
        f"{runs[-1]['began'][:10]}, {machine['cores']} cores ({machine['cpu']}, "
        f"{', '.join(machine['has']) or 'no bf16'}), no GPU, {machine['memory_gib']} GiB. {commands}. "
        f"Load average at each arm's end: {loads}.\n"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return "–" if math.isnan(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        return str(value)

    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(cell, row)) + " |" for row in rows]) + "\n"


def _arms(raw: dict[str, Any], runs: Sequence[dict[str, Any]]) -> str:
    speeds = {name: results.most(arm["blocks"]) for name, arm in raw.items() if arm.get("blocks")}
    own = speeds.get("codeserve", math.nan)
    answers = raw.get("codeserve", {}).get("answers", {})
    rows: list[list[object]] = []
    if "offline" in raw:
        top = results.ceilings(raw["offline"]["passes"], runs[-1]["machine"]["cores"])
        told = {
            "models": "(a) offline ceiling, the models' time alone",
            "all": "(a) with rules and retrieval, spread over all cores",
            "all_one_after_another": "(a) with rules and retrieval on one core after the models",
        }
        rows += [[told[kind], speed, "–", "–", own / speed, "–"] for kind, speed in top.items()]
    for name, speed in speeds.items():
        saturated = [b for b in raw[name]["blocks"] if b["mode"] == "closed"]
        spread = [results.notes_per_s(b) for b in results.at(saturated, "closed", _best(saturated))]
        warm = {run["arm"]: run["warm_s"] for run in runs}[name]
        busy = statistics.mean(results.others(b, warm) for b in results.at(saturated, "closed", _best(saturated)))
        same = results.same_codes(raw[name]["answers"], answers) if name not in ("codeserve", "replay") else None
        agree = f"{same[0]} of {same[1]}" if same and same[1] else "–"
        rows.append([ARMS[name], speed, f"{min(spread):.2f} to {max(spread):.2f}", busy, own / speed, agree])
    head = ("arm", "notes/s", "repetitions", "cores used by others", "codeserve is … times", "same codes as codeserve")
    text = "### Saturated\n\n" + _table(head, rows)
    if "offline" in raw:
        text += "\n" + _tokens(raw["offline"]["passes"][-1])
    return text + "\n" + _cpu(raw)


def _best(blocks: Sequence[results.Block]) -> float:
    return max(results.levels(blocks, "closed"), key=lambda level: results.middle(results.at(blocks, "closed", level)))


def _tokens(one: dict[str, Any]) -> str:
    notes, prompts, cached = one["notes"], one["prompt_tokens"], one["cached_tokens"]
    return (
        f"LLM: {one['prompts'] / notes:.1f} prompts and {prompts / notes:.0f} prompt tokens a note, of which the "
        f"prefix cache gave {cached / prompts:.0%}; {(prompts - cached) / notes:.0f} tokens computed a note (empty "
        "cache).\n"
    )


def _cpu(raw: dict[str, Any]) -> str:
    """Mean CPU milliseconds a note by kind of process, at saturation."""
    names = [name for name, arm in raw.items() if arm.get("blocks")]
    used = {}
    for name in names:
        blocks = results.at(raw[name]["blocks"], "closed", _best(raw[name]["blocks"]))
        used[name] = results.cpu_per_note(blocks)
        notes = sum(block["answered"] for block in blocks)
        used[name]["load generator"] = 1000 * sum(block["generator_cpu_s"] for block in blocks) / max(notes, 1)
    kinds = sorted(
        {kind for row in used.values() for kind in row}, key=lambda k: -max(r.get(k, 0) for r in used.values())
    )
    rows = [[kind, *(used[name].get(kind, math.nan) for name in names)] for kind in kinds]
    rows.append(["sum without the generator", *(sum(used[n].values()) - used[n]["load generator"] for n in names)])
    return "CPU milliseconds a note by process, saturated:\n\n" + _table(("process", *names), rows)


def _service(
    blocks: Sequence[results.Block], folder: Path, models: str, pictures: Path, runs: Sequence[dict[str, Any]]
) -> Iterator[str]:
    rows = []
    for level in results.levels(blocks, "closed"):
        some = results.at(blocks, "closed", level)
        seconds = results.pooled(some)
        rows.append(
            [int(level), results.middle(some), *(results.quantile(seconds, q) for q in (0.5, 0.95, 0.99)), len(seconds)]
        )
    yield "### codeserve, closed loop\n"
    yield _table(("callers", "notes/s", "p50 s", "p95 s", "p99 s", "answers"), rows)
    shipped = _profile(blocks, folder, models, runs)
    yield from _open(blocks, shipped, models, pictures)
    stages = {
        f"{int(level)} callers": results.stages(results.at(blocks, "closed", level))
        for level in results.levels(blocks, "closed")
    }
    for row in stages.values():
        row.pop("total", None)
    plots.bars(pictures / f"{models}_stages.png", "milliseconds (medians)", stages)
    yield f"![time by stage](benchmarks/{models}_stages.png)\n"


def _profile(
    blocks: Sequence[results.Block], folder: Path, models: str, runs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    run = next(one for one in reversed(runs) if one["arm"] == "codeserve")
    cores = run["machine"]["cores"]
    place = f"{cores} cores ({run['machine']['cpu']}), {run['began'][:10]}"
    measured = f"{run['command']}, {place}; the load generator shared the cores"
    profile = results.profile(blocks, f"{models} models, {cores} cores, no GPU", measured, cores, 8)
    (folder / "profile.json").write_text(json.dumps(profile, indent=1) + "\n")
    return profile


def _open(blocks: Sequence[results.Block], profile: dict[str, Any], models: str, pictures: Path) -> Iterator[str]:
    curve = Curve(tuple((one["notes"], one["notes_per_s"]) for one in profile["closed_loop"]))
    idle = results.pooled(results.at(blocks, "closed", 1))
    rows: list[list[object]] = []
    got: dict[str, list[tuple[float, float]]] = {name: [] for name in ("p50", "p99", "predicted p50", "predicted p99")}
    through: list[tuple[float, float]] = []
    good: list[tuple[float, float]] = []
    for rate in results.levels(blocks, "open"):
        some = results.at(blocks, "open", rate)
        seconds = results.pooled(some)
        told = simulate(rate, curve, 1, PLACES, profile["works"], arrivals=4000)
        pairs = {
            "p50": results.quantile(seconds, 0.5),
            "p99": results.quantile(seconds, 0.99),
            "predicted p50": told.quantile(0.5),
            "predicted p99": told.quantile(0.99),
        }
        for name, value in pairs.items():
            got[name].append((rate, value))
        through.append((rate, results.middle(some)))
        good.append((rate, statistics.median(results.goodput(b, SLO_S) for b in some)))
        refused = sum(one["status"] != 200 for b in some for one in b["sent"])
        rows.append(
            [
                f"{some[0]['share']:.0%}",
                rate,
                through[-1][1],
                good[-1][1],
                *pairs.values(),
                f"{refused} of {refused + len(seconds)}",
            ]
        )
    if not rows:
        return
    yield "### codeserve, open loop (Poisson)\n"
    yield (
        "Predicted: a processor-sharing queue calibrated with the closed loop above (`codeserve.capacity.simulation`). "
        f"Goodput: answered within {SLO_S:g} s. One caller alone: p50 {results.quantile(idle, 0.5):.2f} s, p99 "
        f"{results.quantile(idle, 0.99):.2f} s.\n"
    )
    head = (
        "of saturation",
        "notes/s due",
        "answered/s",
        "goodput/s",
        "p50 s",
        "p99 s",
        "predicted p50",
        "predicted p99",
        "refused or lost",
    )
    yield _table(head, rows)
    plots.lines(
        pictures / f"{models}_throughput.png",
        "notes due per second",
        "notes per second",
        {"answered": through, f"goodput ({SLO_S:g} s)": good, "due": [(x, x) for x, _ in through]},
        ("due",),
    )
    plots.lines(
        pictures / f"{models}_latency.png", "notes due per second", "seconds", got, ("predicted p50", "predicted p99")
    )
    for what in ("throughput", "latency"):
        yield f"![{what} over load](benchmarks/{models}_{what}.png)\n"


def _serving(blocks: Sequence[results.Block]) -> str:
    single = results.serving_cpu_ms(blocks)
    parts: dict[str, list[float]] = {}
    for block in blocks:
        for one in block["sent"]:
            for kind, seconds in one.get("cpu_s", {}).items():
                parts.setdefault(kind, []).append(1000 * seconds)
    told = ", ".join(f"{kind} {statistics.median(values):.1f}" for kind, values in parts.items())
    return (
        "### The serving layer's own CPU\n\n"
        "Framework, transport and JSON, with the models' and the rules' work replaced by recorded answers, one caller: "
        f"p50 {results.quantile(single, 0.5):.1f} ms, p95 {results.quantile(single, 0.95):.1f} ms of CPU a note in "
        "proxy, gateway and both stages "
        f"({len(single)} notes; threads' CPU time from the scheduler). Medians by process: {told}.\n"
    )


def _growth(raw: dict[str, Any]) -> str:
    rows = []
    for row in raw["rows"]:
        took = [one["done"] - one["sent"] for one in row["sent"] if one["status"] == 200]
        cpu = sum(row["server_cpu_s"].values()) / max(len(took), 1)
        rows.append(
            [
                row["characters"],
                statistics.median(took) if took else math.nan,
                cpu,
                1000 * cpu * 1000 / row["characters"],
            ]
        )
    head = ("characters", "seconds (median of 3)", "CPU seconds", "CPU ms per 1,000 characters")
    return "### Cost over length, one caller\n\n" + _table(head, rows)


def _replicas(raw: dict[str, Any]) -> str:
    own = [row for row in raw["rows"] if "reasoners" in row]
    stubs = [row for row in raw["rows"] if "stub_engines" in row]
    one = _table(
        ("taggers", "reasoners", "notes/s", "resident MiB"),
        [[row["taggers"], row["reasoners"], results.middle(row["blocks"]), _resident(row)] for row in own],
    )
    told = "Stub engines use no core, as GPUs elsewhere: what is missing to what they could do is the serving layer's."
    head = ("stub engines", "notes/s they could do", "notes/s", "of it", "CPU ms a note", "resident MiB")
    return f"### Replicas on the same cores\n\n{one}\n{told}\n\n{_table(head, [_stub(row) for row in stubs])}"


def _stub(row: dict[str, Any]) -> list[float]:
    speed, due = results.middle(row["blocks"]), row["engines_due_per_s"]
    cpu = results.cpu_per_note(row["blocks"])
    return [row["stub_engines"], due, speed, speed / due, sum(cpu.values()), _resident(row)]


def _resident(row: dict[str, Any]) -> int:
    return sum(row["memory_mib"].values())


def _soak(raw: dict[str, Any]) -> str:
    rows = raw["rows"]
    first, last = rows[0]["memory_mib"], rows[-1]["memory_mib"]
    lost = sum(one["status"] != 200 for row in rows for one in row["sent"])
    notes = sum(len(row["sent"]) for row in rows)
    table = _table(
        ("process", "MiB at first", "MiB at last"), [[kind, first.get(kind, 0), last[kind]] for kind in last]
    )
    seconds = sum(row["seconds"] for row in rows)
    told = f"{seconds:.0f} s at {rows[0]['level']:.2f} notes/s: {notes} notes, {lost} not answered."
    return f"### Soak\n\n{told}\n\n{table}"
