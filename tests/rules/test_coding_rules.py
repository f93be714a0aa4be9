from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from codeserve.rules.edits_words import all_rules

ROOT = Path(__file__).parents[2]


def test_the_page_of_rules_is_current() -> None:
    spec = importlib.util.spec_from_file_location("coding_rules", ROOT / "scripts" / "coding_rules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "coding-rules.md").read_text(encoding="utf-8")
    assert page == module.render(), "run: python scripts/coding_rules.py"
    assert module.untested() == []


def test_every_rule_of_the_table_is_used_and_none_is_made_up() -> None:
    sources = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "src" / "codeserve" / "rules").glob("*.py"))
    made = set(re.findall(r'\bsay\(\s*"([a-z0-9-]+)"', sources))
    assert made <= set(all_rules())
    # Some names are put together ("icd-" and what is wrong), so their last words are looked for.
    unused = [name for name in all_rules() if name.split("-", 1)[1] not in sources]
    assert [name for name in unused if not name.startswith("payer-rule-")] == []
