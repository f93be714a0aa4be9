"""The real chain: Ray Serve, the real tagger, vLLM with the real reasoner, over HTTP."""

from __future__ import annotations

import concurrent.futures
import json
from typing import Any

import httpx
import pytest

from codeserve.codesets import CodeSets
from codeserve.config import home
from codeserve.setup import artifacts
from tests.conftest import SHARED, Service

pytestmark = pytest.mark.e2e
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def codesets() -> CodeSets:
    return CodeSets.load(artifacts(home()).tables)


def check(answer: dict[str, Any], text: str, codesets: CodeSets) -> None:
    """What holds for every answer: exact evidence, billable codes, confidences in their range."""
    items = [i for e in ("problems", "data", "risk") for i in (answer["em"] or {}).get(e, {}).get("items", [])]
    for one in (*answer["diagnosis_codes"], *answer["procedure_codes"], *items):
        for span in one["evidence"]:
            assert text[span["start"] : span["end"]] == span["text"] != ""
    for diagnosis in answer["diagnosis_codes"]:
        assert codesets.icd.is_billable(diagnosis["code"])
        assert 0 <= diagnosis["confidence"] <= 1
        assert diagnosis["evidence"]
    sequences = [d["sequence"] for d in answer["diagnosis_codes"]]
    assert sequences == list(range(1, len(sequences) + 1))
    for procedure in answer["procedure_codes"]:
        assert set(procedure["diagnosis_pointers"]) <= set(sequences)


def test_the_contracts_example_call(service: Service, codesets: CodeSets) -> None:
    body = {
        "document_id": "enc_12345",
        "text": "Patient presents with acute chest pain radiating to left arm...",
        "model_version": "icd10-extractor-v3",
    }
    response = service.post(body)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["encounter_id"], answer["document_id"]) == ("enc_12345", "enc_12345")
    assert answer["diagnosis_codes"][0]["code"] == "R07.9"
    check(answer, body["text"], codesets)
    assert {"tag", "reason"} <= {part.split(";")[0] for part in response.headers["Server-Timing"].split(", ")}


def test_an_ecg_that_was_done_is_coded(service: Service, examples: dict[str, dict[str, Any]]) -> None:
    answer = service.post(examples["cardiology_heart_failure"]).json()
    assert "93000" in [procedure["code"] for procedure in answer["procedure_codes"]]


