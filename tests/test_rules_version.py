from __future__ import annotations

from pathlib import Path

import pytest

from codeserve import artifacts
from codeserve.service import rules_version

PARTS = ("notes/a.py", "tagging/a.py", "rules/a.py", "retrieval/a.py", "reasoning/a.py", "pipeline.py", "prompts/p.txt")
TABLES = ("data/sections.tsv", "data/rules/mdm.tsv", "data/assertion/cues.tsv", "data/models/confidence.json")
OTHERS = ("data/lexicon/terms.tsv", "data/capacity/profile.json", "api/routes.py")


def test_it_changes_with_every_part_that_decides_and_with_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "DATA", tmp_path / "data")
    for name in (*PARTS, *TABLES, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    seen = {rules_version()}
    for number, name in enumerate((*PARTS, *TABLES), 2):
        (tmp_path / name).write_text("two")
        seen.add(rules_version())
        assert len(seen) == number, name
    for name in OTHERS:
        (tmp_path / name).write_text("two")
    assert rules_version() in seen
