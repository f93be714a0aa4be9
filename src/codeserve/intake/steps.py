"""The steps of the durable workflow. Each may be run again after a crash at any place and leaves the same behind.

Inputs and outputs are ids and states: the workflow's log is not encrypted. A step raises what went wrong; workflow.py
decides what becomes of it. crash_point names the places where the tests kill the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from codeserve.adapters.base import CoderTask, DraftCharge, DraftRef, SourceRef
from codeserve.adapters.errors import CannotTell
from codeserve.errors import NotFound
from codeserve.intake import charges, documents, events, suggestions
from codeserve.intake.crash import crash_point
from codeserve.intake.gateway import Gateway
from codeserve.intake.mapping import request_of
from codeserve.intake.platforms import Platform, Platforms
from codeserve.storage import threads
from codeserve.storage.engine import Database
from codeserve.storage.sealing import unseal_json
from codeserve.storage.tables import Charge, Document, Event, Watermark
from codeserve.worklist import items

T = TypeVar("T")
PULL_PAGE = 50
LOOK_FIRST = "the draft charge may or may not be in the platform: look before you post"
AMENDED = "an amended note; the draft of the version before stays in the platform"
TASK_TITLE = "Check suggested codes"


@dataclass
class Steps:
    """`keep_note`: how long a note's text is kept for a step that is run again."""

    database: Database
    platforms: Platforms
    gateway: Gateway
    keep_note: timedelta = timedelta(hours=72)

    async def fetch(self, tenant: str, event_id: str) -> str:
        """Fetch the note and store its version; the version's id, or nothing where there is nothing to code."""
        event = await self._read(lambda s: s.get_one(Event, (tenant, event_id)))
        platform, external_id = self._platform(tenant, event.platform), event.external_document_id or ""
        crash_point("fetch:before", external_id)
        source = await platform.adapter.fetch(external_id)
        crash_point("fetch:fetched", external_id)

        def store(session: Session) -> str:
            if source.state != "signed":
                items.withdraw(session, tenant, platform.name, source.document_id)
                return ""
            until = datetime.now(UTC) + self.keep_note
            return documents.keep(session, self.database.keys, tenant, platform.name, source, until)

        stored = await self._write(store)
        crash_point("fetch:stored", external_id)
        return stored

    async def code(self, tenant: str, document_id: str) -> str:
        """Have the version coded; store the suggestion and its record. The suggestion's id."""
        known = await self._read(lambda s: suggestions.of(s, tenant, document_id))
        if known:
            return known.id
        about = await self._kept(tenant, document_id)
        if about.note is None:
            raise NotFound("The stored note has expired; a replay fetches it again", field="note")
        crash_point("code:before", about.external_id)
        asked = request_of(document_id, about.note, about.source)
        answer = await self.gateway.code(asked, document_id)
        crash_point("code:answered", about.external_id)
        stored = await self._write(lambda s: suggestions.store(s, self.database.keys, tenant, about, asked, answer))
        crash_point("code:stored", about.external_id)
        return stored

    async def draft(self, tenant: str, document_id: str) -> str:
        """Write the draft charge into the platform, once: its state, or why there is none."""
        about = await self._kept(tenant, document_id)
        crash_point("draft:before", about.external_id)
        prepared = await self._write(lambda s: charges.prepare(s, self.database.keys, tenant, about))
        if isinstance(prepared, str):
            return prepared
        charge, draft = prepared
        if charge.state in charges.SETTLED:
            return charge.state
        platform = await self._platform_of(tenant, document_id)
        try:
            there = await _look(platform, charge, draft)
        except CannotTell:
            return await self._settle(tenant, charge.id, charges.UNCERTAIN)
        crash_point("draft:looked", about.external_id)
        if there is None:
            await self._write(lambda s: charges.note_attempt(s, tenant, charge.id))
            crash_point("draft:noted", about.external_id)
            there = await platform.adapter.post_draft(draft)
            crash_point("draft:sent", about.external_id)
        state = await self._settle(tenant, charge.id, charges.POSTED, platform_id=there.platform_id)
        crash_point("draft:stored", about.external_id)
        return state

    async def abandon(self, tenant: str, document_id: str, kind: str) -> str:
        """The platform does not take the draft."""
        charge = await self._read(lambda s: charges.of(s, tenant, document_id))
        return await self._settle(tenant, charge.id, charges.FAILED, error=kind) if charge else "none"

    async def enlist(self, tenant: str, document_id: str) -> str:
        """Put the version into the coders' queue, in place of the version before; the item's id."""
        about = await self._kept(tenant, document_id)
        crash_point("enlist:before", about.external_id)
        item_id = await self._write(lambda s: self._enlist(s, tenant, about))
        crash_point("enlist:stored", about.external_id)
        return item_id

    async def tell(self, tenant: str, document_id: str) -> str:
        """Put a task into the platform's own queue, where it has one; the platform makes one of each reference."""
        platform = await self._platform_of(tenant, document_id)
        about, charge, item = await self._read(
            lambda s: (
                documents.read(s, self.database.keys, tenant, document_id, datetime.now(UTC)),
                charges.of(s, tenant, document_id),
                items.of_document(s, tenant, document_id),
            )
        )
        if not platform.adapter.capabilities.tasks or item is None or item.state == items.SHADOW:
            return "none"
        crash_point("tell:before", about.external_id)
        draft = DraftRef(charge.platform_id, charge.reference) if charge and charge.platform_id else None
        task = CoderTask(
            reference=f"{charges.reference(document_id)}-task",
            title=TASK_TITLE,
            reason="; ".join(item.reasons),
            document_id=about.external_id,
            patient_id=about.source["patient"]["patient_id"],
            encounter_id=about.source["encounter"]["encounter_id"],
            draft=draft,
        )
        await platform.adapter.push_task(task)
        crash_point("tell:sent", about.external_id)
        return "told"

    async def settle(self, tenant: str, event_id: str, dead: str) -> str:
        """The event is done, or dead with the kind of its failure."""
        external_id = (await self._read(lambda s: s.get_one(Event, (tenant, event_id)))).external_document_id or ""
        crash_point("settle:before", external_id)
        await self._write(lambda s: events.settle(s, self.database.keys, tenant, event_id, dead))
        crash_point("settle:stored", external_id)
        return "dead" if dead else "done"

    async def pull(self, name: str) -> int:
        """Store what changed in a platform since the last pull, with the mark up to which it was seen; how many events
        are new. A pull that was cut goes on at its last page."""
        platform, new = self.platforms[name], 0
        place = (platform.tenant, platform.name)
        mark = await self._read(lambda s: s.get(Watermark, place))
        page: list[SourceRef] = []
        async for ref in platform.adapter.changed_since(mark.mark if mark else None):
            page.append(ref)
            if len(page) == PULL_PAGE:
                new += await self._found(platform, page)
                page = []
        return new + await self._found(platform, page)

    async def _found(self, platform: Platform, page: list[SourceRef]) -> int:
        def store(session: Session) -> int:
            keys = self.database.keys
            new = sum(events.found(session, keys, platform.tenant, platform.name, ref) for ref in page)
            session.merge(Watermark(tenant=platform.tenant, platform=platform.name, mark=page[-1].mark))
            return new

        return await self._write(store) if page else 0

    def _enlist(self, session: Session, tenant: str, about: documents.Kept) -> str:
        documents.lock(session, tenant, about.id)
        made, charge = suggestions.of(session, tenant, about.id), charges.of(session, tenant, about.id)
        assert made is not None  # the step before the last
        problem = LOOK_FIRST if charge and charge.state == charges.UNCERTAIN else ""
        if charge is None and made.mode != suggestions.SHADOW:
            prepared = charges.prepare(session, self.database.keys, tenant, about)
            problem = prepared if isinstance(prepared, str) else ""
        if about.previous_id:
            items.supersede(session, tenant, about.previous_id)
        item = items.enlist(
            session,
            made,
            unseal_json(self.database.keys, made, "response"),
            specialty=about.source["encounter"]["specialty"],
            draft_problem=problem,
            amended=AMENDED if about.previous_id else "",
        )
        item.quality_sample = suggestions.sampled(suggestions.policy_for(session, tenant, item.specialty), made)
        session.flush()
        if documents.replaced(session, tenant, about.id):
            items.supersede(session, tenant, about.id)
        return item.id

    async def _settle(self, tenant: str, charge_id: str, state: str, **rest: str) -> str:
        keys = self.database.keys
        return await self._write(lambda s: charges.settle(s, keys, tenant, charge_id, state, **rest))

    async def _kept(self, tenant: str, document_id: str) -> documents.Kept:
        keys, at = self.database.keys, datetime.now(UTC)
        return await self._read(lambda s: documents.read(s, keys, tenant, document_id, at))

    async def _platform_of(self, tenant: str, document_id: str) -> Platform:
        row = await self._read(lambda s: s.get_one(Document, (tenant, document_id)))
        return self._platform(tenant, row.platform)

    def _platform(self, tenant: str, name: str) -> Platform:
        """Raises NotFound for a platform that is configured no more, or for another practice."""
        platform = self.platforms[name]
        if platform.tenant != tenant:
            raise NotFound("The platform belongs to another practice now")
        return platform

    async def _read(self, work: Callable[[Session], T]) -> T:
        return await threads.read(self.database, work)

    async def _write(self, work: Callable[[Session], T]) -> T:
        return await threads.write(self.database, work)


async def _look(platform: Platform, charge: Charge, draft: DraftCharge) -> DraftRef | None:
    """Before the first attempt a platform that cannot look need not be asked: nothing was posted. Raises CannotTell."""
    if charge.attempts or platform.adapter.capabilities.find_draft:
        return await platform.adapter.find_draft(draft)
    return None
