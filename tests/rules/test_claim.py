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
from codeserve.rules.claim import MOST_CHECKED, Claim, Line, validate
from codeserve.rules.claim_support import Note
from codeserve.rules.edits_words import all_rules
from codeserve.rules.encounter import Encounter, RecentProcedure
from codeserve.rules.payer_rules import examples
from codeserve.rules.results import Alternative, Finding, Severity
from tests.rules.making import diagnosis, em, procedure

DAY = date(2026, 5, 4)
Lines = list[Line]


def found(
    codesets: CodeSets, codes: list[str], lines: Lines, encounter: Encounter | None = None, note: Note | None = None
) -> dict[str, Finding]:
    claim = Claim.of(encounter or Encounter(date_of_service=DAY), codes, lines, codesets)
    return {f.rule: f for f in validate(claim, codesets, examples(), note)}


def test_a_clean_claim(codesets: CodeSets) -> None:
    lines = [Line("99213", ("25",), 1, (1,)), Line("20610", ("RT",), 1, (1,))]
    assert found(codesets, ["M17.11"], lines) == {}


@pytest.mark.parametrize(
    ("codes", "rule"),
    [
        (["e119"], "code-written"),
        (["E11.99"], "icd-unknown"),
        (["E11"], "icd-not-billable"),
        (["S93.401"], "icd-seventh-missing"),
        (["S93.401Q"], "icd-seventh-invalid"),
        (["T51.0A"], "icd-placeholder"),
        (["E11.9", "E11.9"], "icd-duplicate"),
        (["E10.9", "E11.9"], "icd-never-together"),
        (["V03.10XA"], "icd-external-cause-first"),
        (["M17.11", "M17.12"], "icd-two-sides"),
        (["I12.9"], "icd-use-additional"),
    ],
)
def test_diagnoses(codesets: CodeSets, codes: list[str], rule: str) -> None:
    assert rule in found(codesets, codes, [])


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        ([Line("99213", (), 1, (2,))], "pointer-unknown"),
        ([Line("99213")], "pointer-missing"),
        ([Line("99213", (), 1, (1, 1))], "pointer-twice"),
        ([Line("99213", (), 0, (1,))], "units-impossible"),
        ([Line("99213", (), 10_000, (1,))], "units-impossible"),
        ([Line("ABCDE", (), 1, (1,))], "procedure-form"),
        ([Line("00001", (), 1, (1,))], "procedure-unknown"),
        ([Line("99213", ("AB",), 1, (1,))], "modifier-not-listed"),
        ([Line("99213", ("49",), 1, (1,))], "modifier-unknown"),
        ([Line("20610", ("25",), 1, (1,))], "modifier-wrong-kind"),
        ([Line("20610", ("RT", "50"), 1, (1,))], "modifier-contradiction"),
        ([Line("20610", ("RT", "RT"), 1, (1,))], "modifier-twice"),
        ([Line("20610", ("50",), 2, (1,))], "modifier-50-units"),
        ([Line("17000", (), 1, (1,)), Line("17003", ("51",), 3, (1,))], "modifier-51-add-on"),
        ([Line("17003", (), 3, (1,))], "add-on-without-primary"),
        ([Line("93000", (), 1, (1,)), Line("93005", (), 1, (1,))], "ncci-ptp-never"),
        ([Line("17000", (), 1, (1,)), Line("11102", (), 1, (1,))], "ncci-ptp"),
        ([Line("17110", (), 2, (1,))], "mue-day-reviewed"),
        ([Line("99213", (), 1, (1,)), Line("20610", ("RT",), 1, (1,))], "visit-modifier-25"),
        ([Line("99213", (), 1, (1,)), Line("27447", ("RT",), 1, (1,))], "visit-modifier-57"),
    ],
)
def test_lines(codesets: CodeSets, lines: Lines, rule: str) -> None:
    finding = found(codesets, ["M17.11"], lines)[rule]
    assert set(finding.codes) & {line.code for line in lines}
    assert finding.source


def test_the_day_of_service(codesets: CodeSets) -> None:
    after = Encounter(date_of_service=date(2026, 11, 2))
    finding = found(codesets, ["I10"], [], after)["icd-release"]
    assert "2026-11-02" in finding.message
    assert "icd-release" not in found(codesets, ["I10"], [])
    assert "no-date-of-service" in found(codesets, ["I10"], [], Encounter())


