from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.codesets.icd10cm import Icd10cm, build, normalise_code
from codeserve.errors import SetupError


@pytest.mark.parametrize("written", ["e119", "E119", "E11.9", " e11.9 "])
def test_a_code_is_found_however_it_is_written(icd: Icd10cm, written: str) -> None:
    line = icd.get(written)
    assert line is not None
    assert (line.code, line.billable, line.chapter, line.block) == ("E11.9", True, "4", "E08-E13")


@given(st.text(alphabet="abeSTZ0123456789.- ", max_size=9))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise_code(normalise_code(text)) == normalise_code(text)


def test_the_whole_code_set_is_there(icd: Icd10cm) -> None:
    codes = list(icd.billable_codes())
    assert icd.version == "2026-04"
    assert len(codes) == len(set(codes)) == 74_719
    assert all(icd.is_billable(code) and 3 <= len(code) <= 8 for code in codes)


@pytest.mark.parametrize("code", ["", "E11.99", "X", "nothing", "S93.401Q", "É11"])
def test_what_does_not_exist_is_none(icd: Icd10cm, code: str) -> None:
    assert icd.get(code) is None
    assert not icd.is_billable(code)
    assert icd.ancestors(code) == icd.children(code) == icd.leaves(code) == ()
    with pytest.raises(KeyError):
        icd.description(code)


def test_chapters_blocks_and_categories_with_children_are_not_billable(icd: Icd10cm) -> None:
    assert not any(icd.is_billable(code) for code in ("9", "I10-I1A", "E11", "S93.401", "C00-C96"))


def test_a_line_is_the_child_of_its_parent(icd: Icd10cm) -> None:
    for code in icd.billable_codes():
        line = icd.get(code)
        assert line is not None
        assert line.parent is not None
        assert code in icd.children(line.parent)
        assert icd.ancestors(code)[-1] == line.chapter


def test_a_block_named_like_its_category_is_no_parent_of_itself(icd: Icd10cm) -> None:
    assert icd.ancestors("B99.9") == ("B99", "1")
    line = icd.get("B99")
    assert line is not None
    assert line.parent == "1"


def test_seventh_characters_come_from_the_nearest_line(icd: Icd10cm) -> None:
    assert set(icd.seventh_characters("S42.20")) == set("ABDGKPS")
    assert set(icd.seventh_characters("S42.271A")) == set("ADGKPS")
    assert icd.seventh_characters("S93.401A")["D"] == "subsequent encounter"
    assert not icd.seventh_characters("E11.9")


def test_placeholders_stand_before_the_seventh_character(icd: Icd10cm) -> None:
    assert icd.stem("T16.1XXA") == "T16.1"
    assert icd.description("T16.1XXA") == "Foreign body in right ear, initial encounter"
    assert icd.stem("E11.9") == "E11.9"


def test_notes_are_inherited(icd: Icd10cm) -> None:
    assert icd.get("E11.9").notes.get("useAdditionalCode") is None  # type: ignore[union-attr]
    assert any("insulin" in note for note in icd.inherited("E11.9", "useAdditionalCode"))


@pytest.mark.parametrize(
    ("code", "other", "excluded"),
    [
        ("E11.9", "E10.9", True),  # at the category
        ("E11.9", "O24.419", True),
        ("E11.9", "I10", False),
        ("J45.909", "R06.2", True),
        ("R05.9", "R09.02", False),
    ],
)
def test_excludes1_from_the_lines_above(icd: Icd10cm, code: str, other: str, excluded: bool) -> None:
    assert any(span.matches(other) for span in icd.excludes1(code)) is excluded


def test_the_ancestors_leaves_hold_the_code(icd: Icd10cm) -> None:
    assert "S93.401A" in icd.leaves("S93.40")
    assert len(icd.leaves("S93.40")) == 9
    assert icd.leaves("I10") == ("I10",)


def test_missing_files_are_a_set_up_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        Icd10cm.load(tmp_path)
    with pytest.raises(SetupError):
        build(tmp_path, tmp_path)
