from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codeserve.rules.tables import rows
from codeserve.rules.terms import Terms


def drugs(text: str) -> list[tuple[str, str]]:
    return [(span.of(text), row["class"]) for span, row in Terms.of("drugs.tsv").find(text)]


def test_the_longest_name_wins() -> None:
    assert drugs("ibuprofen 800 mg and ibuprofen") == [("ibuprofen 800 mg", "rx"), ("ibuprofen", "otc")]
    assert drugs("trimethoprim-sulfamethoxazole DS") == [("trimethoprim-sulfamethoxazole", "rx")]


def test_capitals_plurals_and_values() -> None:
    tests = Terms.of("mdm_tests.tsv")
    assert [row["test"] for _, row in tests.find("US of the neck, x-rays")] == ["ultrasound", "X-ray"]
    assert list(tests.find("he told us")) == []
    assert [row["test"] for _, row in tests.find("Mg 2.0, K 3.9")] == ["magnesium", "metabolic panel"]
    assert list(tests.find("500 mg 3 times a day; magnesium 400 mg")) == []


@given(st.text(alphabet="abcxyz TSHCBmg1234.,-\n", max_size=80))
def test_spans_are_words_in_order(text: str) -> None:
    spans = [span for span, _ in Terms.of("mdm_tests.tsv").find(text)]
    assert spans == sorted(spans)
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


def test_no_name_stands_in_two_classes_but_for_controlled_ones() -> None:
    seen: dict[str, str] = {}
    for row in rows("drugs.tsv"):
        for name in row["names"].split("|"):
            if row["class"] != "controlled":
                assert seen.setdefault(name, row["class"]) == row["class"], name
