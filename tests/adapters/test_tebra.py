"""Tebra: the contract, and what is its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codeserve.adapters import soap, xml
from codeserve.adapters.base import Adapter
from codeserve.adapters.errors import CredentialsRefused, Malformed, Refused
from codeserve.adapters.http import Answer, Sleep
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.tebra import LOGIN, TebraSimulator
from codeserve.adapters.simulators.tokens import credentials
from codeserve.adapters.tebra import opened
from codeserve.errors import SetupError
from tests.adapters.contract import AdapterContract


def opening(simulator: TebraSimulator, **rest: Any) -> Opening:
    login = {"customer_key": LOGIN["CustomerKey"], "user": LOGIN["User"], "password": LOGIN["Password"]}
    options = {"fhir_url": simulator.base_url, "practice_id": "4", "location_id": "13"}
    return Opening("tebra", simulator.soap_url, {**credentials(), **login}, options=options, **rest)


class TestTebra(AdapterContract):
    reading, writing = "/fhir/DocumentReference", "CreateEncounter"

    def make_simulator(self, **rest: Any) -> Simulator:
        return TebraSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        assert isinstance(simulator, TebraSimulator)
        return opened(opening(simulator, patience=patience, sleep=sleep))

    def test_the_encounter_says_whose_it_is(self, simulator: Simulator) -> None:
        assert isinstance(simulator, TebraSimulator)
        draft = self.draft(simulator)
        self.use(simulator, lambda a: a.post_draft(draft))
        (encounter,) = simulator.encounters
        assert xml.text(encounter, "EncounterStatus") == "Draft"
        assert xml.text(encounter, "Patient", "PatientID") == draft.patient_id
        assert xml.text(encounter, "Practice", "PracticeID") == "4"
        assert xml.text(encounter, "RenderingProvider", "LastName") == "Okonjo"
        assert xml.text(encounter, "ServiceStartDate") == "2026-03-02T00:00:00"

    def test_a_refusal_within_an_answer_is_one(self, simulator: Simulator) -> None:
        assert isinstance(simulator, TebraSimulator)
        draft = self.draft(simulator)
        simulator.refuses = True
        with pytest.raises(Refused):
            self.use(simulator, lambda a: a.post_draft(draft))

    def test_a_login_that_is_not_admitted_is_said(self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        draft = self.draft(simulator)
        monkeypatch.setitem(LOGIN, "Password", "changed since")

        def adapter_of_before(*_: Any) -> Adapter:
            assert isinstance(simulator, TebraSimulator)
            before = opening(simulator)
            return opened(replace(before, credentials={**before.credentials, "password": "simulated-password"}))

        monkeypatch.setattr(self, "make_adapter", adapter_of_before)
        with pytest.raises(CredentialsRefused):
            self.use(simulator, lambda a: a.authenticate())
        with pytest.raises(CredentialsRefused):
            self.use(simulator, lambda a: a.post_draft(draft))

    @pytest.mark.parametrize("missing", ["fhir_url", "practice_id"])
    def test_what_it_needs_is_named(self, simulator: Simulator, missing: str) -> None:
        assert isinstance(simulator, TebraSimulator)
        before = opening(simulator)
        with pytest.raises(SetupError, match=missing):
            opened(replace(before, options={**before.options, missing: ""}))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b"<Envelope/>",
        soap.message("urn:x", "OtherResponse", [("OtherResult", "x")]),
    ],
)
def test_what_is_no_answer_of_the_operation_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        soap.result_of(Answer(200, {}, body), "CreateEncounter")


def test_members_are_escaped_and_empty_ones_left_out() -> None:
    body = soap.message("urn:x", "Say", [("A", "<&>"), ("B", None), ("C", ""), ("D", [("E", "é")])])
    said = xml.find(xml.parse(body), "Body", "Say")
    assert said is not None
    assert [xml.local(member) for member in said] == ["A", "D"]
    assert xml.text(said, "A") == "<&>"
    assert xml.text(said, "D", "E") == "é"
