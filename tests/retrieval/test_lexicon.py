from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.errors import SetupError
from codeserve.retrieval.lexicon import Lexicon, LexiconHit, read_rows, validate

HEADER = "term\tcode\tnear\tnot_near\tnote"


def of(folder: Path, *lines: str) -> Lexicon:
    (folder / "some.tsv").write_text("\n".join((HEADER, *lines, "")), encoding="utf-8")
    return Lexicon.load(folder)


def codes(hits: tuple[LexiconHit, ...]) -> list[tuple[str, bool]]:
    return [(hit.code, hit.certain) for hit in hits]


def test_what_ships_is_well(lexicon: Lexicon, codesets: CodeSets) -> None:
    assert validate(lexicon, codesets.concepts) == []


def test_the_term_is_found_in_any_number_and_order(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "kidney stone\tN20.0")
    for written in ("kidney stone", "Kidney Stones", "stones, kidney", "Right kidney stone"):
        assert codes(lexicon.lookup(written)) == [("N20.0", True)]
    assert lexicon.lookup("gallstone") == ()


def test_a_word_that_matters_is_dropped_only_with_doubt(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "bronchitis\tJ40")
    assert codes(lexicon.lookup("acute bronchitis")) == [("J40", False)]


def test_the_row_of_the_longer_form_wins(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "bronchitis\tJ40", "acute bronchitis\tJ20.9")
    assert codes(lexicon.lookup("acute bronchitis")) == [("J20.9", True)]


def test_a_shared_stem_alone_is_never_certain(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "burn\tT30.0")
    assert codes(lexicon.lookup("burning")) == [("T30.0", False)]


def test_number_counts_where_rows_tell_it_apart(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "rib fracture\tS22.3-", "rib fractures\tS22.4-")
    assert codes(lexicon.lookup("rib fractures")) == [("S22.4-", True)]
    assert codes(lexicon.lookup("rib fracture")) == [("S22.3-", True)]
    assert [hit.code for _, hit in lexicon.scan("Rib fractures.")] == ["S22.4-"]


def test_a_condition_that_holds_wins_and_looks_for_beginnings_of_words(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "nausea\tR11.0", "nausea\tO21.9\tpregnan|gravid", "rash\tR21\t\tdiaper")
    assert codes(lexicon.lookup("nausea")) == [("R11.0", True)]
    assert codes(lexicon.lookup("nausea", "28 weeks pregnant")) == [("O21.9", True)]
    assert codes(lexicon.lookup("nausea", "nonpregnant")) == [("R11.0", True)]
    assert lexicon.lookup("rash", "in the diaper area") == ()


def test_ambiguous_rows_offer_all_codes_and_none_for_certain(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "ms\tG35.D\t\t\tambiguous", "ms\tI05.0\t\t\tambiguous")
    assert codes(lexicon.lookup("MS")) == [("G35.D", False), ("I05.0", False)]


def test_scan_takes_the_longest_phrase_and_stays_within_a_sentence(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "pain\tR52", "knee pain\tM25.56-", "type 2 diabetes\tE11.9")
    text = "Knee pains today; knee. Pain at night. T2DM, type II diabetes mellitus."
    found = [(span.of(text), hit.code) for span, hit in lexicon.scan(text)]
    assert found == [
        ("Knee pains", "M25.56-"),
        ("Pain", "R52"),
        ("T2DM", "E11.9"),
        ("type II diabetes", "E11.9"),
    ]


def test_scan_reads_everyday_words_as_such(tmp_path: Path) -> None:
    lexicon = of(tmp_path, "cap\tJ18.9")
    assert lexicon.scan("night cap refill") == []
    assert [hit.code for _, hit in lexicon.scan("Admitted for CAP")] == ["J18.9"]


@given(st.text(alphabet="Kkidney stone,.\n", max_size=80))
def test_scanned_spans_are_in_order_and_hold_a_term(text: str) -> None:
    lexicon = Lexicon(tuple(row for row in read_rows() if "stone" in row.term))
    end = 0
    for span, _ in lexicon.scan(text):
        assert span.start >= end
        assert "stone" in span.of(text).lower()
        end = span.end


def test_the_check_names_file_and_line(tmp_path: Path, codesets: CodeSets) -> None:
    lexicon = of(
        tmp_path, "kidney stone\tN20", "# a remark", "Gout\tM10.9", "sprain\tS93.40-", "sprain\tS63.50-", "x\tgout"
    )
    places = [problem.split(" ")[0] for problem in validate(lexicon, codesets.concepts)]
    assert places == ["some.tsv:2:", "some.tsv:4:", "some.tsv:6:", "some.tsv:7:"]


@pytest.mark.parametrize("line", ["gout", "gout\tM10.9\t\t\t\tmore"])
def test_a_row_of_another_form_is_refused_with_its_place(tmp_path: Path, line: str) -> None:
    with pytest.raises(SetupError, match=r"some\.tsv:2"):
        of(tmp_path, line)


def test_a_file_without_the_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("gout\tM10.9\n", encoding="utf-8")
    with pytest.raises(SetupError, match=r"bad\.tsv"):
        Lexicon.load(tmp_path)
