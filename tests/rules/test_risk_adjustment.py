from __future__ import annotations

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.icd10cm import normalise_code
from codeserve.rules import hcc
from codeserve.rules.hcc import V24, V28, below, carries_hcc, categories, label, lasting
from codeserve.rules.recapture import recapture
from codeserve.rules.risk_adjustment import MODELS, Person, calculate, scores
from codeserve.rules.tables import rows

PERSON = Person(age=74, sex="F")


def test_categories_labels_and_hierarchy_by_model() -> None:
    assert categories("E11.22", V28) == {"37"}
    assert categories("E11.22", V24) == {"18"}
    assert label("37", V28) == "Diabetes with Chronic Complications"
    assert below("36", V28) == {"37", "38"}
    assert below("18", V24) == {"19"}
    assert not carries_hcc("I10")
    assert not carries_hcc("nothing")
    assert label("999") == ""


def test_the_hierarchy_keeps_the_higher_category() -> None:
    v28, v24 = scores(["E11.9", "E11.22"], [], [], PERSON)
    kept = {one.code: one.kept for one in v28.carried}
    assert (kept["E11.22"], kept["E11.9"]) == (("37",), ())
    assert v28.documented == calculate("V28", ["E11.22"], PERSON).score
    assert {one.code: one.kept for one in v24.carried}["E11.22"] == ("18",)


def test_edits_by_sex_change_the_category() -> None:
    # CMS edit of V28: haemophilia of a woman counts in the lower category.
    assert calculate("V28", ["D66"], Person(40, "F")).by_code["D66"] == ("112",)
    assert calculate("V28", ["D66"], Person(40, "M")).by_code["D66"] == ("111",)


def test_the_score_is_the_sum_of_cms_coefficients() -> None:
    """Rate announcement 2026, community, non-dual, aged: woman of 70 to 74 0.395, HCC 37 0.166, HCC 226 0.360, and the
    interaction of diabetes and heart failure 0.112."""
    result = calculate("V28", ["E11.22", "I50.22"], PERSON)
    assert result.demographics == 0.395
    assert result.score == pytest.approx(0.395 + 0.166 + 0.360 + 0.112)


def test_scores_before_now_and_if_recaptured() -> None:
    v28, _ = scores(["E11.22"], ["E11.22", "I50.22"], ["I50.22"], PERSON)
    assert v28.change == pytest.approx(v28.documented - v28.prior, abs=1e-9)
    assert v28.change < 0 < v28.expected_change
    assert v28.if_recaptured == v28.prior
    assert [one.origin for one in v28.carried] == ["documented", "prior"]


def test_what_is_not_known_of_a_person_is_said() -> None:
    assert Person(74, "F", "00", "0", False).assumed == ()
    assert Person().inputs == {"age": 70, "sex": "F", "dual_elgbl_cd": "00", "orec": "0", "lti": False}
    assert len(Person().assumed) == 5
    young = Person(age=50, sex="M")
    assert young.inputs["orec"] == "1"
    assert "entitled to Medicare by disability (below 65)" in young.assumed
    assert calculate("V28", [], Person(80, "F", institutional=True)).score > calculate("V28", [], Person(80, "F")).score


def test_recapture_says_by_model_what_is_open() -> None:
    (one,) = recapture(["E11.9"], ["E11.22"], PERSON)
    assert one.change["V28"] == 0  # V28 gives all diabetes one coefficient
    assert one.change["V24"] > 0
    (vascular,) = recapture([], ["I73.9"], PERSON)
    assert set(vascular.categories) == {"V24"}


def test_codes_of_one_category_make_one_question() -> None:
    (one,) = recapture(["E11.22"], ["E11.22", "I50.22", "I50.9"], PERSON)
    assert set(one.codes) == {"I50.22", "I50.9"}
    assert one.change["V28"] > 0
    assert recapture(["I50.22"], ["I50.22"], PERSON) == ()


def test_an_acute_state_is_asked_about_as_what_lasts() -> None:
    (one,) = recapture([], ["J96.21"], PERSON)
    assert (one.codes, one.lasting) == (("J96.21",), ("J96.11",))
    assert lasting("E11.10") == "E11.9"
    assert lasting("E11.649") == "E11.649"
    assert lasting("I63.9") is None


def test_what_lasts_after_any_code_is_a_code(codesets: CodeSets) -> None:
    for model in MODELS.values():
        for code in map(normalise_code, hcc._mapping(model)):
            after = lasting(code)
            assert after is None or after == code or after in codesets.icd, code


@pytest.mark.parametrize("name", ["hcc_acute.tsv", "hcc_answered.tsv"])
def test_every_row_has_its_source(name: str) -> None:
    found = rows(name)
    assert all(row["source"] for row in found)
    key = "stem" if "stem" in found[0] else "earlier"
    assert len({row[key] for row in found}) == len(found)
