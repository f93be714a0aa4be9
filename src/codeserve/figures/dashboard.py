"""The Grafana dashboard out of its table. `python -m codeserve.figures.dashboard` in the checkout writes it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

FOLDER = Path("observability/grafana")
ACROSS, WIDTH, HEIGHT = 3, 8, 8  # Grafana's grid is 24 wide
SOURCE = {"type": "prometheus", "uid": "${source}"}


def read(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def dashboard(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Panels of a row side by side, in the table's order."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, members in groupby(rows, key=lambda row: row["row"]):
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": _at(0, y, 24, 1), "panels": []})
        y += 1
        own = list(members)
        for n, row in enumerate(own):
            at = _at(n % ACROSS * WIDTH, y + n // ACROSS * HEIGHT, WIDTH, HEIGHT)
            panels.append(_panel(len(panels) + 1, row, at))
        y += -(-len(own) // ACROSS) * HEIGHT
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "uid": "codeserve",
        "title": "codeserve",
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source]},
        "panels": panels,
    }


def _at(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(number: int, row: Mapping[str, str], at: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": row["title"],
        "datasource": SOURCE,
        "gridPos": at,
        "fieldConfig": {"defaults": {"unit": row["unit"]}, "overrides": []},
        "targets": [{"refId": "A", "expr": row["query"], "legendFormat": row["legend"], "datasource": SOURCE}],
    }


def render() -> str:
    return json.dumps(dashboard(read(FOLDER / "panels.tsv")), indent=1) + "\n"


def main() -> None:
    (FOLDER / "codeserve.json").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