def test_every_example_note_alone_and_among_others(
    service: Service, examples: dict[str, dict[str, Any]], codesets: CodeSets
) -> None:
    assert len(examples) >= 12
    alone = {name: service.post(body).json() for name, body in examples.items()}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        among = dict(zip(examples, pool.map(lambda b: service.post(b).json(), examples.values()), strict=True))
    for name, body in examples.items():
        check(alone[name], body["text"], codesets)
        same(alone[name], among[name])


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The same codes with confidences within 0.02; a tie closer than that may fall either way."""
    for kind in ("diagnosis_codes", "procedure_codes"):
        first, second = ({c["code"]: c for c in answer[kind]} for answer in (one, other))
        for code in first.keys() ^ second.keys():
            told = first.get(code) or second[code]
            rivals = [a["confidence"] for a in told["alternatives"]]
            assert rivals
            assert told["confidence"] - max(rivals) <= TOLERANCE
        for code in first.keys() & second.keys():
            assert abs(first[code]["confidence"] - second[code]["confidence"]) <= TOLERANCE


def test_a_note_with_nothing_billable_is_an_empty_answer(service: Service, examples: dict[str, dict[str, Any]]) -> None:
    answer = service.post(examples["urology_no_billable"]).json()
    assert (answer["diagnosis_codes"], answer["procedure_codes"], answer["em"]) == ([], [], None)


def test_a_note_of_60000_characters(service: Service, examples: dict[str, dict[str, Any]], codesets: CodeSets) -> None:
    filler = "Review of systems is otherwise negative. The patient is resting comfortably.\n" * 800
    text = f"HPI\n{filler[:60_000]}\n\nASSESSMENT\n1. Gout\n2. Hypertension\n"
    answer = service.post({"document_id": "long", "text": text}).json()
    check(answer, text, codesets)
    assert {"M10.9", "I10"} <= {d["code"] for d in answer["diagnosis_codes"]}


@pytest.mark.skipif(not (SHARED / "eval/aci_dev").is_dir(), reason="the development notes are not on this machine")
def test_some_development_notes(service: Service, codesets: CodeSets) -> None:
    lines = (SHARED / "eval/aci_dev/notes.jsonl").read_text().splitlines()
    for note in (json.loads(line) for line in lines[::12]):
        answer = service.post({"document_id": note["id"], "text": note["text"]}).json()
        check(answer, note["text"], codesets)
        assert answer["em"] is not None


def test_errors_are_problem_documents(service: Service) -> None:
    wrong = service.post({"document_id": "x", "text": "   "})
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
    assert service.post({"document_id": "x", "text": "gout", "model_version": "none"}).status_code == 404
    assert service.post({"document_id": "x", "text": "gout", "nope": 1}).status_code == 422
    long = service.post({"document_id": "x", "text": "a" * 200_001})
    assert long.status_code == 413


def test_what_the_service_says_of_itself(service: Service) -> None:
    def get(path: str) -> httpx.Response:
        return httpx.get(f"{service.url}{path}", timeout=60, trust_env=False)

    assert get("/livez").status_code == 200
    assert get("/readyz").json() == {"ready": True}
    assert get("/v1/models").json()["models"][0]["aliases"] == ["icd10-extractor-v3"]
    assert get("/v1/codes/E11.9").json()["billable"] is True
    assert get("/v1/codes/E11").json()["billable"] is False
    assert get("/v1/codes/XYZ").status_code == 404
    assert "codeserve_" in get("/metrics").text


def test_a_request_id_comes_back(service: Service) -> None:
    response = service.post({"document_id": "x", "text": "gout"}, **{"X-Request-Id": "abc-1"})
    assert response.headers.get_list("x-request-id") == ["abc-1"]


def test_identifiers_are_in_no_log(service: Service) -> None:
    canary = "Zyxwvut Qponmlk"
    body = {
        "document_id": "x",
        "text": f"{canary} has gout. MRN: 99887766.",
        "encounter": {"patient": {"identifiers": [canary]}},
    }
    assert service.post(body).status_code == 200
    assert service.post({**body, "nope": 1}).status_code == 422
    assert canary.encode() not in service.log.read_bytes()


def test_a_claim_is_held_against_its_note(service: Service, examples: dict[str, dict[str, Any]]) -> None:
    note = examples["cardiology_heart_failure"]
    coded = service.post(note).json()
    own = [{"code": d["code"]} for d in coded["diagnosis_codes"] if d["role"] == "assessed"]
    claim = {"text": note["text"], "encounter": note["encounter"], "diagnosis_codes": [*own, {"code": "L57.0"}]}
    response = service.post(claim, "/v1/validate-codes")
    assert response.status_code == 200
    body = response.json()
    unsupported = [f["codes"] for f in body["findings"] if f["rule"] == "support-diagnosis"]
    assert unsupported == [["L57.0"]]
    assert "icd10cm" in [table["name"] for table in body["tables"]]
    alone = service.post({"diagnosis_codes": [{"code": "e119"}]}, "/v1/validate-codes").json()
    assert "code-written" in [f["rule"] for f in alone["findings"]]


def test_open_questions_of_a_note_that_is_being_written(service: Service) -> None:
    text = "HPI: Twisted her ankle on the stairs.\nASSESSMENT AND PLAN:\n1. Ankle sprain. Brace, ice."
    response = service.post({"text": text}, "/v1/documentation-gaps")
    assert response.status_code == 200
    gaps = {gap["kind"]: gap for gap in response.json()["documentation_gaps"]}
    assert "side-missing" in gaps
    assert all(text[e["start"] : e["end"]] == e["text"] for gap in gaps.values() for e in gap["evidence"])
    assert "tag;" in response.headers["Server-Timing"]
