from __future__ import annotations

from pathlib import Path

import pytest

from codeserve.errors import SetupError
from codeserve.rules.payer_rules import PayerRules, examples

GOOD = """payers: [Some Plan]
version: 2026-01
source: a contract
rules:
  - id: one
    procedures: [99381-99397]
    covered: false
    message: Not paid.
"""


def test_the_examples_ship_and_load() -> None:
    assert len({rule.source for rule in examples().rules}) >= 3
    assert len(examples().rules) >= 6


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("covered: false", "covered: maybe", 7, "covered"),
        ("    message: Not paid.\n", "    message: Not paid.\n    colour: red\n", 9, "colour"),
        ("procedures: [99381-99397]", "procedures: 99381", 6, "procedures"),
        ("    message: Not paid.\n", "", 5, "message"),
    ],
)
def test_a_bad_rule_is_refused_with_file_line_and_key(tmp_path: Path, old: str, new: str, line: int, key: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(SetupError) as caught:
        PayerRules.load(path)
    assert f"plan.yaml, line {line}" in caught.value.detail
    assert key in caught.value.detail


def test_a_folder_of_rules(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(GOOD)
    rules = PayerRules.load(tmp_path)
    assert [rule.id for rule in rules.of("some plan", "99396")] == ["one"]
    assert rules.of("other plan", "99396") == ()
    assert rules.of("some plan", "99213") == ()
