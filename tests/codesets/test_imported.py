from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.imported import extended
from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.procedures import Procedures
from codeserve.codesets.reference import Reference
from codeserve.reasoning.questions import System

# Made up, in the form of CMS's descriptions.
HCPCS = """\
HCPC,LONG DESCRIPTION,ADD DT,TERM DT
J7777,"Injection, examplimab-abcd (examplar), 10 mg",20260101,
J7778,"Injection, oldomab, 5 mg",20200101,20251231
J1885,"Injection, ketorolac tromethamine, per 15 mg",20260101,
J7779,"Drug, not otherwise specified, 1 mg",20260101,
J7776,"Injection, ketorolac, 15 mg",20260101,
E9990,"Standing example frame, with wheels",20260101,
E9991,"Standing example frame, without wheels",20260101,
E9992,"Walker, made of examples",20260101,
S9990,"Example therapy in the home, per diem",20260101,
"""
CPT = "Licensed\n20610\twords of the licensor about a large joint\n0999T\twords of the licensor about a new service\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("releases")
    (folder / "hcpcs.csv").write_text(HCPCS)
    (folder / "cpt.txt").write_text(CPT)
    import_table(folder, KINDS["hcpcs"], [folder / "hcpcs.csv"], date(2026, 4, 1))
    import_table(folder, KINDS["cpt"], [folder / "cpt.txt"], date(2026, 1, 1))
    return folder


@pytest.fixture(scope="module")
def table(home: Path) -> Procedures:
    return extended(Procedures.load(), Reference.load(home))


def test_all_codes_of_the_release_are_known(table: Procedures) -> None:
    for code in ("J7777", "J7776", "J7779", "E9990", "E9991", "E9992", "S9990", "0999T"):
        assert code in table
    assert "J7778" not in table  # ended before the release


@pytest.mark.parametrize(
    ("code", "kind", "terms"),
    [
        ("J7777", "drug", ("examplimab-abcd",)),
        ("J7779", "drug", ()),  # no name
        ("J7776", "drug", ()),  # a term of this project's own table, which stays with its own code
        ("E9990", "supply", ("standing example frame",)),
        ("E9992", "supply", ()),  # one plain word
        ("S9990", "supply", ()),
        ("0999T", "", ()),
    ],
)
def test_what_a_note_may_call_them(table: Procedures, code: str, kind: str, terms: tuple[str, ...]) -> None:
    row = table.get(code)
    assert row is not None
    assert (row.kind, row.terms, row.imported) == (kind, terms, True)


def test_own_rows_keep_their_words_but_for_licensed_descriptors(table: Procedures) -> None:
    own = Procedures.load()
    assert table.get("J1885") == own.get("J1885")
    row, before = table.get("20610"), own.get("20610")
    assert row is not None
    assert before is not None
    assert row == replace(before, description="words of the licensor about a large joint")
    assert [row.code for row, _ in table.documents()] == [row.code for row in own.all()]


def test_nothing_imported_changes_nothing(tmp_path: Path) -> None:
    own = Procedures.load()
    assert extended(own, Reference.load(tmp_path)) is own


def test_what_answered_is_named(codesets: CodeSets, home: Path, table: Procedures) -> None:
    known = replace(codesets, reference=Reference.load(home), procedures=table)
    assert known.versions["hcpcs"] == "2026Q2"
    assert "hcpcs" not in codesets.versions
    info = known.describe("e9990")
    assert info is not None
    assert (info.system, info.description) == (System.HCPCS, "Standing example frame, with wheels")
