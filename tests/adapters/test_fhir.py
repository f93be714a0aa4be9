"""FHIR R4: the contract, and what is its own."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeserve.adapters import fhir_webhooks
from codeserve.adapters.base import Adapter
from codeserve.adapters.errors import CannotTell, Malformed
from codeserve.adapters.fhir import FhirAdapter, FhirOptions, opened
from codeserve.adapters.http import Sleep, Wire
from codeserve.adapters.oauth import OAuth, OAuthClient
from codeserve.adapters.opening import Opening
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Simulator
from codeserve.adapters.simulators.fhir import FhirSimulator
from codeserve.adapters.simulators.tokens import credentials
from codeserve.errors import CodeserveError, SetupError
from tests.adapters.contract import NOTE, REFERENCE, TEXT, AdapterContract

JSON = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
NAMES = st.sampled_from(
    [
        "resource",
        "resourceType",
        "parameter",
        "name",
        "part",
        "valueString",
        "type",
        "subscription",
        "reference",
        "focus",
    ]
) | st.text(max_size=5)


class TestFhir(AdapterContract):
    reading, writing = "/fhir/DocumentReference", "/fhir/Claim"

    def make_simulator(self, **rest: Any) -> Simulator:
        return FhirSimulator(**rest)

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        wire = Wire("fhir", simulator.base_url, patience=patience, sleep=sleep)
        auth = OAuth(wire, OAuthClient.of("fhir", credentials()))
        return FhirAdapter(wire, auth, simulator.webhook_secret, FhirOptions(page=10))

    def document(self, simulator: Simulator, document_id: str) -> dict[str, Any]:
        assert isinstance(simulator, FhirSimulator)
        return simulator.kept["DocumentReference"][document_id]

    def attach(self, simulator: Simulator, *attachments: dict[str, Any]) -> str:
        document_id = simulator.sign(NOTE)
        self.document(simulator, document_id)["content"] = [{"attachment": a} for a in attachments]
        return document_id

    def test_the_visit_is_told(self, simulator: Simulator) -> None:
        told = self.fetch(simulator, simulator.sign(NOTE)).encounter
        assert (told.setting, told.note_type, told.payer) == ("office", "progress", "Medicare")
        assert told.provider_id == "Practitioner/practitioner-1"

    @pytest.mark.parametrize(
        ("zone", "day"), [("", date(2026, 3, 3)), ("America/Denver", date(2026, 3, 2)), ("UTC", date(2026, 3, 3))]
    )
    def test_a_visit_of_the_evening_stays_on_its_day(self, simulator: Simulator, zone: str, day: date) -> None:
        assert isinstance(simulator, FhirSimulator)
        document_id = simulator.sign(NOTE)
        (visit,) = simulator.kept["Encounter"].values()
        visit["period"] = {"start": "2026-03-03T01:30:00Z"}
        adapter = Opening("fhir", simulator.base_url, credentials(), options={"time_zone": zone})
        self.make_adapter = lambda *_: opened(adapter)  # type: ignore[method-assign]
        assert self.fetch(simulator, document_id).encounter.date_of_service == day

    def test_a_time_zone_that_there_is_not_is_refused(self) -> None:
        with pytest.raises(SetupError, match="Mars"):
            opened(Opening("fhir", "https://ehr.example", credentials(), options={"time_zone": "Mars/Olympus"}))

    def test_plain_text_is_taken_before_html(self, simulator: Simulator) -> None:
        html, plain = (base64.b64encode(t).decode() for t in (b"<p>Html</p>", b"Plain"))
        document_id = self.attach(
            simulator,
            {"contentType": "application/pdf", "data": html},
            {"contentType": "text/html", "data": html},
            {"contentType": "text/plain", "data": plain},
        )
        assert self.fetch(simulator, document_id).text == "Plain"

    def test_html_becomes_lines(self, simulator: Simulator) -> None:
        html = "<html><head><title>x</title></head><body><p>Pain &amp; fever</p><ul><li>Cough</li></ul></body></html>"
        data = base64.b64encode(html.encode("latin-1")).decode()
        document_id = self.attach(simulator, {"contentType": "text/html; charset=ISO-8859-1", "data": data})
        assert self.fetch(simulator, document_id).text == "Pain & fever\n\nCough"

    def test_a_hash_is_held_against_the_text(self, simulator: Simulator) -> None:
        data = base64.b64encode(b"Plain").decode()
        right = base64.b64encode(hashlib.sha1(b"Plain").digest()).decode()
        wrong = base64.b64encode(hashlib.sha1(b"Other").digest()).decode()
        good = self.attach(simulator, {"contentType": "text/plain", "data": data, "hash": right})
        bad = self.attach(simulator, {"contentType": "text/plain", "data": data, "hash": wrong})
        assert self.fetch(simulator, good).text == "Plain"
        with pytest.raises(Malformed):
            self.fetch(simulator, bad)

    @pytest.mark.parametrize(
        "attachment",
        [
            {"contentType": "application/pdf", "data": "JVBERg=="},
            {"contentType": "text/plain"},
            {"contentType": "text/plain; charset=utf-8", "data": "/w=="},
            {"contentType": "text/plain; charset=klingon", "data": "YQ=="},
            {"contentType": "text/plain", "url": "https://elsewhere.example/Binary/1"},
        ],
        ids=["pdf", "empty", "not-utf8", "unknown-charset", "elsewhere"],
    )
    def test_what_cannot_be_read_is_malformed(self, simulator: Simulator, attachment: dict[str, Any]) -> None:
        with pytest.raises(Malformed):
            self.fetch(simulator, self.attach(simulator, attachment))

    def test_an_addendum_comes_after_its_note(self, simulator: Simulator) -> None:
        first = simulator.sign(NOTE)
        second = simulator.sign(NOTE)
        target = {"reference": f"DocumentReference/{first}"}
        addendum = base64.b64encode(b"Also a cough.").decode()
        self.document(simulator, second).update(
            relatesTo=[{"code": "appends", "target": target}],
            content=[{"attachment": {"contentType": "text/plain", "data": addendum}}],
        )
        note = self.fetch(simulator, second)
        assert note.text == f"{TEXT}\n\nADDENDUM:\nAlso a cough."
        assert note.amended_from == first

    def test_addenda_that_go_round_end(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        target = {"reference": f"DocumentReference/{document_id}"}
        self.document(simulator, document_id)["relatesTo"] = [{"code": "appends", "target": target}]
        with pytest.raises(Malformed):
            self.fetch(simulator, document_id)

    @pytest.mark.parametrize(
        ("fields", "state"),
        [
            ({"docStatus": "preliminary"}, "unsigned"),
            ({"docStatus": "amended"}, "signed"),
            ({"docStatus": "entered-in-error"}, "withdrawn"),
            ({"status": "entered-in-error"}, "withdrawn"),
            ({"status": "superseded"}, "superseded"),
            ({"docStatus": None}, "unsigned"),
            ({"docStatus": None, "authenticator": {"reference": "Practitioner/practitioner-1"}}, "signed"),
        ],
    )
    def test_whether_it_is_signed(self, simulator: Simulator, fields: dict[str, Any], state: str) -> None:
        document_id = simulator.sign(NOTE)
        self.document(simulator, document_id).update(fields)
        assert self.fetch(simulator, document_id).state == state

    def test_an_invalid_resource_names_its_field_only(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        self.document(simulator, document_id)["date"] = "the day Quillfeather came"
        with pytest.raises(Malformed, match="DocumentReference is not valid: date") as raised:
            self.fetch(simulator, document_id)
        assert "Quillfeather" not in str(raised.value)

    def test_charge_items_are_made_once(self, simulator: Simulator) -> None:
        assert isinstance(simulator, FhirSimulator)
        draft = self.draft(simulator)
        simulator.faults.add("status", 500, path="/fhir/Claim", method="POST")
        with pytest.raises(Exception, match="500"):
            self.use(simulator, lambda a: a.post_draft(draft))
        assert not simulator.drafts(REFERENCE)
        self.use(simulator, lambda a: a.post_draft(draft))
        assert [i["code"]["coding"][0]["code"] for i in simulator.kept["ChargeItem"].values()] == ["99213", "L1902"]
        assert {i["status"] for i in simulator.kept["ChargeItem"].values()} == {"planned"}

    def test_several_claims_of_one_reference_are_for_a_person(self, simulator: Simulator) -> None:
        assert isinstance(simulator, FhirSimulator)
        draft = self.draft(simulator)
        self.use(simulator, lambda a: a.post_draft(draft))
        (claim,) = simulator.kept["Claim"].values()
        simulator.kept["Claim"]["copy"] = {**claim, "id": "copy"}
        with pytest.raises(CannotTell):
            self.use(simulator, lambda a: a.find_draft(draft))

    def test_pages_that_lead_elsewhere_are_not_followed(self, simulator: Simulator) -> None:
        assert isinstance(simulator, FhirSimulator)
        for _ in range(11):
            simulator.sign(NOTE)

        async def led_away(adapter: Adapter) -> Any:
            simulator.root = "http://127.0.0.2:9"
            return await _changes(adapter)

        with pytest.raises(Malformed):
            self.use(simulator, led_away)

    @given(st.recursive(JSON, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20))
    @settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None)
    def test_a_notification_of_any_shape_is_an_error_of_ours(self, inside: Any) -> None:
        bundle = {"resourceType": "Bundle", "entry": inside}
        for body in (bundle, {"resourceType": "DocumentReference", "meta": inside}):
            assert status_of(orjson.dumps(body)) in (202, 400, 401)

    def test_a_search_of_any_shape_is_malformed(self, simulator: Simulator) -> None:
        assert isinstance(simulator, FhirSimulator)
        document_id = simulator.sign(NOTE)
        self.document(simulator, document_id)["id"] = None
        with pytest.raises(Malformed):
            self.use(simulator, _changes)

    def test_a_handshake_is_no_event(self, simulator: Simulator) -> None:
        assert self.verified(simulator, {"name": "type", "valueCode": "handshake"}) == ()

    def test_a_notification_of_r4b_is_read_too(self, simulator: Simulator) -> None:
        status = {
            "resourceType": "SubscriptionStatus",
            "type": "event-notification",
            "subscription": {"reference": "Subscription/notes"},
            "notificationEvent": [
                {
                    "eventNumber": "7",
                    "timestamp": "2026-03-02T14:00:00Z",
                    "focus": {"reference": "DocumentReference/d-1"},
                },
                {"eventNumber": "8", "focus": {"reference": "Encounter/e-1"}},
            ],
        }
        first, second = self.delivered(simulator, {"resourceType": "Bundle", "entry": [{"resource": status}]})
        assert (first.event_id, first.document_id, first.kind) == ("notes#7", "d-1", "signed")
        assert first.occurred_at == datetime(2026, 3, 2, 14, tzinfo=UTC)
        assert (second.document_id, second.kind) == (None, "other")

    def test_a_bare_document_is_an_event(self, simulator: Simulator) -> None:
        document = {"resourceType": "DocumentReference", "id": "d-1", "meta": {"versionId": "3"}}
        (event,) = self.delivered(simulator, document)
        assert (event.event_id, event.document_id, event.version) == ("d-1/3", "d-1", "3")

    def verified(self, simulator: Simulator, *parameters: dict[str, Any]) -> Any:
        status = {"resourceType": "Parameters", "parameter": list(parameters)}
        return self.delivered(simulator, {"resourceType": "Bundle", "entry": [{"resource": status}]})

    def delivered(self, simulator: Simulator, body: dict[str, Any]) -> Any:
        async def verify(adapter: Adapter) -> Any:
            headers = {"authorization": f"Bearer {simulator.webhook_secret}"}
            return adapter.verify_webhook(headers, orjson.dumps(body), datetime.now(UTC))

        return self.use(simulator, verify)


def status_of(body: bytes) -> int:
    try:
        told = fhir_webhooks.verified({"authorization": "Bearer s"}, body, datetime.now(UTC), "s")
    except CodeserveError as error:
        return error.status
    assert all(event.event_id for event in told)
    return 202


async def _changes(adapter: Adapter) -> list[Any]:
    return [ref async for ref in adapter.changed_since(None)]
