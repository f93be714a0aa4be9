from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from codeserve.errors import InvalidNote
from codeserve.notes.redact_files import redact_file


def test_each_line_is_answered_on_its_line(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    text = "Seen by Dr. Ferreira on 01/02/2020."
    source.write_bytes(orjson.dumps({"document_id": "a", "text": text}) + b"\nnot json\n[1]\n")
    assert redact_file(source, target) == (3, 2)
    first, *bad = [orjson.loads(line) for line in target.read_bytes().splitlines()]
    assert first["document_id"] == "a"
    assert [(text[s["start"] : s["end"]], s["kind"]) for s in first["spans"]] == [
        ("Ferreira", "NAME"),
        ("01/02/2020", "DATE"),
    ]
    assert "Ferreira" not in first["redacted"]
    assert all(set(line) == {"error"} for line in bad)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_missing_file_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InvalidNote):
        redact_file(tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    assert not list(tmp_path.iterdir())
