from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from codeserve.codesets import CodeSets, releases
from codeserve.errors import InvalidTable

TABULAR = """<ICD10CM.tabular><version>2027</version><chapter><name>1</name><desc>Some</desc>
<section id="A00-A09"><desc>Block</desc><diag><name>A00</name><desc>Disease</desc>
<diag><name>A00.0</name><desc>Old form</desc></diag><diag><name>A00.7</name><desc>New form</desc></diag></diag>
</section></chapter></ICD10CM.tabular>"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "t.xml").write_text(TABULAR)
    (tmp_path / "c.txt").write_text("A000\nA007\n")
    releases.import_release(tmp_path, tmp_path / "t.xml", tmp_path / "c.txt", date(2026, 10, 1))
    return tmp_path


def test_the_day_of_service_picks_the_release(codesets: CodeSets, home: Path) -> None:
    both = CodeSets(codesets.icd, codesets.concepts, codesets.procedures, codesets.reference, releases.imported(home))
    assert both.icd_on(None) is codesets.icd
    assert both.icd_on(date(2026, 9, 30)) is codesets.icd
    october = both.icd_on(date(2026, 10, 1))
    assert october is not None
    assert ("A00.7" in october, "A00.7" in codesets.icd) == (True, False)
    assert both.icd_on(date(2027, 4, 1)) is None
    assert [t.version for t in both.in_force(date(2026, 12, 1)) if t.name == "icd10cm"] == ["2026-10"]


def test_a_cut_list_is_refused_and_nothing_is_left_of_it(home: Path) -> None:
    (home / "cut.xml").write_text(TABULAR[:200])
    with pytest.raises(InvalidTable):
        releases.import_release(home, home / "cut.xml", home / "c.txt", date(2027, 4, 1))
    with pytest.raises(InvalidTable, match="1 April or 1 October"):
        releases.import_release(home, home / "t.xml", home / "c.txt", date(2026, 11, 1))
    assert [release.period.version for release in releases.imported(home)] == ["2026-10"]
