from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from codeserve.codesets.pairs import Edit, Pairs, packed, unpacked

CODES = ("00100", "11102", "17000", "99213", "G0439", "0001U", "ZZZZZ")
FIRST = date(2024, 1, 1)
days = st.integers(0, 900).map(lambda n: FIRST + timedelta(days=n))
edits = st.tuples(
    st.sampled_from(CODES),
    st.sampled_from(CODES),
    st.sampled_from("019"),
    days,
    st.none() | days,
    st.sampled_from(("misuse", "more extensive", "mutually exclusive")),
)


def in_force(edit: Edit, codes: set[str], day: date | None) -> bool:
    one, two, indicator, effective, deleted, _ = edit
    assert effective is not None
    if indicator == "9" or not {one, two} <= codes:
        return False
    return day is None or (effective <= day and (deleted is None or day <= deleted))


@given(st.lists(edits, max_size=30), st.sets(st.sampled_from(CODES)), st.none() | days)
def test_finds_what_a_search_of_every_row_finds(table: list[Edit], codes: set[str], day: date | None) -> None:
    found = list(Pairs.make(table).among(sorted(codes), day))
    assert sorted(found, key=str) == sorted((edit for edit in table if in_force(edit, codes, day)), key=str)


@given(st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5))
def test_a_code_is_packed_without_loss(code: str) -> None:
    assert unpacked(packed(code)) == code


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    table: list[Edit] = [
        ("93000", "93005", "0", FIRST, None, "more extensive"),
        ("20610", "20605", "1", FIRST, date(2025, 6, 30), "misuse"),
    ]
    Pairs.make(table).write(tmp_path)
    read = Pairs.open(tmp_path)
    assert sorted(read.among(["93000", "93005", "20610", "20605"], None), key=str) == sorted(table, key=str)
    assert list(read.among(["20605", "20610"], date(2025, 7, 1))) == []


def test_odd_codes_of_a_claim_name_no_pair() -> None:
    assert list(Pairs.make([("93000", "93005", "0", None, None, "")]).among(["", "9300", "93000", "93 05"], None)) == []
