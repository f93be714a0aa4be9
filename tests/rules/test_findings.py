from __future__ import annotations

from dataclasses import replace

import pytest

from codeserve.codesets import CodeSets
from codeserve.rules.encounter import Encounter
from codeserve.rules.findings import check
from codeserve.rules.results import Diagnosis, Em, Finding, Procedure, Severity
from tests.rules.making import diagnosis, em, procedure

KNEE = "Unilateral primary osteoarthritis, right knee"


def found(
    codesets: CodeSets,
    *codes: str,
    procedures: tuple[Procedure, ...] = (),
    visit: Em | None = None,
    encounter: Encounter | None = None,
) -> dict[str, Finding]:
    told = [
        diagnosis(code, description=codesets.icd.description(code) if code in codesets.icd else "", sequence=n)
        for n, code in enumerate(codes, 1)
    ]
    return {f.rule: f for f in check(told, procedures, visit, encounter or Encounter(), codesets)}


def test_clean_claim_has_no_findings(codesets: CodeSets) -> None:
    visit = em(rationale="office established")
    assert found(codesets, "I10", visit=visit, encounter=Encounter(age=60, sex="female")) == {}


@pytest.mark.parametrize(
    ("codes", "rule", "severity"),
    [
        (["I99.99"], "icd-unknown", "error"),
        (["E11"], "icd-not-billable", "error"),
        (["I10", "I10"], "icd-duplicate", "error"),
        (["E10.9", "E11.9"], "icd-never-together", "error"),
        (["J03.90", "J02.9"], "icd-excludes1", "warning"),
        (["W19.XXXA", "S93.401A"], "icd-external-cause-first", "error"),
        (["M25.569"], "icd-side-unspecified", "warning"),
        (["G63", "E85.1"], "icd-manifestation-first", "error"),
        (["G63", "E85.1"], "icd-code-first", "warning"),
        (["G63"], "icd-manifestation-alone", "warning"),
        (["J44.9", "R05.9"], "icd-symptom-with-cause", "info"),
        (["Z79.4"], "no-such-rule", ""),
    ],
)
def test_diagnosis_rules(codesets: CodeSets, codes: list[str], rule: str, severity: str) -> None:
    finding = found(codesets, *codes).get(rule)
    assert (finding.severity.value if finding else "") == severity
    assert finding is None or finding.source
    assert finding is None or set(finding.codes) <= set(codes)


def test_excludes1_is_inherited_from_above(codesets: CodeSets) -> None:
    assert found(codesets, "R05.9", "J44.9").get("icd-excludes1") is None
    finding = found(codesets, "J02.9", "J03.90")["icd-excludes1"]
    assert set(finding.codes) == {"J02.9", "J03.90"}


def test_sides_that_are_told_are_not_asked(codesets: CodeSets) -> None:
    assert "icd-side-unspecified" not in found(codesets, "M25.561")
    assert "icd-side-unspecified" not in found(codesets, "M17.0")
    assert "icd-side-unspecified" not in found(codesets, "I10")


def test_sex_and_age(codesets: CodeSets) -> None:
    assert "icd-sex" in found(codesets, "N40.0", encounter=Encounter(sex="female", age=60))
    assert "icd-sex" not in found(codesets, "N40.0", encounter=Encounter(sex="male", age=60))
    assert "icd-age" in found(codesets, "P59.9", encounter=Encounter(sex="male", age=60))
    assert "icd-sex" not in found(codesets, "N40.0", encounter=Encounter(sex="other"))
    assert "icd-age" not in found(codesets, "P59.9", encounter=Encounter())


def test_side_of_modifier_and_diagnosis(codesets: CodeSets) -> None:
    left = found(codesets, "M17.11", procedures=(procedure("20610", ("LT",)),))
    right = found(codesets, "M17.11", procedures=(procedure("20610", ("RT",)),))
    none = found(codesets, "M17.11", procedures=(procedure("20610"),))
    assert left["side-conflict"].severity is Severity.ERROR
    assert "side-conflict" not in right
    assert "side-conflict" not in none
    assert "procedure-side-missing" in none


