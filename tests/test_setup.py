from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from codeserve import setup
from codeserve.artifacts import DATA


def test_a_row_of_the_procedure_table_leaves_the_index_of_diagnoses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(DATA / "procedures", tmp_path / "procedures")
    (tmp_path / "models").symlink_to(DATA / "models")
    monkeypatch.setattr(setup, "DATA", tmp_path)
    before = setup.artifacts(tmp_path)
    with (tmp_path / "procedures" / "tests.tsv").open("a") as table:
        table.write("# one more line\n")
    after = setup.artifacts(tmp_path)
    assert after.procedure_index != before.procedure_index
    assert after.diagnosis_index == before.diagnosis_index
    assert after.index_version != before.index_version
