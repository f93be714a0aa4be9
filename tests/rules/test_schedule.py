from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from codeserve.codesets import CodeSets
from codeserve.codesets.imports import KINDS, import_table
from codeserve.codesets.procedures import Procedures
from codeserve.codesets.reference import Reference
from codeserve.rules.claim import Claim, Line, validate
from codeserve.rules.encounter import Encounter
from codeserve.rules.kinds import kind_of
from codeserve.rules.schedule import Schedule
from codeserve.rules.tables import within
from codeserve.rules.vaccines import is_covid, is_first_giving, is_giving, is_vaccine

DAY = date(2026, 5, 4)
VISIT = Encounter(date_of_service=DAY)


@pytest.mark.parametrize(
    ("code", "days", "modifier"),
    [
        ("27447", 90, "57"),
        ("10060", 10, "25"),
        ("20610", 0, "25"),
        ("23500", 90, "57"),  # not in the starting fee schedule: by range
        ("90471", None, "25"),
        ("96372", None, "25"),
        ("93000", None, None),
        ("36415", None, None),
        ("99213", None, None),
        ("J1885", None, None),
    ],
)
def test_what_a_visit_needs_beside_a_service(code: str, days: int | None, modifier: str | None) -> None:
    schedule = Schedule.of(VISIT)
    assert (schedule.global_days(code), schedule.visit_modifier(code)) == (days, modifier)


def test_suggestions_and_edits_ask_for_the_same(codesets: CodeSets) -> None:
    """Whatever the visit needs by the one rule, a claim without it is told so, and with it is not."""
    schedule = Schedule.of(VISIT, codesets.reference)
    for code in (row.code for row in Procedures.load().all()):
        wanted = schedule.visit_modifier(code)
        if kind_of(code) == "em" or codesets.reference.pairs(("99213", code), DAY):
            continue
        without = [Line("99213", (), 1, (1,)), Line(code, (), 1, (1,))]
        bare = validate(Claim.of(VISIT, ["I10"], without, codesets), codesets)
        asked = {f.rule.rsplit("-", 1)[1] for f in bare if f.rule.startswith("visit-modifier")}
        assert asked == ({wanted} if wanted else set()), code
        if wanted:
            lines = [Line("99213", (wanted,), 1, (1,)), Line(code, (), 1, (1,))]
            marked = validate(Claim.of(VISIT, ["I10"], lines, codesets), codesets)
            assert not [f for f in marked if f.rule.startswith("visit-modifier")], code


def test_an_imported_fee_schedule_decides(tmp_path: Path) -> None:
    row = "20610,,x,A,,1,,,,,,2.0,1.0,0,090,,,,2,1,1,0,0,,32.5"
    lines = ["HCPCS,MOD,DESCRIPTION,STATUS", row, ""]
    (tmp_path / "pprrvu.csv").write_text("\n".join(lines))
    import_table(tmp_path, KINDS["fee-schedule"], [tmp_path / "pprrvu.csv"], date(2026, 1, 1))
    schedule = Schedule.of(VISIT, Reference.load(tmp_path))
    assert (schedule.global_days("20610"), schedule.visit_modifier("20610")) == (90, "57")


def test_vaccines_and_giving_them() -> None:
    assert is_vaccine("90686")
    assert is_vaccine("91322")
    assert is_covid("91322")
    assert not is_covid("90686")
    assert not is_vaccine("90471")
    assert not is_vaccine("90480")
    assert not is_vaccine("90375")  # an immune globulin
    assert is_first_giving("G0008")
    assert is_giving("90472")
    assert not is_first_giving("90472")
    for row in Procedures.load().all():
        assert not (is_vaccine(row.code) and is_giving(row.code))
        if row.kind == "immunization" and not is_giving(row.code):
            assert is_vaccine(row.code) or row.code in ("90380", "90381", "90375"), row.code


def test_ranges_compare_codes_of_one_form() -> None:
    assert within("vaccine_codes.tsv", "sort", "G0009") == "giving"
    assert within("vaccine_codes.tsv", "sort", "0009F") == ""
    assert within("vaccine_codes.tsv", "sort", "nonsense") == ""
