from __future__ import annotations

from pathlib import Path

import pytest

from codeserve.access.describe import with_tables
from codeserve.access.table import load_table
from codeserve.errors import SetupError

PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def test_the_page_has_the_tables() -> None:
    page = PAGE.read_text()
    assert with_tables(page, load_table()) == page, "run: python -m codeserve.access.describe"
    for role in load_table().roles.values():
        assert f"| `{role.name}` | {role.who} |" in page


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(SetupError):
        with_tables("# Security", load_table())
