import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeserve.retrieval import text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("kidney stones", "stone, kidney"),
        ("Crohn's disease", "crohn’s disease"),
        ("HTN", "hypertension"),
        ("type II diabetes mellitus", "T2DM"),
        ("non-displaced fracture", "nondisplaced fx"),
        ("CKD stage IIIb", "chronic kidney disease, stage 3b"),
        ("h/o nausea", "history of nausea"),
        ("allergies", "allergy"),
        ("benign mass", "benign masses"),
    ],
)
def test_terms_that_say_the_same_have_one_signature(one: str, other: str) -> None:
    assert text.signature(one) == text.signature(other)


@pytest.mark.parametrize(
    ("one", "other"), [("hepatitis a", "hepatitis"), ("type 1 diabetes", "type 2 diabetes"), ("without", "with")]
)
def test_terms_that_say_different_things_have_two(one: str, other: str) -> None:
    assert text.signature(one) != text.signature(other)


def test_roman_numbers_are_numbers_behind_type_and_stage_only() -> None:
    assert text.words("stage iv, iv fluids") == ["stage", "4", "iv", "fluids"]


def test_a_phrase_wins_over_its_words_and_brings_the_classifications_words() -> None:
    high, *others = text.groups("high blood pressure")
    assert high[0] == ("high", "blood", "pressur")
    assert ("hypertens",) in high
    assert others == []


@given(st.text(max_size=200))
def test_tokens_lie_in_order_and_never_overlap(written: str) -> None:
    end = 0
    for span, word in text.tokens(written):
        assert span.start >= end
        assert word
        assert word == word.lower()
        end = span.end
    assert end <= len(written)


@given(st.lists(st.sampled_from(["pain", "left", "knee", "chronic", "OA", "stones"]), min_size=1, max_size=5))
def test_the_signature_does_not_depend_on_the_order(listed: list[str]) -> None:
    assert text.signature(" ".join(listed)) == text.signature(" ".join(reversed(listed)))


def test_every_table_is_well_formed() -> None:
    assert all(row["short"] == row["short"].lower() and row["long"] for row in text.rows("abbreviations.tsv"))
    assert all(phrase and all(alternatives) for phrase, alternatives in text.synonyms().items())
    assert {row["sure"] for row in text.rows("fillers.tsv")} == {"yes", "no"}
