from __future__ import annotations

from typing import Any

import pytest

from codeserve.codesets import CodeSets
from tests.api.fakes import ClaimService, make_app, request
from tests.api.test_app import fields, problem

CLAIM: dict[str, Any] = {
    "encounter": {"date_of_service": "2026-05-04", "recent_procedures": [{"code": "27447", "date": "2026-04-10"}]},
    "diagnosis_codes": [{"code": "m1711"}],
    "procedure_codes": [{"code": "20610", "modifiers": ["rt"], "units": 2, "diagnosis_pointers": [1]}],
}


def validate(body: Any) -> Any:
    return request(make_app(), "POST", "/v1/validate-codes", json=body)


def test_a_claim_with_findings_is_200() -> None:
    response = validate(CLAIM)
    assert response.status_code == 200
    body = response.json()
    assert [f["rule"] for f in body["findings"]] == ["unspecified-code"]
    assert body["tables"][0]["name"] == "ncci-ptp"
    assert "validate;dur=" in response.headers["server-timing"]


def line(**changes: Any) -> dict[str, Any]:
    return {**CLAIM, "procedure_codes": [{**CLAIM["procedure_codes"][0], **changes}]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"encounter": {}}, "diagnosis_codes"),
        (line(units=-1), "procedure_codes.0.units"),
        (line(units=10_000_000), "procedure_codes.0.units"),
        (line(units="1"), "procedure_codes.0.units"),
        (line(code="knee"), "procedure_codes.0.code"),
        (line(modifiers=["RIGHT"]), "procedure_codes.0.modifiers.0"),
        (line(modifiers=["RT"] * 51), "procedure_codes.0.modifiers"),
        (line(diagnosis_pointers=[-1]), "procedure_codes.0.diagnosis_pointers.0"),
        ({**CLAIM, "diagnosis_codes": [{"code": "I10"}] * 5001}, "diagnosis_codes"),
        ({**CLAIM, "diagnosis_codes": [{"code": "knee pain"}]}, "diagnosis_codes.0.code"),
        ({**CLAIM, "encounter": {"date_of_service": "2026-02-30"}}, "encounter.date_of_service"),
        ({**CLAIM, "text": " "}, "text"),
    ],
)
def test_a_malformed_claim_names_the_field(body: dict[str, Any], field: str) -> None:
    assert fields(problem(validate(body), 422, "invalid-request")) == [field]


@pytest.mark.parametrize(
    ("body", "rule", "place"),
    [
        ({**CLAIM, "diagnosis_codes": [{"code": "E11.99"}]}, "icd-unknown", "E11.99"),
        ({**CLAIM, "diagnosis_codes": [{"code": "e119"}]}, "code-written", "diagnosis 1"),
        (line(code="j3301"), "code-written", "line 1"),
        (line(code="ABCDE"), "procedure-form", "line 1"),
        (line(code="00001"), "procedure-unknown", "line 1"),
        (line(units=0), "units-impossible", "line 1"),
        (line(units=10_000), "units-impossible", "line 1"),
        (line(modifiers=["49"]), "modifier-unknown", "line 1"),
        (line(modifiers=["ZY"]), "modifier-not-listed", "line 1"),
        (line(modifiers=["RT", "59", "76", "22", "KX"]), "modifier-too-many", "line 1"),
        (line(diagnosis_pointers=[0]), "pointer-unknown", "line 1"),
        (line(diagnosis_pointers=[1, 1, 1, 1, 1]), "pointer-too-many", "line 1"),
        ({**CLAIM, "diagnosis_codes": [{"code": "I10"}] * 5000}, "claim-too-long", "diagnoses"),
        ({**CLAIM, "procedure_codes": CLAIM["procedure_codes"] * 5000}, "claim-too-long", "service lines"),
        ({**CLAIM, "encounter": {"date_of_service": "2026-11-02"}}, "icd-release", "2026-11-02"),
    ],
)
def test_an_error_of_the_claim_is_a_finding_with_its_place(
    codesets: CodeSets, body: dict[str, Any], rule: str, place: str
) -> None:
    response = request(make_app(ClaimService(codesets=codesets)), "POST", "/v1/validate-codes", json=body)
    assert response.status_code == 200
    told = [found for found in response.json()["findings"] if found["rule"] == rule]
    assert any(place in f"{finding['message']} {finding['codes']}" for finding in told)
    assert all(finding["source"] for finding in told)


def test_gaps_of_a_note() -> None:
    response = request(make_app(), "POST", "/v1/documentation-gaps", json={"text": "ankle sprain"})
    assert response.status_code == 200
    (gap,) = response.json()["documentation_gaps"]
    assert gap["evidence"] == [{"start": 0, "end": 5, "text": "ankle", "section": "hpi"}]
    assert gap["question"].endswith("?")
    assert request(make_app(), "POST", "/v1/documentation-gaps", json={}).status_code == 422
