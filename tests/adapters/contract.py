"""What every adapter must do, whatever its platform: a new one subclasses `AdapterContract` and passes.

Each test talks to the platform's simulator over HTTP. Pauses between tries are recorded, not slept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest

from codeserve.adapters.base import Adapter, ChargeLine, CoderTask, DraftCharge, SourceDocument, SourceRef
from codeserve.adapters.errors import (
    CannotTell,
    CredentialsRefused,
    Malformed,
    NotThere,
    PlatformError,
    Refused,
    TryLater,
    Uncertain,
)
from codeserve.adapters.http import Sleep
from codeserve.adapters.retries import Patience
from codeserve.adapters.simulators.base import Host, NoteOnFile, Simulator
from codeserve.errors import CodeserveError, NotFound, Unauthorized

T = TypeVar("T")
Call = Callable[[Adapter], Awaitable[T]]
TEXT = "Assessment:\n1. Sprained left ankle – naïve patient, 5 °C cold pack.\nSignature: Dr. Oğuz 𝒜"
NOTE = NoteOnFile(TEXT)
SECRETS = ("Quillfeather", "Marla", "MRN-7714502", "555-0142", "Larkspur", "Sprained", "simulated-client-secret")
QUICK = Patience(tries=3, first_pause=0.01, longest_pause=5.0, connect=20.0, answer=20.0)
HASTY = Patience(tries=3, first_pause=0.01, longest_pause=5.0, connect=20.0, answer=3.0)
REFERENCE = "cs-0198f3a2"


class AdapterContract:
    """`writing` and `reading` name, as the simulator's faults see it, the request that posts a draft and one that reads
    a note. `tokens`: the platform gives out tokens that expire."""

    writing = ""
    reading = ""
    tokens = True

    def make_simulator(self, **rest: Any) -> Simulator:
        raise NotImplementedError

    def make_adapter(self, simulator: Simulator, patience: Patience, sleep: Sleep) -> Adapter:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    def host(self) -> Iterator[Host]:
        with Host().serving() as host:
            yield host

    @pytest.fixture
    def simulator(self, host: Host) -> Simulator:
        simulator = self.make_simulator()
        host.show(simulator)
        return simulator

    def use(
        self, simulator: Simulator, call: Call[T], patience: Patience = QUICK, naps: list[float] | None = None
    ) -> T:
        """What a call with a fresh adapter gives."""

        async def sleep(seconds: float) -> None:
            if naps is not None:
                naps.append(seconds)

        async def main() -> T:
            adapter = self.make_adapter(simulator, patience, sleep)
            try:
                return await call(adapter)
            finally:
                await adapter.close()

        return asyncio.run(main())

    def shown(self, text: str) -> str:
        """A note's text as the platform's form of it reads."""
        return text

    def fetch(self, simulator: Simulator, document_id: str, **rest: Any) -> SourceDocument:
        return self.use(simulator, lambda a: a.fetch(document_id), **rest)

    def draft(self, simulator: Simulator, reference: str = REFERENCE) -> DraftCharge:
        note = self.fetch(simulator, simulator.sign(NOTE))
        return DraftCharge(
            reference=reference,
            document_id=note.document_id,
            patient_id=note.patient.patient_id,
            encounter_id=note.encounter.encounter_id,
            date_of_service=note.encounter.date_of_service or date(2026, 3, 2),
            diagnoses=("S93.402A", "W19.XXXA"),
            lines=(
                ChargeLine("99213", "CPT", ("25",), 1, (1,)),
                ChargeLine("L1902", "HCPCS", ("LT",), 2, (1, 2)),
            ),
            provider_id=note.encounter.provider_id,
        )

    def test_it_is_an_adapter(self, simulator: Simulator) -> None:
        assert self.use(simulator, _itself) == simulator.name

    def test_a_note_comes_as_it_was_signed(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        note = self.fetch(simulator, document_id)
        assert (note.document_id, note.text, note.state) == (document_id, self.shown(TEXT), "signed")
        assert note.version
        assert note.encounter.encounter_id
        assert note.encounter.date_of_service == date(2026, 3, 2)

    def test_the_patient_can_be_redacted(self, simulator: Simulator) -> None:
        patient = self.fetch(simulator, simulator.sign(NOTE)).patient
        assert patient.birth_date == date(1961, 4, 17)
        assert patient.sex == "female"
        assert {"Marla", "Quillfeather", "Marla Quillfeather", "MRN-7714502", "555-0142"} <= set(patient.identifiers)

    def test_a_long_note_is_whole(self, simulator: Simulator) -> None:
        text = "\n".join(f"Line {n} of a long note, with µ and 漢." for n in range(4000))
        assert self.fetch(simulator, simulator.sign(NoteOnFile(text))).text == self.shown(text)

    def test_an_amended_note_is_another_version(self, simulator: Simulator) -> None:
        first_id = simulator.sign(NOTE)
        first = self.fetch(simulator, first_id)
        second_id = simulator.amend(first_id, "Amended: right ankle.")
        second = self.fetch(simulator, second_id)
        assert second.text == self.shown("Amended: right ankle.")
        assert (second.document_id, second.version) != (first.document_id, first.version)
        assert second.amended_from == (first_id if second_id != first_id else None)

    def test_an_unknown_note_is_not_there(self, simulator: Simulator) -> None:
        with pytest.raises(NotThere):
            self.fetch(simulator, "999999")

    @pytest.mark.parametrize("strange", ["../admin", "..", "a/b?c=d", "x' or '1'='1", "𝒜", "<x/>&"])
    def test_a_strange_id_leads_nowhere_else(self, simulator: Simulator, strange: str) -> None:
        with pytest.raises((NotThere, Refused)):
            self.fetch(simulator, strange)
        assert not simulator.faults.asked(path="/admin")

    def test_changes_come_once_in_order_and_over_pages(self, simulator: Simulator) -> None:
        ids = [simulator.sign(NoteOnFile(f"Note {n}")) for n in range(23)]
        refs = self.use(simulator, lambda a: _all(a, None))
        assert [ref.document_id for ref in refs] == ids
        assert [ref.mark for ref in refs] == sorted(ref.mark for ref in refs)

    def test_changes_go_on_from_a_mark(self, simulator: Simulator) -> None:
        for n in range(3):
            simulator.sign(NoteOnFile(f"Note {n}"))
        mark = self.use(simulator, lambda a: _all(a, None))[-1].mark
        later = simulator.sign(NoteOnFile("Later"))
        again = self.use(simulator, lambda a: _all(a, mark))
        assert again[-1].document_id == later
        assert len(again) <= 2, "at most what stands at the mark comes again"

    def test_credentials_are_proved(self, simulator: Simulator) -> None:
        self.use(simulator, lambda a: a.authenticate())

    def test_an_expired_token_is_renewed(self, simulator: Simulator) -> None:
        if not self.tokens:
            pytest.skip("the platform gives out no tokens")
        document_id = simulator.sign(NOTE)

        async def twice(adapter: Adapter) -> str:
            await adapter.fetch(document_id)
            simulator.tokens.revoke_all()
            return (await adapter.fetch(document_id)).text

        assert self.use(simulator, twice) == self.shown(TEXT)
        assert simulator.tokens.issued == 2

    def test_calls_at_once_take_one_token(self, simulator: Simulator) -> None:
        if not self.tokens:
            pytest.skip("the platform gives out no tokens")
        ids = [simulator.sign(NOTE) for _ in range(6)]

        async def together(adapter: Adapter) -> None:
            await asyncio.gather(*(adapter.fetch(i) for i in ids))
            simulator.tokens.revoke_all()
            await asyncio.gather(*(adapter.fetch(i) for i in ids))

        self.use(simulator, together)
        assert simulator.tokens.issued == 2

    def test_refused_credentials_are_said_at_once(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        naps: list[float] = []
        simulator.faults.add("status", 401, times=99)
        with pytest.raises(CredentialsRefused):
            self.fetch(simulator, document_id, naps=naps)
        assert sum(naps) == 0

    def test_it_waits_as_long_as_it_is_told(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        naps: list[float] = []
        simulator.faults.add("status", 429, times=2, path=self.reading, retry_after="3")
        assert self.fetch(simulator, document_id, naps=naps).text == self.shown(TEXT)
        assert len(naps) == 2
        assert all(nap >= 3 for nap in naps)

    def test_a_long_wait_is_left_to_the_caller(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        naps: list[float] = []
        simulator.faults.add("status", 429, path=self.reading, retry_after="900")
        with pytest.raises(TryLater) as raised:
            self.fetch(simulator, document_id, naps=naps)
        assert raised.value.retry_after == 900
        assert not naps

    @pytest.mark.parametrize("kind", ["status", "malformed", "cut"])
    def test_reading_goes_on_after_a_fault(self, simulator: Simulator, kind: Any) -> None:
        document_id = simulator.sign(NOTE)
        simulator.faults.add(kind, 503, times=2, path=self.reading)
        assert self.fetch(simulator, document_id).text == self.shown(TEXT)

    @pytest.mark.parametrize(
        ("kind", "error"), [("status", TryLater), ("malformed", Malformed), ("cut", TryLater), ("slow", TryLater)]
    )
    def test_reading_ends_where_a_fault_stays(
        self, simulator: Simulator, kind: Any, error: type[PlatformError]
    ) -> None:
        document_id = simulator.sign(NOTE)
        patience = replace(HASTY, tries=1) if kind == "slow" else QUICK
        simulator.faults.add(kind, 503, times=99, path=self.reading, seconds=15)
        with pytest.raises(error):
            self.fetch(simulator, document_id, patience=patience)
        assert simulator.faults.asked(path=self.reading) <= patience.tries

    def test_no_server_is_try_later(self, simulator: Simulator) -> None:
        with self.make_simulator().serving() as gone:
            document_id = gone.sign(NOTE)
        with pytest.raises(TryLater):
            self.fetch(gone, document_id)

    def test_a_draft_arrives_as_it_was_meant(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)
        ref = self.use(simulator, lambda a: a.post_draft(draft))
        assert ref.platform_id
        (kept,) = simulator.drafts(REFERENCE)
        assert kept.diagnoses == draft.diagnoses
        assert kept.lines == draft.lines

    def test_a_draft_is_found_by_its_reference(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)
        if not self.use(simulator, _can_find):
            with pytest.raises(CannotTell):
                self.use(simulator, lambda a: a.find_draft(draft))
            return
        assert self.use(simulator, lambda a: a.find_draft(draft)) is None
        posted = self.use(simulator, lambda a: a.post_draft(draft))
        assert self.use(simulator, lambda a: a.find_draft(draft)) == posted
        assert self.use(simulator, lambda a: a.find_draft(replace(draft, reference="cs-another"))) is None

    @pytest.mark.parametrize(("kind", "status"), [("lost", 500), ("lost", 504), ("malformed", 200), ("cut", 200)])
    def test_a_lost_answer_is_uncertain_and_nothing_is_sent_twice(
        self, simulator: Simulator, kind: Any, status: int
    ) -> None:
        draft = self.draft(simulator)
        simulator.faults.add(kind, status, path=self.writing, method="POST")
        with pytest.raises(Uncertain):
            self.use(simulator, lambda a: a.post_draft(draft))
        self.ends_with_one_draft(simulator, draft)

    def test_a_slow_answer_is_uncertain(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)
        simulator.faults.add("slow", path=self.writing, method="POST", seconds=15)
        with pytest.raises(Uncertain):
            self.use(simulator, lambda a: a.post_draft(draft), patience=HASTY)
        self.ends_with_one_draft(simulator, draft)

    def test_too_many_requests_is_no_doubt(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)
        simulator.faults.add("status", 429, path=self.writing, method="POST", retry_after="1")
        self.use(simulator, lambda a: a.post_draft(draft))
        assert len(simulator.drafts(REFERENCE)) == 1

    def ends_with_one_draft(self, simulator: Simulator, draft: DraftCharge) -> None:
        """As the intake does: look first, post where it is not there; where it cannot look, a person does."""

        async def settle(adapter: Adapter) -> None:
            if adapter.capabilities.find_draft and await adapter.find_draft(draft) is None:
                await adapter.post_draft(draft)

        self.use(simulator, settle)
        assert len(simulator.drafts(draft.reference)) == 1

    def test_a_task_arrives_once(self, simulator: Simulator) -> None:
        draft = self.draft(simulator)
        task = CoderTask(
            reference="task-1",
            title="Review suggested codes",
            reason="A finding is open",
            document_id=draft.document_id,
            patient_id=draft.patient_id,
            encounter_id=draft.encounter_id,
        )

        async def push(adapter: Adapter) -> None:
            if adapter.capabilities.tasks:
                await adapter.push_task(task)
                await adapter.push_task(task)
            else:
                with pytest.raises(Refused):
                    await adapter.push_task(task)

        self.use(simulator, push)
        assert len(simulator.tasks()) <= 1

    def test_a_delivery_names_its_document(self, simulator: Simulator) -> None:
        document_id = simulator.sign(NOTE)
        now = datetime.now(UTC)
        if not self.use(simulator, _has_webhooks):
            with pytest.raises(NotFound):
                self.use(simulator, _verify({}, b"{}", now))
            return
        sent = simulator.delivery(document_id)
        (event,) = self.use(simulator, _verify(sent.headers, sent.body, now))
        assert (event.kind, event.document_id) == ("signed", document_id)

    def test_a_delivery_that_comes_again_is_the_same_event(self, simulator: Simulator) -> None:
        if not self.use(simulator, _has_webhooks):
            return
        one, other = simulator.sign(NOTE), simulator.sign(NOTE)
        now = datetime.now(UTC)
        sent = [simulator.delivery(i) for i in (other, one, other)]
        late, first, again = [self.use(simulator, _verify(s.headers, s.body, now))[0].event_id for s in sent]
        assert late == again != first

    def test_a_forged_delivery_is_refused(self, simulator: Simulator) -> None:
        if not self.use(simulator, _has_webhooks):
            return
        sent = simulator.delivery(simulator.sign(NOTE))
        now = datetime.now(UTC)
        wrong = {k: v.replace(simulator.webhook_secret, "guessed") for k, v in sent.headers.items()}
        forged = [({}, sent.body)] + ([(wrong, sent.body)] if wrong != sent.headers else [(sent.headers, b"{}")])
        for headers, body in forged:
            with pytest.raises(Unauthorized):
                self.use(simulator, _verify(headers, body, now))

    def test_a_stale_delivery_is_refused_where_it_says_its_time(self, simulator: Simulator) -> None:
        if not self.use(simulator, _tells_time):
            return
        sent = simulator.delivery(simulator.sign(NOTE))
        for wrong in (timedelta(hours=1), timedelta(hours=-1)):
            with pytest.raises(Unauthorized):
                self.use(simulator, _verify(sent.headers, sent.body, datetime.now(UTC) + wrong))

    @pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b"null", b'{"a": 1}', b"<xml/>"])
    def test_a_delivery_that_cannot_be_read_is_an_error_of_ours(self, simulator: Simulator, body: bytes) -> None:
        if not self.use(simulator, _has_webhooks):
            return
        headers = simulator.delivery(simulator.sign(NOTE)).headers
        with pytest.raises(CodeserveError) as raised:
            self.use(simulator, _verify(headers, body, datetime.now(UTC)))
        assert raised.value.status < 500

    @pytest.mark.parametrize("kind", ["status", "lost", "malformed", "cut", "none"])
    def test_nothing_of_the_patient_is_said(
        self, simulator: Simulator, kind: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        draft = self.draft(simulator)
        with caplog.at_level(logging.DEBUG):
            for path, call in ((self.reading, _fetching(draft.document_id)), (self.writing, _posting(draft))):
                simulator.faults.clear()
                if kind != "none":
                    simulator.faults.add(kind, 500, times=99, path=path)
                said = self.use(simulator, call)
                assert not [s for s in (*SECRETS, draft.patient_id) if s in said]
        assert not [s for s in SECRETS if s in caplog.text]


async def _itself(adapter: Adapter) -> str:
    assert isinstance(adapter, Adapter)
    return adapter.name


async def _can_find(adapter: Adapter) -> bool:
    return adapter.capabilities.find_draft


async def _has_webhooks(adapter: Adapter) -> bool:
    return adapter.capabilities.webhook_proof != "none"


async def _tells_time(adapter: Adapter) -> bool:
    return adapter.capabilities.webhook_time


async def _all(adapter: Adapter, mark: str | None) -> list[SourceRef]:
    return [ref async for ref in adapter.changed_since(mark)]


def _verify(headers: Any, body: bytes, now: datetime) -> Call[Any]:
    async def call(adapter: Adapter) -> Any:
        return adapter.verify_webhook(headers, body, now)

    return call


def _fetching(document_id: str) -> Call[str]:
    async def call(adapter: Adapter) -> str:
        try:
            return repr(await adapter.fetch(document_id))
        except CodeserveError as error:
            return everything_of(error)

    return call


def _posting(draft: DraftCharge) -> Call[str]:
    async def call(adapter: Adapter) -> str:
        try:
            return repr(draft) + repr(await adapter.post_draft(draft))
        except CodeserveError as error:
            return everything_of(error)

    return call


def everything_of(error: BaseException | None) -> str:
    """All that an error and those behind it say of themselves, and all that they hold."""
    said = ""
    while error is not None:
        held = {k: repr(v) for k, v in vars(error).items()}
        said += f"{error!r} {error} {error.args} {held}\n"
        error = error.__cause__ or error.__context__
    return said
