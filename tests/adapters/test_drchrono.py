"""DrChrono: the contract, and what is its own."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from codeserve.adapters.base import Adapter
from codeserve.adapters.drchrono import opened
from codeserve.adapters.drchrono_note import text_of_note
from codeserve.adapters.errors import Malformed, NotThere, TryLater
from codeserve.adapters.http import Sleep
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.drchrono import DrChronoSimulator
from codeserve.adapters.simulators.tokens import FIRST_REFRESH, credentials
from codeserve.errors import NotFound
from tests.adapters.contract import NOTE, REFERENCE, AdapterContract


class TestDrChrono(AdapterContract):
    reading, writing = "/api/clinical_notes", "/api/line_items"

    def shown(self, text: str) -> str:
        return f"Visit note\n{text}"

    def make_simulator(self, **rest: Any) -> Simulator:
        return DrChronoSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        return opened(
            Opening(
                "drchrono",
                simulator.base_url,
                credentials(refresh_token=simulator.tokens.refresh_token),
                webhook_secret=simulator.webhook_secret,
                options={"task_group": 4, "task_status": 8},
                patience=patience,
                sleep=sleep,
            )
        )

    def test_consent_is_a_refresh_token(self, simulator: Simulator) -> None:
        assert simulator.tokens.refresh_token == FIRST_REFRESH
        self.use(simulator, lambda a: a.authenticate())
        assert simulator.tokens.refresh_token != FIRST_REFRESH

    def test_an_unlocked_note_is_unsigned(self, simulator: Simulator) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        document_id = simulator.sign(NOTE)
        simulator.appointments[document_id]["clinical_note"]["locked"] = False
        assert self.fetch(simulator, document_id).state == "unsigned"

    def test_an_archived_note_is_not_there(self, simulator: Simulator) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        document_id = simulator.sign(NOTE)
        simulator.notes[0]["archived"] = True
        with pytest.raises(NotThere):
            self.fetch(simulator, document_id)

    @pytest.mark.parametrize("sections", ["text", [{"values": 7}], [{"values": [3]}], {"a": 1}])
    def test_a_note_of_another_shape_is_malformed(self, simulator: Simulator, sections: Any) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        document_id = simulator.sign(NOTE)
        simulator.notes[0]["clinical_note_sections"] = sections
        with pytest.raises(Malformed):
            self.fetch(simulator, document_id)

    def test_what_a_person_entered_stays(self, simulator: Simulator) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        draft = self.draft(simulator)
        visit = simulator.appointments[draft.document_id]
        visit["icd10_codes"] = ["E11.9", "W19.XXXA"]
        line = {"appointment": int(draft.document_id), "procedure_type": "C", "diagnosis_pointers": ["E11.9"]}
        simulator.line_items.append({**line, "code": "99213", "modifiers": ["25", "", ""], "quantity": 1.0})
        self.use(simulator, lambda a: a.post_draft(draft))
        assert visit["icd10_codes"] == ["E11.9", "W19.XXXA", "S93.402A"]
        assert [item["code"] for item in simulator.line_items] == ["99213", "L1902"], "no second 99213-25"
        assert simulator.line_items[1]["diagnosis_pointers"] == ["S93.402A", "W19.XXXA"]

    def test_two_equal_lines_are_two(self, simulator: Simulator) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        draft = self.draft(simulator)
        twice = replace(draft, lines=(draft.lines[0], draft.lines[0]))
        self.use(simulator, lambda a: a.post_draft(twice))
        self.use(simulator, lambda a: a.post_draft(twice))
        assert len(simulator.line_items) == 2

    def test_a_part_of_a_draft_is_none(self, simulator: Simulator) -> None:
        assert isinstance(simulator, DrChronoSimulator)
        draft = self.draft(simulator)
        simulator.faults.add("status", 429, path="/api/claim_billing_notes", method="POST", times=99)
        with pytest.raises(TryLater):
            self.use(simulator, lambda a: a.post_draft(draft))
        assert self.use(simulator, lambda a: a.find_draft(draft)) is None
        simulator.faults.clear()
        self.use(simulator, lambda a: a.post_draft(draft))
        assert len(simulator.line_items) == len(draft.lines)
        assert len(simulator.drafts(REFERENCE)) == 1

    def test_a_new_address_is_verified(self, simulator: Simulator) -> None:
        async def challenged(adapter: Adapter) -> Any:
            return adapter.answer_challenge({"msg": "hello"})

        digest = hmac.new(simulator.webhook_secret.encode(), b"hello", hashlib.sha256).hexdigest()
        assert self.use(simulator, challenged) == {"secret_token": digest}

    def test_nothing_to_verify_is_not_found(self, simulator: Simulator) -> None:
        async def challenged(adapter: Adapter) -> Any:
            return adapter.answer_challenge({})

        with pytest.raises(NotFound):
            self.use(simulator, challenged)

    @pytest.mark.parametrize(
        ("event", "kind"), [("CLINICAL_NOTE_UNLOCK", "unsigned"), ("PING", "ping"), ("PATIENT_MODIFY", "other")]
    )
    def test_other_events_are_told_apart(self, simulator: Simulator, event: str, kind: str) -> None:
        sent = simulator.delivery(simulator.sign(NOTE))

        async def verify(adapter: Adapter) -> Any:
            headers = {**sent.headers, "X-drchrono-event": event}
            body = sent.body if kind == "unsigned" else orjson.dumps({"receiver": {}, "object": {"id": 3}})
            return adapter.verify_webhook(headers, body, datetime.now(UTC))

        (told,) = self.use(simulator, verify)
        assert told.kind == kind
        assert (told.document_id is not None) == (kind == "unsigned")


def test_values_are_said_as_their_fields_mean() -> None:
    fields = [
        {"id": 1, "name": "HPI", "data_type": "String"},
        {"id": 2, "name": "Cough", "data_type": "NullCheckbox"},
        {"id": 3, "name": "Fever", "data_type": "NullCheckbox"},
        {"id": 4, "name": "Rash", "data_type": "NullCheckbox"},
        {"id": 5, "name": "Reviewed the chart", "data_type": "Checkbox"},
        {"id": 6, "name": "Not ticked", "data_type": "Checkbox"},
        {"id": 7, "name": "Review of systems", "data_type": "SubHeader"},
    ]
    said = {1: "Two days.\nWorse at night.", 2: "2", 3: "1", 4: "0", 5: "True", 6: "False", 7: ""}
    values = [{"clinical_note_field": k, "value": v} for k, v in said.items()]
    note = {
        "clinical_note_sections": [
            {"name": "Subjective", "values": [values[0], values[6], *values[1:6]]},
            {"name": "Empty", "values": [values[3]]},
        ]
    }
    assert text_of_note(note, fields) == (
        "Subjective\nHPI:\nTwo days.\nWorse at night.\nReview of systems\nCough: Yes\nFever: No\nReviewed the chart"
    )