def test_pairs_and_their_modifiers(codesets: CodeSets) -> None:
    ecg = found(codesets, "I10", procedures=(procedure("93000"), procedure("93010")))["ncci-ptp-never"]
    assert (ecg.severity, ecg.codes) == (Severity.ERROR, ("93000", "93010"))
    lesions = (procedure("17000"), procedure("11102"))
    assert found(codesets, "L57.0", procedures=lesions)["ncci-ptp"].severity is Severity.WARNING
    apart = (procedure("17000"), procedure("11102", ("59",)))
    assert "ncci-ptp" not in found(codesets, "L57.0", procedures=apart)
    never = (procedure("93000"), procedure("93010", ("59",)))
    assert "ncci-ptp-never" in found(codesets, "I10", procedures=never)


def test_units(codesets: CodeSets) -> None:
    assert "mue-day-reviewed" in found(codesets, "M17.11", procedures=(procedure("20610", ("RT",), units=3),))
    assert "mue-day-reviewed" not in found(codesets, "M17.11", procedures=(procedure("20610", ("RT",), units=2),))
    twice = (procedure("17110"), procedure("17110", ("59",)))
    assert "mue-day-reviewed" in found(codesets, "B07.9", procedures=twice)


def test_reasons(codesets: CodeSets) -> None:
    assert found(codesets, procedures=(procedure("93000"),))["procedure-without-diagnosis"].severity is Severity.ERROR
    assert "procedure-reason" in found(codesets, "L57.0", procedures=(procedure("93000"),))
    assert "procedure-reason" not in found(codesets, "I10", procedures=(procedure("93000"),))
    assert "procedure-reason" not in found(codesets, "I10", procedures=(procedure("36415"),))


def test_unknown_procedure_and_duplicates(codesets: CodeSets) -> None:
    rules = found(codesets, "I10", procedures=(procedure("00001"), procedure("93000"), procedure("93000")))
    assert "procedure-unknown" in rules
    assert rules["procedure-duplicate"].codes == ("93000",)


def test_vaccine_without_the_code_for_giving_it(codesets: CodeSets) -> None:
    assert "vaccine-without-administration" in found(codesets, "Z23", procedures=(procedure("90656"),))
    both = (procedure("90656"), procedure("90471"))
    assert "vaccine-without-administration" not in found(codesets, "Z23", procedures=both)


def test_visit_rules(codesets: CodeSets) -> None:
    inferred = em(rationale="office established; patient status inferred")
    assert "em-patient-status-inferred" in found(codesets, "I10", visit=inferred)
    told = Encounter(patient_status="established")
    assert "em-patient-status-inferred" not in found(codesets, "I10", visit=inferred, encounter=told)
    injection = (procedure("20610", ("RT",)),)
    assert "em-part-of-procedure" in found(codesets, "M17.11", procedures=injection, visit=em())
    assert "em-modifier-25" in found(codesets, "M17.11", "I10", procedures=injection, visit=em())
    assert "em-preventive" in found(codesets, "Z00.00", visit=em())
    assert "em-preventive-with-problem" in found(codesets, "Z00.00", "I10", visit=em("99396"))
    medicare = Encounter(payer="Medicare")
    assert "em-preventive-medicare" in found(codesets, "Z00.00", visit=em("99397"), encounter=medicare)
    assert "assessment-missing" in found(codesets)


def test_order_and_ids_do_not_change(codesets: CodeSets) -> None:
    told: list[Diagnosis] = [
        diagnosis("W19.XXXA", description="Fall", sequence=1),
        diagnosis("M25.569", description="Pain in unspecified knee", sequence=2),
        diagnosis("R05.9", description="Cough", sequence=3),
        diagnosis("J44.9", description="COPD", sequence=4),
    ]
    first, second = (check(told, (), em(), Encounter(), codesets) for _ in range(2))
    assert first == second
    assert [f.id for f in first] == [f"F{n}" for n in range(1, len(first) + 1)]
    ranks = [list(Severity).index(f.severity) for f in first]
    assert ranks == sorted(ranks)
    assert {f.severity for f in first} == set(Severity)


def test_every_finding_names_its_source(codesets: CodeSets) -> None:
    told = [replace(diagnosis("M17.11", description=KNEE), sequence=1)]
    for finding in check(told, (procedure("20610", ("LT",)), procedure("93000")), em(), Encounter(), codesets):
        assert finding.source
        assert finding.message
        assert finding.codes
