from __future__ import annotations

from pathlib import Path

from codeserve.figures.reference import names, render

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_the_registries() -> None:
    assert (DOCS / "metrics.md").read_text() == render(), "run python -m codeserve.figures.reference"


def test_every_metric_has_our_name_and_says_what_it_is() -> None:
    for name, (_, _, told, _) in names().items():
        assert name.startswith("codeserve_")
        assert told
