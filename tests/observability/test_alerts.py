"""Alert rules: valid, tested, each with its section of the runbook, and of metrics that there are."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from codeserve.figures.dashboard import dashboard, read
from codeserve.figures.reference import names
from tests.conftest import Service

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "observability" / "alerts.yaml"
PANELS = ROOT / "observability" / "grafana" / "panels.tsv"
LEAVE_OUT = "CODESERVE_WITHOUT_PROMTOOL"
METRIC = re.compile(r"(?<![:\w])(?:codeserve|vllm:|process)_?\w+(?=[{\[)\s]|$)")
SUFFIX = re.compile(r"_(?:bucket|sum|count)$")


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def used() -> set[str]:
    """The metrics that alerts and dashboard name, as /metrics declares them; recorded series are made of them."""
    queries = [rule["expr"] for rule in rules()] + [panel["query"] for panel in read(PANELS)]
    found = {name for query in queries for name in METRIC.findall(query)}
    return {SUFFIX.sub("", name) for name in found}


@pytest.mark.skipif(bool(os.environ.get(LEAVE_OUT)), reason=f"{LEAVE_OUT} is set")
@pytest.mark.parametrize("command", [["check", "rules", "alerts.yaml"], ["test", "rules", "tests/alerts_test.yaml"]])
def test_promtool(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    assert promtool, f"promtool is missing: `make promtool` installs it, {LEAVE_OUT}=1 leaves this test out"
    done = subprocess.run(
        [promtool, *command], check=False, cwd=ALERTS.parent, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_query_names_metrics_that_there_are() -> None:
    assert len(used()) >= 8
    assert used() - {"process_resident_memory_bytes"} <= set(names())


def test_every_alert_is_tested() -> None:
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    tests = yaml.safe_load((ALERTS.parent / "tests" / "alerts_test.yaml").read_text())["tests"]
    fired = {one["alertname"] for test in tests for one in test["alert_rule_test"] if one["exp_alerts"]}
    assert fired == alerts


def test_every_alert_has_its_section_of_the_runbook() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    sections = dict(
        zip(re.findall(r"^## (\w+)$", page, re.M), re.split(r"^## \w+$", page, flags=re.M)[1:], strict=True)
    )
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    assert sections.keys() == alerts.keys()
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        for part in ("What it means", "How to see it", "What to do", "Whom to wake"):
            assert f"**{part}.**" in sections[name]


def test_the_dashboard_is_its_table() -> None:
    written = json.loads((PANELS.parent / "codeserve.json").read_text())
    assert written == dashboard(read(PANELS)), "run python -m codeserve.figures.dashboard"
    panels = written["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert [target["expr"] for panel in panels for target in panel.get("targets", ())] == [
        r["query"] for r in read(PANELS)
    ]


@pytest.mark.skipif(bool(os.environ.get(LEAVE_OUT)), reason=f"{LEAVE_OUT} is set")
def test_every_query_of_the_dashboard_is_promql(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{n}", "expr": row["query"]} for n, row in enumerate(read(PANELS))]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", "panels.yaml"], check=False, cwd=tmp_path, timeout=60)
    assert done.returncode == 0


@pytest.mark.e2e
def test_the_running_service_exports_what_the_queries_name(service: Service) -> None:
    assert (
        service.post({"document_id": "x", "text": "Assessment:\n1. fatigue and swelling of the knee"}).status_code
        == 200
    )
    text = httpx.get(f"{service.url}/metrics", timeout=30, trust_env=False).text
    declared = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert used() | set(names()) <= declared
    assert {"Gateway", "EntityTagger", "Reasoner"} <= set(re.findall(r'deployment="(\w+)"', text))
    assert any(name.startswith("vllm:") for name in declared)