def test_global_periods(codesets: CodeSets) -> None:
    before = Encounter(date_of_service=DAY, recent_procedures=(RecentProcedure("27447", date(2026, 4, 10)),))
    visit, other = Line("99213", (), 1, (1,)), Line("20610", ("LT",), 1, (1,))
    rules = found(codesets, ["M17.12"], [visit, other], before)
    assert {"global-visit", "global-procedure"} <= set(rules)
    marked = [Line("99213", ("24",), 1, (1,)), Line("20610", ("LT", "79"), 1, (1,))]
    assert not {"global-visit", "global-procedure"} & set(found(codesets, ["M17.12"], marked, before))
    later = replace(before, date_of_service=date(2026, 7, 20))
    assert not {"global-visit", "global-procedure"} & set(found(codesets, ["M17.12"], [visit, other], later))


def test_policies_and_payers(codesets: CodeSets, tmp_path: Path) -> None:
    (tmp_path / "lcd.csv").write_text("cpt,article,title,icd\n93306,A57000,Echocardiography,I50\n")
    import_table(tmp_path, KINDS["necessity"], [tmp_path / "lcd.csv"], date(2026, 1, 1))
    with_policy = replace(codesets, reference=Reference.load(tmp_path))
    finding = found(with_policy, ["M17.11"], [Line("93306", (), 1, (1,))])["necessity-policy"]
    assert "A57000" in finding.source
    assert "necessity-policy" not in found(with_policy, ["I50.9"], [Line("93306", (), 1, (1,))])
    medicare = Encounter(date_of_service=DAY, payer="Example Medicare Plan")
    assert "payer-rule-error" in found(codesets, ["Z00.00"], [Line("99396", (), 1, (1,))], medicare)
    assert "payer-rule-error" not in found(codesets, ["Z00.00"], [Line("99396", (), 1, (1,))])


def test_more_codes_than_a_claim_holds(codesets: CodeSets) -> None:
    rules = found(codesets, ["I10"] * 5000, [])
    assert f"first {MOST_CHECKED}" in rules["claim-too-long"].message
    assert "claim-diagnoses" in found(codesets, ["I10"] * 13, [])


def test_what_the_note_supports(codesets: CodeSets) -> None:
    seen = replace(diagnosis("M17.11", sequence=1), alternatives=(Alternative("M17.9", "Osteoarthritis of knee", 0.1),))
    visit = em("99213", rationale="two of three")
    note = Note((seen, diagnosis("I10", sequence=2)), (procedure("20610", ("RT",)),), visit)
    lines = [Line("99215", ("25",), 1, (1,)), Line("20610", ("LT",), 2, (1,)), Line("93000", (), 1, (1,))]
    rules = found(codesets, ["M17.12", "E11.9"], lines, note=note)
    assert rules["em-above"].codes == ("99215", "99213")
    assert rules["support-modifier-other-side"].severity is Severity.ERROR
    assert rules["support-diagnosis"].codes == ("E11.9",)
    assert rules["support-diagnosis-detail"].codes == ("M17.12", "M17.11")
    assert rules["support-procedure"].codes == ("93000",)
    assert rules["support-units"].codes == ("20610",)
    assert rules["support-modifier"].codes == ("99215",)
    assert rules["documented-diagnosis"].codes == ("I10",)
    same = found(codesets, ["M17.11", "I10"], [Line("99213", (), 1, (1,)), Line("20610", ("RT",), 1, (1,))], note=note)
    assert not [rule for rule in same if rule.startswith(("support", "documented", "em-"))]
    without = Note((seen,), (), None)
    assert "support-em" in found(codesets, ["M17.11"], [Line("99213", (), 1, (1,))], note=without)


CODES = st.sampled_from(["I10", "e119", "E11.9", "M17.11", "S93.401A", "Z00.00", "V03.10XA", "Q99", "O80", "G63"])
LINES = st.builds(
    Line,
    st.sampled_from(["99213", "99396", "20610", "93000", "93005", "17003", "J1885", "G2211", "0001U", "90471"]),
    st.lists(st.sampled_from(["25", "59", "RT", "LT", "50", "26", "TC", "ZZ"]), max_size=4).map(tuple),
    st.integers(0, 10_000),
    st.lists(st.integers(1, 6), max_size=5).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CODES, max_size=6), st.lists(LINES, max_size=6))
def test_any_claim_is_answered_in_order_and_alike(codesets: CodeSets, codes: list[str], lines: Lines) -> None:
    claim = Claim.of(Encounter(date_of_service=DAY), codes, lines, codesets)
    findings = validate(claim, codesets, examples())
    assert findings == validate(claim, codesets, examples())
    ranks = [("error", "warning", "info").index(f.severity.value) for f in findings]
    assert ranks == sorted(ranks)
    assert [f.id for f in findings] == [f"F{n}" for n in range(1, len(findings) + 1)]
    named = {d.code for d in claim.diagnoses} | {p.code for p in claim.procedures}
    for f in findings:
        assert f.rule in all_rules()
        assert not set(f.codes) - named or f.rule == "icd-two-sides"
        assert "{" not in f.message + f.source + f.suggestion.replace("X{EPSU}", "")
