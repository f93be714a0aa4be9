"""The platform that `sample.py` talks to."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from codeserve.adapters.base import ChargeLine
from codeserve.adapters.simulators.base import Delivery, KeptDraft, NoteOnFile, Simulator
from codeserve.adapters.webhooks import sign

PAGE = 5


class SampleSimulator(Simulator):
    name = "sample"

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.kept: dict[str, list[dict[str, Any]]] = {"notes": [], "charges": [], "tasks": []}

    def routes(self) -> list[Route]:
        return [
            Route("/notes/{id}", self._note),
            Route("/{kind}", self._list),
            Route("/{kind}", self._create, methods=["POST"]),
        ]

    def sign(self, note: NoteOnFile) -> str:
        number = len(self.kept["notes"]) + 1
        patient = {"id": f"p-{number}", "given": note.given, "family": note.family, "born": note.birth_date}
        patient |= {"sex": note.sex, "number": note.record_number, "phone": note.phone}
        kept = {"id": f"n-{number}", "version": "1", "signed": True, "text": note.text, "visit": f"v-{number}"}
        kept |= {"day": note.date_of_service, "changed": self.tick().isoformat()}
        self.kept["notes"].append({**kept, "patient": patient})
        return f"n-{number}"

    def amend(self, document_id: str, text: str) -> str:
        note = next(n for n in self.kept["notes"] if n["id"] == document_id)
        note.update(text=text, version=str(int(note["version"]) + 1), changed=self.tick().isoformat())
        return document_id

    def drafts(self, reference: str) -> list[KeptDraft]:
        return [
            KeptDraft(
                reference,
                tuple(charge["diagnoses"]),
                tuple(
                    ChargeLine(x["code"], x["system"], tuple(x["modifiers"]), x["units"], tuple(x["pointers"]))
                    for x in charge["lines"]
                ),
            )
            for charge in self.kept["charges"]
            if charge["reference"] == reference
        ]

    def tasks(self) -> list[str]:
        return [task["reference"] for task in self.kept["tasks"]]

    def delivery(self, document_id: str) -> Delivery:
        body, now = orjson.dumps({"event": f"e-{document_id}", "note": document_id}), str(int(time.time()))
        signature = sign(self.webhook_secret, now.encode() + b"." + body)
        return Delivery({"X-Sample-Time": now, "X-Sample-Signature": signature}, body)

    async def _note(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        found = [n for n in self.kept["notes"] if n["id"] == request.path_params["id"]]
        return JSONResponse(found[0]) if found else Response(status_code=404)

    async def _list(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        kind, asked = request.path_params["kind"], dict(request.query_params)
        found = [one for one in self.kept[kind] if asked.get("reference") in (None, one.get("reference"))]
        found = [one for one in found if one.get("changed", "") >= asked.get("since", "")]
        start = int(asked.get("start", 0))
        more = f"{self.base_url}{kind}?{urlencode({**asked, 'start': start + PAGE})}"
        following = more if start + PAGE < len(found) else None
        return JSONResponse({"results": found[start : start + PAGE], "next": following})

    async def _create(self, request: Request) -> Response:
        if not self.tokens.good(request.headers):
            return Response(status_code=401)
        kept = self.kept[request.path_params["kind"]]
        kept.append({**await request.json(), "id": f"x-{len(kept) + 1}"})
        return JSONResponse(kept[-1], 201)
