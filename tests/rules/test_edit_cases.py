from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from codeserve.codesets import CodeSets
from codeserve.rules.edits_words import all_rules
from tests.rules.claims import Case, findings, with_tables

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "data" / "edit_cases.yaml").read_text(encoding="utf-8")
)
Tables = Callable[[tuple[str, ...]], CodeSets]


@pytest.fixture(scope="module")
def tables(codesets: CodeSets, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The code sets after some imports, each combination imported once."""
    made: dict[tuple[str, ...], CodeSets] = {(): codesets}

    def after(names: tuple[str, ...]) -> CodeSets:
        if names not in made:
            made[names] = with_tables(codesets, names, tmp_path_factory.mktemp("tables"))
        return made[names]

    return after


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_case(tables: Tables, case: Case) -> None:
    found = {f.rule: f for f in findings(case, tables(tuple(case.get("tables", ()))))}
    expected, barred = set(case.get("expect", ())), set(case.get("never", ()))
    assert expected <= set(found)
    assert not barred & set(found)
    assert not case.get("only") or set(found) == expected
    for f in found.values():
        assert f.severity is all_rules()[f.rule].severity
        assert f.source


def test_every_rule_speaks_in_one_case_and_is_silent_in_another() -> None:
    speaking = {rule for case in CASES for rule in case.get("expect", ())}
    silent = {rule for case in CASES for rule in case.get("never", ())}
    assert speaking == silent == set(all_rules())
