from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from openpyxl import Workbook

from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.ledger import ledger
from codeserve.codesets.procedures import Procedures
from codeserve.codesets.reference import Reference
from codeserve.errors import InvalidTable

APRIL, MAY, LATER = date(2026, 4, 1), date(2026, 5, 4), date(2026, 8, 1)
PTP_HEADER = (
    "Column 1",
    "Column 2",
    "*=in existence prior to 1996",
    "Effective Date",
    "Deletion Date",
    "Modifier",
    "PTP Edit Rationale",
)
PTP = [
    ("93000", "93005", "*", "19960101", "*", "0", "More extensive procedure"),
    ("20610", "20605", "", "20260401", "*", "1", "Misuse of column two code"),
    ("20610", "J0670", "", "20150101", "20251231", "1", "Standards of practice"),
    ("11042", "97597", "", "20200101", "20200101", "9", "Deleted on its first day"),
]
MUE = "HCPCS/CPT Code,Practitioner Services MUE Values,MUE Adjudication Indicator,MUE Rationale\n93000,3,3 Date of Service Edit: Clinical,Clinical: Data\n20610,2,2 Date of Service Edit: Policy,Anatomic\n"  # noqa: E501


def text(
    path: Path, rows: list[tuple[str, ...]], title: str = "CPT only copyright 2025 American Medical Association."
) -> Path:
    path.write_text(f"{title}\n" + "".join("\t".join(row) + "\n" for row in [PTP_HEADER, *rows]), encoding="cp1252")
    return path


def sheet(path: Path, rows: list[tuple[str, ...]]) -> Path:
    book = Workbook()
    for row in [("CPT only",), PTP_HEADER, *rows]:
        book.worksheets[0].append([int(cell) if cell.isdigit() and len(cell) == 8 else cell for cell in row])
    book.save(path)
    return path


def take(home: Path, name: str, *paths: Path, effective: date = APRIL) -> Reference:
    import_table(home, KINDS[name], paths, effective)
    return Reference.load(home)


