"""How long the coders' queue takes to answer with many open items, through the whole application.

    python -m benchmarks.worklist                                    # SQLite, in a folder that goes with it
    python -m benchmarks.worklist --url postgresql://postgres@127.0.0.1:5432/empty --items 10000

The database is filled with items of one practice, a tenth of them claimed, some of these long ago; that of `--url` must
be empty. Each kind of request is sent `--requests` times, one after the other. Told are milliseconds until the answer,
and those of the CPU, which a busy machine stretches less.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.progress import track
from rich.table import Table

from codeserve.api.app import create_app
from codeserve.api.stored import Stored
from codeserve.config import GatewaySettings
from codeserve.intake.platforms import Platforms
from codeserve.storage import keyfile, migrate
from codeserve.storage.engine import Database
from codeserve.storage.sealing import seal, seal_json
from codeserve.storage.tables import Document, Suggestion, WorklistItem

TENANT = "default"  # of whoever calls without a key from loopback
SPECIALTIES = ("cardiology", "family medicine", "orthopedics", "dermatology", "endocrinology")
BAR_MS = 50.0
BATCH = 500
KINDS: dict[str, dict[str, Any]] = {
    "first page": {},
    "a later page": {"cursor": "later"},
    "200 items": {"limit": 200},
    "one specialty": {"specialty": "orthopedics"},
    "low confidence": {"max_confidence": 0.2},
    "findings and amount": {"min_findings": 3, "min_amount": 300},
    "claimed": {"state": "claimed"},
    "mine, of none": {"state": "claimed", "mine": True},
}


def fill(database: Database, number: int) -> None:
    """Open items with priorities, specialties, findings and amounts at random, the same in every run."""
    rng, at = random.Random(5), datetime.now(UTC)
    for first in track(range(0, number, BATCH), description="items"):
        with database.write() as session:
            rows = [_rows(database, rng, at, n) for n in range(first, min(first + BATCH, number))]
            for kind in zip(*rows, strict=True):
                session.add_all(kind)
                session.flush()


def _rows(database: Database, rng: random.Random, at: datetime, number: int) -> tuple[Any, ...]:
    about = Document(tenant=TENANT, platform="clinic", external_id=f"d{number}", version="1", note_sha256="0" * 64)
    seal(database.keys, about, "note", "a note " * 100)
    made = Suggestion(tenant=TENANT, document_id=about.id, versions={}, mode="assisted", route="review", reasons=[])
    seal_json(database.keys, made, "response", {"diagnosis_codes": ["X"] * 200})
    item = WorklistItem(tenant=TENANT, document_id=about.id, suggestion_id=made.id, encounter_id=f"e{number}")
    item.priority, item.specialty = round(rng.random() * 100, 2), rng.choice(SPECIALTIES)
    item.reasons = ["1 error, 2 warnings: a-rule, another-rule (+25.0)", "lowest confidence 0.62 (+9.5)"]
    item.findings, item.lowest_confidence = rng.randrange(5), round(rng.random(), 4)
    item.expected_amount = rng.randrange(5_000, 60_000)
    if number % 10 == 0:
        item.state, item.claimed_by = "claimed", "somebody"
        item.lease_until = at + timedelta(minutes=rng.choice((-60, 240)))
    return about, made, item


async def ask(app: Any, requests: int) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds of each request, by kind: until the answer, and of the CPU."""
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://codeserve") as http:
        cursor = None
        for _ in range(20):
            page = (
                await http.get("/v1/worklist", params={"limit": 200, **({"cursor": cursor} if cursor else {})})
            ).json()
            cursor = page["next_cursor"] or cursor
        took: dict[str, list[tuple[float, float]]] = {}
        for kind, params in track(KINDS.items(), description="requests"):
            params = {**params, **({"cursor": cursor} if "cursor" in params else {})}
            took[kind] = []
            for _ in range(requests):
                begun, worked = time.perf_counter(), time.process_time()
                answer = await http.get("/v1/worklist", params=params)
                took[kind].append(((time.perf_counter() - begun) * 1000, (time.process_time() - worked) * 1000))
                answer.raise_for_status()
        return took


def at_share(values: Sequence[float], share: float) -> float:
    """The least value that a share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def measure(url: str, folder: Path, items: int, requests: int) -> dict[str, list[tuple[float, float]]]:
    keyfile.create(folder / "data-keys.json")
    database = Database(url, keyfile.load_ring(folder / "data-keys.json"))
    migrate.upgrade(database.engine)
    fill(database, items)
    app = create_app(None, GatewaySettings(), stored=Stored(database, Platforms({})))  # type: ignore[arg-type]  # codes nothing
    try:
        return asyncio.run(ask(app, requests))
    finally:
        database.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="an empty database; SQLite in a folder of its own if not given")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--requests", type=int, default=200)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="codeserve-worklist-") as folder:
        took = measure(args.url or f"sqlite:///{folder}/worklist.db", Path(folder), args.items, args.requests)
    table = Table("request", "p50", "p95", "p99", "CPU p50", "CPU p95")
    table.title = f"{args.items:,} items, ms of {args.requests} requests each"
    worst = 0.0
    for kind, times in took.items():
        wall, cpu = zip(*times, strict=True)
        worst = max(worst, at_share(wall, 0.95))
        figures = [at_share(wall, share) for share in (0.5, 0.95, 0.99)] + [
            at_share(cpu, share) for share in (0.5, 0.95)
        ]
        table.add_row(kind, *(f"{figure:.1f}" for figure in figures))
    Console().print(table)
    Console().print(f"the highest p95 is {worst:.1f} ms, the bar {BAR_MS:.0f} ms", highlight=False)
    return int(worst > BAR_MS)


if __name__ == "__main__":
    raise SystemExit(main())
