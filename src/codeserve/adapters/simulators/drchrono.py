"""DrChrono's REST API v4, as far as an adapter sees it: pages of two, notes in sections, line items, billing notes,
tasks."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.base import Delivery, KeptDraft, NoteOnFile, Simulator

Object = dict[str, Any]
PAGE = 2
TEMPLATE, FIELD, BOX = 900, 901, 902
FIELDS = [
    {"id": FIELD, "name": "", "data_type": "String", "clinical_note_template": TEMPLATE},
    {"id": BOX, "name": "Reviewed", "data_type": "NullCheckbox", "clinical_note_template": TEMPLATE},
]


class DrChronoSimulator(Simulator):
    name = "drchrono"

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.appointments: dict[str, Object] = {}
        self.patients: dict[str, Object] = {}
        self.notes: list[Object] = []
        self.line_items: list[Object] = []
        self.billing_notes: list[Object] = []
        self.kept_tasks: list[Object] = []
        self._deliveries: dict[str, str] = {}

    def routes(self) -> list[Route]:
        lists: dict[str, Callable[[], list[Object]]] = {
            "clinical_notes": lambda: self.notes,
            "clinical_note_field_types": lambda: FIELDS,
            "line_items": lambda: self.line_items,
            "claim_billing_notes": lambda: self.billing_notes,
            "tasks": lambda: self.kept_tasks,
        }
        self._lists = lists
        return [
            Route("/api/appointments/{id}", self._appointment, methods=["GET", "PATCH"]),
            Route("/api/patients/{id}", self._patient),
            Route("/api/{kind}", self._list),
            Route("/api/{kind}", self._create, methods=["POST"]),
        ]

    def sign(self, note: NoteOnFile) -> str:
        number = 5000 + len(self.appointments)
        patient, appointment = str(number + 20_000), str(number)
        self.patients[patient] = _patient(note, patient)
        self.appointments[appointment] = {
            "id": appointment,
            "patient": int(patient),
            "doctor": 77,
            "scheduled_time": f"{note.date_of_service}T09:00:00",
            "primary_insurer_name": "Medicare",
            "icd10_codes": [],
            "clinical_note": {"locked": True, "updated_at": self._now()},
        }
        values = [
            {"id": 1, "clinical_note_field": FIELD, "value": note.text},
            {"clinical_note_field": BOX, "value": "0"},
        ]
        section = {"name": "Visit note", "clinical_note_template": TEMPLATE, "values": values}
        self.notes.append(
            {"patient": patient, "appointment": appointment, "archived": False, "clinical_note_sections": [section]}
        )
        return appointment

    def amend(self, document_id: str, text: str) -> str:
        note = next(n for n in self.notes if n["appointment"] == document_id)
        note["clinical_note_sections"][0]["values"][0]["value"] = text
        self.appointments[document_id]["clinical_note"]["updated_at"] = self._now()
        return document_id

    def drafts(self, reference: str) -> list[KeptDraft]:
        marked = [n for n in self.billing_notes if reference in n["text"]]
        return [self._draft(str(note["appointment"]), reference) for note in marked]

    def tasks(self) -> list[str]:
        return [task["title"] for task in self.kept_tasks]

    def delivery(self, document_id: str) -> Delivery:
        note = next(n for n in self.notes if n["appointment"] == document_id)
        headers = {
            "X-drchrono-event": "CLINICAL_NOTE_LOCK",
            "X-drchrono-signature": self.webhook_secret,
            "X-drchrono-delivery": self._deliveries.setdefault(document_id, str(uuid.uuid4())),
            "Content-Type": "application/json",
        }
        return Delivery(headers, orjson.dumps({"receiver": {"id": 1}, "object": note}))

    def _now(self) -> str:
        return self.tick().replace(tzinfo=None).isoformat()

    def _draft(self, appointment: str, reference: str) -> KeptDraft:
        codes = self.appointments[appointment]["icd10_codes"]
        lines = tuple(
            ChargeLine(
                item["code"],
                "CPT" if item["procedure_type"] == "C" else "HCPCS",
                tuple(item["modifiers"]),
                item["quantity"],
                tuple(codes.index(p) + 1 for p in item["diagnosis_pointers"]),
            )
            for item in self.line_items
            if str(item["appointment"]) == appointment
        )
        return KeptDraft(reference, tuple(codes), lines)

    async def _appointment(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        found = self.appointments.get(request.path_params["id"])
        if found is None:
            return Response(status_code=404)
        if request.method == "PATCH":
            found.update(await request.json())
            return Response(status_code=204)
        return JSONResponse(found)

    async def _patient(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        found = self.patients.get(request.path_params["id"])
        return JSONResponse(found) if found else Response(status_code=404)

    async def _list(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        kind, asked = request.path_params["kind"], dict(request.query_params)
        found = [one for one in self._lists[kind]() if self._fits(one, asked)]
        start = int(asked.get("cursor", 0))
        following = {**asked, "cursor": start + PAGE}
        more = f"{self.base_url}api/{kind}?{urlencode(following)}" if start + PAGE < len(found) else None
        return JSONResponse({"previous": None, "results": found[start : start + PAGE], "next": more})

    async def _create(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        kept = self._lists[request.path_params["kind"]]()
        kept.append({**await request.json(), "id": len(kept) + 1})
        return JSONResponse(kept[-1], 201)

    def _fits(self, one: Object, asked: dict[str, str]) -> bool:
        if "since" in asked:
            visit = self.appointments[one["appointment"]]
            return bool(visit["clinical_note"]["updated_at"] >= asked["since"])
        names = ("appointment", "patient", "clinical_note_template", "assignee_group")
        return all(str(one.get(name)) == asked[name] for name in names if name in asked)


def _patient(note: NoteOnFile, patient_id: str) -> Object:
    return {
        "id": int(patient_id),
        "first_name": note.given,
        "middle_name": "",
        "last_name": note.family,
        "date_of_birth": note.birth_date,
        "gender": note.sex.capitalize(),
        "chart_id": note.record_number,
        "home_phone": note.phone,
        "address": note.street,
    }