@pytest.mark.parametrize("write", [text, sheet])
def test_pairs_by_day(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    parts = [write(tmp_path / f"part{n}{'.xlsx' if write is sheet else '.txt'}", PTP[n::2]) for n in (0, 1)]
    reference = take(tmp_path, "ncci-ptp", *parts)
    claim = ["93000", "93005", "20610", "20605", "J0670", "11042", "97597"]
    assert {(e.column1, e.column2) for e in reference.pairs(claim, MAY)} == {("93000", "93005"), ("20610", "20605")}
    assert {e.column2 for e in reference.pairs(claim, date(2025, 6, 1))} == {"93005", "J0670"}
    (edit,) = reference.pairs(["20605", "20610"], MAY)
    assert (edit.indicator, edit.table.version, edit.rationale) == ("1", "2026Q2", "Misuse of column two code")


def test_units_answer_for_their_quarter_and_the_starting_table_for_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mue.csv").write_text(MUE)
    reference = take(tmp_path, "ncci-mue", tmp_path / "mue.csv")
    edit = reference.units("20610", MAY)
    assert edit is not None
    assert (edit.units, edit.adjudication, edit.table.version) == (2, "2", "2026Q2")
    assert reference.units("17111", MAY) is None
    later = reference.units("17111", LATER)
    assert later is not None
    assert later.table.version == "starter"


def test_the_fee_schedule_gives_money_and_indicators(tmp_path: Path) -> None:
    header = "HCPCS,MOD," + ",".join("x" * 1 for _ in range(23))
    cells = ["20610", "", "inject", "A", "", "0.79", "1.0", "", "0.4", "", "0.1", "1.95", "1.29", "0", "000"]
    cells += ["0", "0", "0", "2", "1", "0", "0", "0", "", "33.40"]
    (tmp_path / "pprrvu.csv").write_text(f"2026 National file\n{header}\n{','.join(cells)}\n")
    fee = take(tmp_path, "fee-schedule", tmp_path / "pprrvu.csv").fee("20610", day=MAY)
    assert fee is not None
    assert (fee.global_days, fee.bilateral, fee.payment(False), fee.payment(True)) == ("000", "1", 65.13, 43.09)


def test_add_on_codes_gather_their_primaries(tmp_path: Path) -> None:
    (tmp_path / "aoc.txt").write_text(
        "Add-On Code\tAdd-On Code Edit Type\tPrimary Code\tDeletion Date\n17003\t1\t17000\t*\n11103\t1\t11102\t\n"
        "11103\t1\t11104\t\n"
    )
    reference = take(tmp_path, "ncci-add-ons", tmp_path / "aoc.txt")
    add_on = reference.add_on("11103", MAY)
    assert add_on is not None
    assert (add_on.kind, add_on.primaries) == ("1", {"11102", "11104"})


def record(code: str, kind: str, words: str, effective: str = "20260101", ended: str = "") -> str:
    return f"{code:<5}00100{kind}{words:<80}".ljust(276) + f"{effective:<8}{ended:<8}" + " " * 28


def test_hcpcs_of_the_fixed_layout_joins_continued_lines(tmp_path: Path) -> None:
    lines = [
        record("J1885", "3", "Injection, ketorolac"),
        record("J1885", "4", "per 15 mg"),
        record("LT", "7", "Left side"),
    ]
    (tmp_path / "HCPC2026.txt").write_text("\n".join(lines) + "\n")
    found = take(tmp_path, "hcpcs", tmp_path / "HCPC2026.txt").hcpcs("J1885", MAY)
    assert found is not None
    assert (found.description, found.effective) == ("Injection, ketorolac per 15 mg", date(2026, 1, 1))


def test_policies_and_licensed_descriptors(tmp_path: Path) -> None:
    (tmp_path / "lcd.csv").write_text(
        "cpt,article,title,icd\n93306,A1,Echo,I50.9\n93306,A1,Echo,i48\n93306,A2,Echo 2,I10\n"
    )
    (tmp_path / "cpt.txt").write_text("Licensed\n99213\twords of the licensor\n")
    reference = take(tmp_path, "necessity", tmp_path / "lcd.csv")
    assert [(p.policy, p.diagnoses) for p in reference.policies("93306", MAY)] == [
        ("A1", ["I50.9", "I48"]),
        ("A2", ["I10"]),
    ]
    found = take(tmp_path, "cpt", tmp_path / "cpt.txt").cpt("99213", MAY)
    assert found is not None
    assert found.description == "words of the licensor"


def refused(home: Path, name: str, path: Path, effective: date = APRIL) -> str:
    with pytest.raises(InvalidTable) as caught:
        import_table(home, KINDS[name], [path], effective)
    return caught.value.detail


def test_bad_files_leave_what_was_in_force(tmp_path: Path) -> None:
    good = text(tmp_path / "good.txt", PTP)
    take(tmp_path, "ncci-ptp", good)
    whole = good.read_bytes()
    cut, utf16, other = tmp_path / "cut.txt", tmp_path / "utf16.txt", tmp_path / "other.txt"
    cut.write_bytes(whole[:-9])
    utf16.write_text(good.read_text(), encoding="utf-16")
    other.write_text("name\tvalue\na\tb\n")
    wrong = text(tmp_path / "wrong.txt", [("9300", "93005", "", "20200101", "*", "0", "")])
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(sheet(tmp_path / "whole.xlsx", PTP).read_bytes()[:900])
    assert "cut.txt, line 6" in refused(tmp_path, "ncci-ptp", cut)
    assert "neither UTF-8" in refused(tmp_path, "ncci-ptp", utf16)
    assert "no header" in refused(tmp_path, "ncci-ptp", other)
    assert "wrong.txt, line 3: no procedure code" in refused(tmp_path, "ncci-ptp", wrong)
    assert "no whole xlsx" in refused(tmp_path, "ncci-ptp", broken)
    assert "does not fit a release" in refused(tmp_path, "ncci-ptp", good, date(2029, 1, 1))
    assert "there is no file" in refused(tmp_path, "ncci-ptp", tmp_path / "none.txt")
    few = text(tmp_path / "few.txt", PTP[1:2])
    assert "looks cut" in refused(tmp_path, "ncci-ptp", few)
    assert len(Reference.load(tmp_path).pairs(["93000", "93005"], MAY)) == 1
    outcomes = [line["outcome"] for line in ledger(tmp_path)]
    assert outcomes[0] == "taken"
    assert all(outcome.startswith("refused: ") for outcome in outcomes[1:])
    assert not [path for path in (tmp_path / "reference" / "ncci-ptp").iterdir() if path.name.startswith(".")]


def test_some_refused_rows_are_counted_with_their_place(tmp_path: Path) -> None:
    path = text(tmp_path / "a.txt", [*(PTP[:2] * 15), ("93000", "93010", "", "2026130", "*", "0", "")])
    report = import_table(tmp_path, KINDS["ncci-ptp"], [path], APRIL)
    assert report.refused == {"the effective date is no day": 1}
    assert report.examples == {"the effective date is no day": ["a.txt, line 33"]}
    assert ledger(tmp_path)[0]["refused"]["the effective date is no day"]["rows"] == 1


def test_the_starting_tables_name_codes_that_are_described() -> None:
    described, reference = Procedures.load(), Reference.load()
    for edit in reference.pairs([code.code for code in described.all()], None):
        assert edit.indicator in ("0", "1")
        assert edit.rationale
    assert len(list(reference.pairs([code.code for code in described.all()], None))) > 50
    assert {table.version for table in reference.tables} == {"starter"}
    fee = reference.fee("20610")
    assert fee is not None
    assert (fee.global_days, fee.payment(False)) == ("000", None)


PTP_LINES = ["\t".join(PTP_HEADER), *("\t".join(row) for row in PTP)]
WHOLE = "\n".join(["CPT only copyright 2025 American Medical Association.", *PTP_LINES]) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cut.txt", WHOLE.encode()[:-9], "cut.txt, line 6: the file ends within a line"),
        ("utf16.txt", WHOLE.encode("utf-16"), "utf16.txt is neither UTF-8 nor Windows-1252 text, but UTF-16"),
        ("binary.txt", bytes(range(256)) * 40, "binary.txt is neither UTF-8 nor Windows-1252 text"),
        ("zip.txt", b"PK\x03\x04" + bytes(200), "zip.txt is a zip archive"),
        ("zip.csv", b"PK\x03\x04" + bytes(200), "zip.csv is a zip archive"),
        ("page.txt", b"%PDF-1.7\n", "page.txt is a PDF document"),
        ("text.xlsx", WHOLE.encode(), "text.xlsx is no whole xlsx file"),
        ("empty.txt", b"", "empty.txt is empty"),
        ("header.txt", (PTP_LINES[0] + "\n").encode(), "header.txt: a header and no row behind it"),
        ("other.txt", b"name\tvalue\na\tb\n", "other.txt has no header"),
        ("edits_2024.txt", WHOLE.encode(), "edits_2024.txt names the year 2024, the release is for 2026"),
        ("title.txt", ("Edits of 2024\n" + "\n".join(PTP_LINES) + "\n").encode(), "title.txt names the year 2024"),
    ],
)
def test_a_bad_file_is_refused_with_its_place_and_the_old_table_holds(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    take(tmp_path, "ncci-ptp", text(tmp_path / "good.txt", PTP))
    bad = tmp_path / "folder" / name
    bad.parent.mkdir()
    bad.write_bytes(content)
    assert said in refused(tmp_path, "ncci-ptp", bad)
    assert len(Reference.load(tmp_path).pairs(["93000", "93005"], MAY)) == 1
    kept = ledger(tmp_path)[-1]
    assert kept["outcome"].startswith("refused: ")
    assert kept["files"] == [name]
    assert len(kept["sha256"]) == 64
    assert "folder" not in str(kept)


def test_latin_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "mue.csv").write_bytes(MUE.replace("Anatomic", "Anatomic \u00a9").encode("latin-1"))
    edit = take(tmp_path, "ncci-mue", tmp_path / "mue.csv").units("20610", MAY)
    assert edit is not None
    assert edit.rationale == "Anatomic \u00a9"


