from __future__ import annotations

import re

import pytest

from codeserve.rules.encounter import Encounter
from codeserve.rules.hcc import V24, V28, carries_hcc, categories
from codeserve.rules.reading import Reading
from codeserve.rules.risk_adjustment import Person, recapture, scores, suspected
from codeserve.rules.tables import rows
from tests.rules.making import document

PERSON = Person(age=74, sex="F")


def asked(text: str, *codes: str) -> list[str]:
    return [one.question for one in suspected(Reading.of(document(text), (), Encounter()), codes)]


def test_categories_by_model() -> None:
    assert categories("E11.22", V28) == {"37"}
    assert categories("E11.22", V24) == {"18"}
    assert not carries_hcc("I10")
    assert not carries_hcc("nothing")


def test_the_hierarchy_keeps_the_higher_category() -> None:
    v28, v24 = scores(["E11.9", "E11.22"], [], PERSON)
    kept = {one.code: one.kept for one in v28.carried}
    assert (kept["E11.22"], kept["E11.9"]) == (("37",), ())
    assert v28.documented == scores(["E11.22"], [], PERSON)[0].documented
    assert {one.code: one.kept for one in v24.carried}["E11.22"] == ("18",)


def test_the_change_is_this_year_against_earlier_ones() -> None:
    v28, _ = scores(["E11.22"], ["E11.22", "I50.22"], PERSON)
    assert v28.change == pytest.approx(v28.documented - v28.prior, abs=1e-9)
    assert v28.change < 0
    assert [one.origin for one in v28.carried] == ["documented", "prior"]


def test_an_earlier_condition_is_asked_about_once_and_only_where_it_is_missing() -> None:
    (one,) = recapture(["E11.22"], ["E11.22", "I50.22", "I50.9"], PERSON, lambda code: "Heart failure")
    assert (one.kind, one.codes[0]) == ("recapture", "I50.22")
    assert one.weight > 0
    assert recapture(["I50.22"], ["I50.22"], PERSON, str) == ()


@pytest.mark.parametrize(
    ("text", "codes", "number"),
    [
        ("MEDICATIONS: insulin glargine 20 units nightly.", (), 1),
        ("MEDICATIONS: insulin glargine 20 units nightly.", ("E11.9",), 0),
        ("HPI: He does not take insulin.", (), 0),
        ("FAMILY HISTORY: Mother on insulin.", (), 0),
        ("RESULTS: eGFR 41.", (), 1),
        ("RESULTS: eGFR 82.", (), 0),
        ("RESULTS: LVEF 35%.", (), 1),
        ("RESULTS: LVEF 60%.", (), 0),
        ("RESULTS: A1c 5.4%.", (), 0),
        ("MEDICATIONS: carbidopa-levodopa.", (), 1),
    ],
)
def test_what_drugs_and_results_suggest(text: str, codes: tuple[str, ...], number: int) -> None:
    assert len(asked(text, *codes)) == number


def test_questions_are_neutral() -> None:
    for row in rows("hcc_suspects.tsv")[1:]:
        assert row["question"].endswith("?")
        assert row["source"]
        assert re.compile(row["pattern"])
        assert not re.search(r"\b[A-Z]\d\d|HCC|RAF|payment|diabetes|failure|disease", row["question"])
    assert len(rows("hcc_suspects.tsv")) > 25
