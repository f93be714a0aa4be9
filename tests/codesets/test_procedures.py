import csv
import re
from pathlib import Path

import pytest

from codeserve.codesets.procedures import KINDS, NEEDS, Procedures, _parse
from codeserve.errors import SetupError
from codeserve.reasoning.questions import System

HEADER = "code\tsystem\tdescription\tterms\tkind\tneeds\tnote"
LISTED = Path(__file__).parents[3] / "shared" / "cms" / "hcpcs_addendum_b_2026_04.csv"


@pytest.fixture(scope="module")
def procedures() -> Procedures:
    return Procedures.load()


def test_codes_are_well_formed_and_say_what_they_are(procedures: Procedures) -> None:
    shapes = {System.CPT: r"\d{5}", System.HCPCS: r"[A-V]\d{4}"}
    assert len(procedures) >= 450
    for row in procedures.all():
        assert re.fullmatch(shapes[row.system], row.code)
        assert row.description
        assert row.terms
        assert all(term == term.strip().lower() and term for term in row.terms)
        assert len(set(row.terms)) == len(row.terms)
        assert row.kind in KINDS
        assert row.needs <= NEEDS


def test_all_levels_of_visits_can_be_shown(procedures: Procedures) -> None:
    wanted = [*range(99202, 99206), *range(99211, 99216), *range(99221, 99224), *range(99231, 99240)]
    wanted += [*range(99242, 99246), *range(99252, 99256), *range(99281, 99286), *range(99304, 99311), 99315, 99316]
    wanted += [99341, 99342, 99344, 99345, *range(99347, 99351), *range(99381, 99388), *range(99391, 99398)]
    wanted += [*range(98000, 98017), 99417, 99418]
    codes = [str(code) for code in wanted if code != 99237]
    codes += ["G2211", "G2212", "G0316", "G0317", "G0318", "G0402", "G0438", "G0439"]
    assert [code for code in codes if code not in procedures] == []


def test_an_unknown_code_is_none(procedures: Procedures) -> None:
    assert procedures.get("00000") is None
    assert procedures.get(" g0439 ") is procedures.get("G0439")


def test_codes_exist_in_the_official_list(procedures: Procedures) -> None:
    if not LISTED.is_file():
        pytest.skip("the CMS list of HCPCS codes is not beside the repository")
    with LISTED.open(newline="") as lines:
        official = {row["code"] for row in csv.DictReader(lines)}
    assert [row.code for row in procedures.all() if row.code not in official] == []


@pytest.mark.parametrize(
    "row",
    [
        "9300\tCPT\tToo short\tecg\ttest\t\t",
        "93000\tHCPCS\tWrong system\tecg\ttest\t\t",
        "93000\tCPT\tNo terms\t\ttest\t\t",
        "93000\tCPT\t\tecg\ttest\t\t",
        "93000\tCPT\tUnknown kind\tecg\tmagic\t\t",
        "93000\tCPT\tUnknown need\tecg\ttest\tluck\t",
        "93000\tCPT\tToo many cells\tecg\ttest\t\t\tmore",
    ],
)
def test_a_bad_row_is_refused_with_its_place(row: str) -> None:
    with pytest.raises(SetupError, match=r"bad\.tsv, line 2"):
        list(_parse("bad.tsv", f"{HEADER}\n{row}\n"))


def test_documents_are_descriptions_and_terms(procedures: Procedures) -> None:
    texts = {row.code: texts for row, texts in procedures.documents()}
    assert "rapid strep" in texts["87880"]
    assert len(texts) == len(procedures)