def test_rows_of_the_licensor_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = "".join(f"{code},Something of CPT\n" for code in ("99213", "99214", "93000"))
    (tmp_path / "addendum_2026.csv").write_text(f"code,short_descriptor\n{rows}J1885,Ketorolac per 15 mg\n")
    found = take(tmp_path, "hcpcs", tmp_path / "addendum_2026.csv").hcpcs("J1885", MAY)
    assert found is not None
    assert found.description == "Ketorolac per 15 mg"
    (kept,) = ledger(tmp_path)
    assert (kept["read"], kept["rows"]) == (4, 1)
    assert kept["refused"]["a CPT code: its descriptor belongs to the AMA"]["rows"] == 3


def test_an_old_release_of_hcpcs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "HCPC.txt").write_text(record("J1885", "3", "Injection, ketorolac", "20180101") + "\n")
    assert "the newest row began on 2018-01-01" in refused(tmp_path, "hcpcs", tmp_path / "HCPC.txt")


def test_an_import_that_breaks_off_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = text(tmp_path / "good.txt", PTP)

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("codeserve.codesets.imports._write", full)
    with pytest.raises(OSError, match="no space"):
        import_table(tmp_path, KINDS["ncci-ptp"], [good], APRIL)
    assert ledger(tmp_path)[-1]["outcome"] == "failed: OSError"


def test_the_same_files_again_take_their_place(tmp_path: Path) -> None:
    good = text(tmp_path / "good.txt", PTP)
    for _ in range(2):
        assert len(take(tmp_path, "ncci-ptp", good).pairs(["93000", "93005"], MAY)) == 1
    assert len(list((tmp_path / "reference" / "ncci-ptp").iterdir())) == 1


def test_a_policy_names_the_region_where_it_holds(tmp_path: Path) -> None:
    (tmp_path / "lcd.csv").write_text("cpt,article,title,icd,jurisdiction\n93306,A1,Echo,I50.9,JH\n")
    (policy,) = take(tmp_path, "necessity", tmp_path / "lcd.csv").policies("93306", MAY)
    assert policy.region == "JH"
