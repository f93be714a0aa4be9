from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeserve.codesets import CodeSets
from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.reference import Reference
from codeserve.rules.encounter import Encounter
from codeserve.rules.reimbursement import expected, with_expected
from codeserve.rules.results import EmAddOn, Procedure
from codeserve.rules.schedule import Schedule
from codeserve.rules.suggest_modifiers import suggest_modifiers
from tests.rules.making import diagnosis, document, em, procedure

OFFICE = Encounter(date_of_service=date(2026, 5, 4), place_of_service="11")
HOSPITAL = replace(OFFICE, place_of_service="22")
# code, modifier, status, non-facility and facility units, PC/TC, days, operation's share, multiple, bilateral,
# assistant, base endoscopy; made-up values, conversion factor 10.
ROWS = """\
99213 . A 2.0 1.0 0 XXX 0 0 0 0 .
20610 . A 2.0 1.0 0 000 0 2 1 0 .
64721 . A 20.0 10.0 0 090 0.8 2 1 1 .
10060 . A 4.0 3.0 0 010 0 2 0 1 .
73560 . A 1.0 0 1 XXX 0 0 3 0 .
73560 26 A 0.4 0.4 1 XXX 0 0 3 0 .
45378 . A 10.0 8.0 0 000 0 2 0 1 .
45380 . A 12.0 9.0 0 000 0 3 0 1 45378
45385 . A 15.0 11.0 0 000 0 3 0 1 45378
44970 . A 30.0 25.0 0 090 0.7 2 0 2 .
81002 . X 0 0 9 XXX 0 9 9 9 .
G2211 . A 0.5 0.5 0 ZZZ 0 0 0 0 ."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    home: Path = tmp_path_factory.mktemp("fees")
    lines = ["Made up,,", "HCPCS,MOD,DESCRIPTION"]
    for row in ROWS.splitlines():
        c = ["" if cell == "." else cell for cell in row.split()]
        code, mod, status, office, hospital, pctc, days, share, multiple, bilateral, assistant, base = c
        before = [code, mod, "", status, "", "1", "", "", "", "", "", office, hospital, pctc, days, "", share]
        lines.append(",".join([*before, "", multiple, bilateral, assistant, "1", "0", base, "10.0"]))
    (home / "PPRRVU.csv").write_text("\n".join([*lines, ""]))
    import_table(home, KINDS["fee-schedule"], [home / "PPRRVU.csv"], date(2026, 1, 1))
    return Reference.load(home)


def paid(reference: Reference, *lines: Procedure, visit: Encounter = OFFICE) -> list[float | None]:
    return [one.amount if one else None for one in expected(lines, Schedule.of(visit, reference))]


@pytest.mark.parametrize(
    ("line", "visit", "amount"),
    [
        (procedure("99213"), OFFICE, 20.0),
        (procedure("99213"), HOSPITAL, 10.0),
        (procedure("20610", ("50",)), OFFICE, 30.0),
        (procedure("73560", ("50",)), OFFICE, 20.0),  # images: both sides whole
        (procedure("73560", ("26", "RT")), HOSPITAL, 4.0),
        (procedure("10060", ("50",)), OFFICE, 40.0),  # the indicator knows no two sides
        (procedure("44970", ("80",)), HOSPITAL, 40.0),
        (procedure("44970", ("AS",)), HOSPITAL, 34.0),
        (procedure("44970", ("62",)), HOSPITAL, 156.25),
        (procedure("44970", ("78",)), HOSPITAL, 175.0),
        (procedure("44970", ("53",)), HOSPITAL, 125.0),
        (procedure("99213", units=3), OFFICE, 60.0),
        (procedure("81002"), OFFICE, None),  # no service of this fee schedule
        (procedure("J1885"), OFFICE, None),
    ],
)
def test_one_line(reference: Reference, line: Procedure, visit: Encounter, amount: float | None) -> None:
    assert paid(reference, line, visit=visit) == [amount]


def test_several_operations(reference: Reference) -> None:
    lines = [procedure("10060"), procedure("64721", ("RT",)), procedure("20610", ("LT",)), procedure("99213")]
    assert paid(reference, *lines) == [20.0, 200.0, 10.0, 20.0]
    assert paid(reference, procedure("20610", units=2)) == [30.0]


def test_endoscopies_of_a_family(reference: Reference) -> None:
    both = [procedure("45380"), procedure("45385")]
    assert paid(reference, *both) == [20.0, 150.0]
    # The family, 170, counts as one operation behind the larger one.
    assert paid(reference, *both, procedure("64721")) == [10.0, 75.0, 200.0]


def test_what_an_amount_rests_on(reference: Reference) -> None:
    (one,) = expected([procedure("20610", ("50",))], Schedule.of(OFFICE, reference))
    assert one is not None
    assert "2026" in one.basis
    assert "non-facility" in one.basis
    assert one.adjustments == ("both sides: 150%",)
    assert paid(reference, procedure("99213"), visit=replace(OFFICE, date_of_service=date(2025, 5, 4))) == [None]


def test_nothing_without_an_import() -> None:
    assert expected([procedure("20610"), procedure("99213")], Schedule.of(OFFICE)) == (None, None)


def test_the_visit_and_what_stands_beside_it(reference: Reference) -> None:
    visit = replace(em("99213"), also=(EmAddOn("G2211", 1, (), "continuing care"),))
    services, told = with_expected([procedure("20610")], visit, Schedule.of(OFFICE, reference))
    assert told is not None
    amounts = [one.expected.amount for one in (*services, told, *told.also) if one.expected]
    assert amounts == [20.0, 20.0, 5.0]
    assert with_expected((), None, Schedule.of(OFFICE, reference)) == ((), None)


def test_the_highest_value_comes_first(reference: Reference, codesets: CodeSets) -> None:
    lines = [procedure("10060"), procedure("99213"), procedure("64721", ("RT",))]
    known = replace(codesets, reference=reference)
    found = suggest_modifiers(lines, [diagnosis("L02.91")], document("All were done."), OFFICE, known)
    assert [(p.code, p.modifiers) for p in found] == [("64721", ("RT",)), ("99213", ()), ("10060", ("51",))]
    medicare = replace(OFFICE, payer="Medicare")
    found = suggest_modifiers(lines, [diagnosis("L02.91")], document("All were done."), medicare, known)
    assert [(p.code, p.modifiers) for p in found] == [("64721", ("RT",)), ("99213", ()), ("10060", ())]


CODES = ["99213", "20610", "64721", "10060", "45380", "45385", "81002", "44970"]
LINES = st.builds(procedure, st.sampled_from(CODES), st.just(()), st.just((1,)), st.integers(1, 9999))


@settings(max_examples=60)
@given(st.lists(LINES, max_size=8))
def test_no_line_gets_more_beside_others_than_alone(reference: Reference, lines: list[Procedure]) -> None:
    together = paid(reference, *lines)
    alone = [paid(reference, line)[0] for line in lines]
    for one, other in zip(together, alone, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or 0 <= one <= other + 0.01
