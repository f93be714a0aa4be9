import itertools
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.errors import SetupError
from codeserve.retrieval.lexicon import Lexicon, LexiconHit, Row, read_rows, validate

ROWS = tuple(read_rows())
PLAIN = tuple(row for row in ROWS if not (row.near or row.not_near or row.ambiguous))
SHIPPED = Lexicon(ROWS)
HEADER = "term\tcode\tnear\tnot_near\tnote"


def of(folder: Path, *lines: str) -> Lexicon:
    (folder / "some.tsv").write_text("\n".join((HEADER, *lines, "")), encoding="utf-8")
    return Lexicon.load(folder)


def codes(hits: tuple[LexiconHit, ...]) -> list[tuple[str, bool]]:
    return [(hit.code, hit.certain) for hit in hits]


def test_what_ships_is_well(lexicon: Lexicon, codesets: CodeSets) -> None:
    assert validate(lexicon, codesets.concepts) == []


def test_each_specialty_has_its_file_and_each_term_one_place() -> None:
    places: dict[str, set[str]] = {}
    for row in ROWS:
        places.setdefault(row.term, set()).add(row.place.split(":")[0])
    assert [term for term, files in places.items() if len(files) > 1] == []
    assert len(set().union(*places.values())) >= 20
    assert len(places) >= 4500


def test_a_term_with_several_rows_says_when_each_holds() -> None:
    plain = [row.term for row in PLAIN]
    assert len(plain) == len(set(plain))


def test_conditions_are_well_formed_and_let_their_own_term_through() -> None:
    for place, conditions in _conditions():
        for listed in conditions:
            words = listed.split("|")
            assert len(words) == len(set(words)), place
            assert all(word == word.strip().lower() != "" for word in words), place
    assert [row.place for row in ROWS if row.not_near and row.not_near.search(row.term)] == []


def _conditions() -> list[tuple[str, tuple[str, ...]]]:
    folder = files("codeserve").joinpath("data", "lexicon")
    found = []
    for file in folder.iterdir():
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()[1:], 2):
            near_and_not = line.split("\t")[2:4]
            found.append((f"{file.name}:{number}", tuple(listed for listed in near_and_not if listed)))
    return found


def test_a_plain_term_has_its_code_looked_up_and_scanned(lexicon: Lexicon) -> None:
    for row in PLAIN:
        assert row.code in {hit.code for hit in lexicon.lookup(row.term)}, row.place
        assert row.code in {hit.code for _, hit in lexicon.scan(row.term.upper())}, row.place


@pytest.mark.parametrize(
    ("written", "around", "code"),
    [
        ("MS", "relapsing, on ocrelizumab for demyelinating lesions", "G35.D"),
        ("MS", "mitral valve area 1.2 cm on echo, rheumatic", "I05.0"),
        ("RA", "on methotrexate, synovitis of both wrists", "M06.9"),
        ("PVD", "flashes and floaters of the left eye", "H43.819"),
        ("PVD", "ABI 0.6, claudication", "I73.9"),
        ("CVA", "prior CVA in 2015 without deficit", "Z86.73"),
        ("MI", "history of MI", "I25.2"),
        ("stroke", "acute stroke, transferred", "I63.9"),
        ("BPH", "weak stream and nocturia", "N40.1"),
        ("BPH", "no complaints", "N40.0"),
        ("DKA", "type 1 diabetes", "E10.10"),
        ("DKA", "type 2 diabetes", "E11.10"),
        ("concussion", "denies loss of consciousness", "S06.0X0A"),
        ("concussion", "hit the head yesterday", "S06.0XAA"),
        ("meniscus tear", "degenerative", "M23.209"),
        ("lumbar compression fracture", "fell from a ladder", "S32.000A"),
        ("lumbar compression fracture", "no known injury mechanism", "M48.56XA"),
    ],
)
def test_what_stands_around_decides_a_short_form(lexicon: Lexicon, written: str, around: str, code: str) -> None:
    assert [hit.code for hit in lexicon.lookup(written, around)] == [code]


@pytest.mark.parametrize(
    "text",
    [
        "PHYSICAL EXAM",
        "PE: lungs clear",
        "Ms. Lee returns.",
        "a low potassium diet was advised",
        "fall risk reviewed",
        "capillary refill is brisk",
        "TTP over the left knee",
        "SpO2 97% on RA",
        "no CVA tenderness",
        "seen in the ED, then sent home",
        "Patient Education and Counseling: done",
        "Continue metformin and aspirin.",
    ],
)
def test_scan_leaves_what_is_no_condition(lexicon: Lexicon, text: str) -> None:
    found = {hit.code for _, hit in lexicon.scan(text)}
    assert found <= {"Z91.81"}  # a fall risk is a status of its own


@given(st.lists(st.sampled_from(PLAIN), max_size=6), st.sampled_from([" ", ", ", ". ", "\n", " with "]))
def test_scan_of_any_terms_is_in_order_within_a_line_and_the_same_again(rows: list[Row], between: str) -> None:
    text = between.join(row.term for row in rows)
    found = SHIPPED.scan(text)
    spans = list(dict.fromkeys(span for span, _ in found))
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert all("\n" not in span.of(text) for span in spans)
    assert SHIPPED.scan(text) == found


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


@settings(deadline=None)  # the first example reads the lexicon
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
