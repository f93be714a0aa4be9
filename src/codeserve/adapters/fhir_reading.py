"""For platforms whose notes are read through their certified FHIR API, and whose charges go another way.

US certification (ONC, 45 CFR 170.315(g)(10)) makes every certified record system publish a FHIR R4 API with US Core's
DocumentReference, Encounter and Patient. It is for reading, and sends no notifications.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

from codeserve.adapters.base import CoderTask, SourceDocument, SourceRef, WebhookEvent
from codeserve.adapters.errors import Refused
from codeserve.adapters.fhir import FhirAdapter
from codeserve.errors import NotFound


class ReadsFhir:
    """The half of an adapter that reads."""

    name: str

    def __init__(self, fhir: FhirAdapter) -> None:
        self._fhir = fhir

    async def fetch(self, document_id: str) -> SourceDocument:
        return await self._fhir.fetch(document_id)

    def changed_since(self, mark: str | None) -> AsyncIterator[SourceRef]:
        return self._fhir.changed_since(mark)

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[WebhookEvent, ...]:
        raise NotFound(f"{self.name} sends no webhooks; it is asked on a schedule")

    def answer_challenge(self, query: Mapping[str, str]) -> Mapping[str, str]:
        raise NotFound(f"{self.name} sends no webhooks; it is asked on a schedule")

    async def push_task(self, task: CoderTask) -> None:
        raise Refused(f"{self.name}: push task: no documented way")

    async def close(self) -> None:
        await self._fhir.close()
