"""What the steps make of a platform that cannot look, or forgets; both databases, no worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from codeserve.adapters.base import (
    Capabilities,
    DraftCharge,
    DraftRef,
    SourceDocument,
    SourceEncounter,
    SourcePatient,
    WebhookEvent,
)
from codeserve.adapters.errors import CannotTell, Refused, Uncertain
from codeserve.errors import NotFound
from codeserve.intake import charges, events
from codeserve.intake.platforms import Platform, Platforms
from codeserve.intake.steps import LOOK_FIRST, Steps
from codeserve.storage.engine import Database
from codeserve.storage.tables import AuditRow, Charge, Event, WorklistItem
from tests.worklist.rows import response

T = TypeVar("T")
TENANT = "north"


@dataclass
class FakePlatform:
    """Cannot look. `fails`: what posting raises, the first time."""

    fails: list[Exception] = field(default_factory=list)
    posted: list[DraftCharge] = field(default_factory=list)
    text: str = "chest pain, ECG done"
    state: str = "signed"
    version: str = "1"
    name: str = "fake"
    capabilities: Capabilities = field(default_factory=Capabilities)

    async def fetch(self, document_id: str) -> SourceDocument:
        visit = SourceEncounter("e1", date(2026, 6, 15), setting="office")
        return SourceDocument(document_id, self.version, self.state, self.text, SourcePatient("p1"), visit)  # type: ignore[arg-type]

    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        raise CannotTell("it cannot look")

    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        self.posted.append(draft)
        if self.fails:
            raise self.fails.pop(0)
        return DraftRef("claim-1", draft.reference)


class FakeGateway:
    async def code(self, body: dict[str, Any], key: str) -> dict[str, Any]:
        return response("e1")


class Bench:
    def __init__(self, database: Database, platform: FakePlatform) -> None:
        self.database, self.platform = database, platform
        known = Platforms({"fake": Platform("fake", TENANT, platform)})  # type: ignore[arg-type]
        self.steps = Steps(database, known, FakeGateway())  # type: ignore[arg-type]

    def announce(self, number: int = 1) -> str:
        told = WebhookEvent(f"x{number}", "signed", "d1")
        with self.database.write() as session:
            assert events.announce(session, self.database.keys, TENANT, "fake", told, b"{}")
            return session.scalars(select(Event.id).where(Event.external_id == told.event_id)).one()

    def coded(self, number: int = 1) -> str:
        """The id of a version that waits for its draft."""
        document_id = self.run(lambda s: s.fetch(TENANT, self.announce(number)))
        self.run(lambda s: s.code(TENANT, document_id))
        return document_id

    def run(self, step: Callable[[Steps], Awaitable[T]]) -> T:
        async def main() -> T:
            return await step(self.steps)

        return asyncio.run(main())

    def draft(self, document_id: str) -> str:
        return self.run(lambda s: s.draft(TENANT, document_id))

    def only(self, table: type[T]) -> T:
        with self.database.read() as session:
            return session.scalars(select(table)).one()

    def actions(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(AuditRow.action).order_by(AuditRow.seq)))


@pytest.fixture
def bench(database: Database) -> Bench:
    return Bench(database, FakePlatform())


def test_a_lost_answer_of_a_platform_that_cannot_look_is_for_a_person(bench: Bench) -> None:
    bench.platform.fails.append(Uncertain("no answer"))
    document_id = bench.coded()
    with pytest.raises(Uncertain):
        bench.draft(document_id)
    assert [bench.draft(document_id) for _ in range(3)] == ["uncertain"] * 3
    assert len(bench.platform.posted) == 1
    bench.run(lambda s: s.enlist(TENANT, document_id))
    assert any(LOOK_FIRST in reason for reason in bench.only(WorklistItem).reasons)
    assert bench.actions().count("DRAFT_UNCERTAIN") == 1


def test_a_person_who_looked_settles_it_or_has_it_posted(bench: Bench) -> None:
    bench.platform.fails.append(Uncertain("no answer"))
    document_id = bench.coded()
    with pytest.raises(Uncertain):
        bench.draft(document_id)
    bench.draft(document_id)
    charge, keys = bench.only(Charge), bench.database.keys
    with bench.database.write() as session:
        assert [one.id for one in events.uncertain(session)] == [charge.id]
        event = events.replay(session, keys, charge.id, "cli:ann")
    assert (event.state, event.attempts) == ("received", 1)
    assert bench.draft(document_id) == "posted"
    assert len(bench.platform.posted) == 2
    with pytest.raises(NotFound), bench.database.write() as session:
        events.replay(session, keys, charge.id, "cli:ann")
    assert bench.actions()[-2:] == ["EVENT_REPLAYED", "DRAFT_POSTED"]


def test_a_charge_that_was_found_is_settled(bench: Bench) -> None:
    bench.platform.fails.append(Uncertain("no answer"))
    document_id = bench.coded()
    with pytest.raises(Uncertain):
        bench.draft(document_id)
    bench.draft(document_id)
    charge, keys = bench.only(Charge), bench.database.keys
    with bench.database.write() as session:
        charges.settle(session, keys, TENANT, charge.id, charges.POSTED, platform_id="claim-7", actor="cli:ann")
    assert (bench.only(Charge).state, bench.only(Charge).platform_id) == ("posted", "claim-7")
    assert bench.draft(document_id) == "posted"
    assert len(bench.platform.posted) == 1


def test_a_refused_draft_has_failed(bench: Bench) -> None:
    bench.platform.fails.append(Refused("no"))
    document_id = bench.coded()
    with pytest.raises(Refused):
        bench.draft(document_id)
    assert bench.run(lambda s: s.abandon(TENANT, document_id, "draft: platform-refused")) == "failed"
    assert (bench.only(Charge).state, bench.only(Charge).last_error) == ("failed", "draft: platform-refused")
    assert bench.actions()[-1] == "DRAFT_FAILED"


def test_a_withdrawn_note_leaves_the_queue(bench: Bench) -> None:
    document_id = bench.coded()
    bench.draft(document_id)
    bench.run(lambda s: s.enlist(TENANT, document_id))
    bench.platform.state = "withdrawn"
    assert bench.run(lambda s: s.fetch(TENANT, bench.announce(2))) == ""
    assert bench.only(WorklistItem).state == "superseded"


def test_a_version_that_was_amended_meanwhile_is_not_posted(bench: Bench) -> None:
    first = bench.coded()
    bench.platform.version = "2"
    second = bench.coded(2)
    assert bench.draft(first) == charges.REPLACED
    assert bench.draft(second) == "posted"
    for document_id in (second, first):
        bench.run(lambda s, d=document_id: s.enlist(TENANT, d))
    with bench.database.read() as session:
        states = {item.document_id: item.state for item in session.scalars(select(WorklistItem))}
    assert states == {first: "superseded", second: "open"}


def test_an_expired_note_is_fetched_again_by_a_replay(bench: Bench) -> None:
    bench.steps.keep_note = -bench.steps.keep_note
    event_id = bench.announce()
    document_id = bench.run(lambda s: s.fetch(TENANT, event_id))
    with pytest.raises(NotFound, match="expired"):
        bench.run(lambda s: s.code(TENANT, document_id))
    bench.steps.keep_note = -bench.steps.keep_note
    assert bench.run(lambda s: s.fetch(TENANT, event_id)) == document_id
    bench.run(lambda s: s.code(TENANT, document_id))
    assert bench.actions().count("AI_SUGGESTED") == 1
