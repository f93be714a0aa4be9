"""What every adapter is: the protocol, and the plain data that goes in and out.

Nothing here knows a platform. Data that names a patient is left out of `repr`, so that it reaches no log by accident.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol, runtime_checkable

from codeserve.errors import InvalidNote

MOST_IDENTIFIERS, IDENTIFIER_LENGTH = 100, range(2, 201)  # of a request to the gateway

Sex = Literal["female", "male", "other"]
State = Literal["signed", "unsigned", "superseded", "withdrawn"]
EventKind = Literal["signed", "unsigned", "ping", "other"]
Priority = Literal["routine", "urgent"]

# CMS-1500, items 21 and 24 (Medicare Claims Processing Manual, chapter 26, section 10.4), and X12 837P loop 2400.
MOST_DIAGNOSES, MOST_LINES, MOST_MODIFIERS, MOST_POINTERS = 12, 50, 4, 4


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform can do, as its public documentation says. `webhook_proof`: how a delivery proves who sent it;
    `find_draft`: it can be asked for a charge of ours; `idempotent_post`: it makes a second charge of one
    reference no charge at all."""

    webhook_proof: Literal["none", "shared secret", "hmac"] = "none"
    webhook_time: bool = False
    pull: bool = True
    find_draft: bool = False
    idempotent_post: bool = False
    tasks: bool = False


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """One thing that happened, as a verified delivery told it. `event_id` is the same in each delivery of one event.
    Only its ids are used: the note itself is fetched from the platform."""

    event_id: str
    kind: EventKind
    document_id: str | None = None
    version: str | None = None
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A document that changed. `mark` is the high-water mark to keep once it is stored: `changed_since(mark)` goes on
    from there, and may name documents at the mark itself again."""

    document_id: str
    version: str
    mark: str


def usable_identifiers(found: Iterable[str]) -> tuple[str, ...]:
    """Each once, longest first, as many and as long as a request takes; a single character names nobody."""
    once = {one.strip() for one in found if len(one.strip()) in IDENTIFIER_LENGTH}
    return tuple(sorted(once, key=lambda one: (-len(one), one))[:MOST_IDENTIFIERS])


@dataclass(frozen=True, slots=True)
class SourcePatient:
    """`identifiers`: names, numbers and addresses that redaction must remove, `usable_identifiers`."""

    patient_id: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: Sex | None = None
    identifiers: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class SourceEncounter:
    """The visit, in the words of the gateway's request; None where the platform does not say."""

    encounter_id: str | None = field(default=None, repr=False)
    date_of_service: date | None = None
    place_of_service: str | None = None
    setting: str | None = None
    modality: str | None = None
    note_type: str | None = None
    specialty: str | None = None
    payer: str | None = None
    provider_id: str | None = field(default=None, repr=False)
    provider_npi: str | None = field(default=None, repr=False)
    existing_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A note as the platform holds it. Only one whose state is "signed" is coded; `amended_from` is the document that
    it replaces or adds to."""

    document_id: str
    version: str
    state: State
    text: str = field(repr=False)
    patient: SourcePatient
    encounter: SourceEncounter = SourceEncounter()
    signed_at: datetime | None = None
    amended_from: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeLine:
    """A service line. `diagnosis_pointers` count the draft's diagnoses from 1, as in item 24E of the CMS-1500."""

    code: str
    system: Literal["CPT", "HCPCS"]
    modifiers: tuple[str, ...] = ()
    units: int = 1
    diagnosis_pointers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DraftCharge:
    """A charge that a person still has to release. `reference` is ours, one for each version of a document: a platform
    that can look finds the draft by it. Raises InvalidNote for what fits no professional claim."""

    reference: str
    document_id: str
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(repr=False)
    date_of_service: date
    diagnoses: tuple[str, ...]
    lines: tuple[ChargeLine, ...]
    place_of_service: str | None = None
    provider_id: str | None = field(default=None, repr=False)
    provider_npi: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.diagnoses) <= MOST_DIAGNOSES:
            raise InvalidNote(f"A draft charge has 1 to {MOST_DIAGNOSES} diagnoses", field="diagnoses")
        if not 0 < len(self.lines) <= MOST_LINES:
            raise InvalidNote(f"A draft charge has 1 to {MOST_LINES} lines", field="lines")
        for number, line in enumerate(self.lines, 1):
            _check_line(line, number, len(self.diagnoses))


def _check_line(line: ChargeLine, number: int, diagnoses: int) -> None:
    if line.units < 1:
        raise InvalidNote("Units start at 1", field=f"lines.{number}.units")
    if len(line.modifiers) > MOST_MODIFIERS:
        raise InvalidNote(f"A line has at most {MOST_MODIFIERS} modifiers", field=f"lines.{number}.modifiers")
    pointers = line.diagnosis_pointers
    if not 0 < len(pointers) <= MOST_POINTERS or any(not 0 < p <= diagnoses for p in pointers):
        raise InvalidNote(
            f"A line points to 1 to {MOST_POINTERS} of the diagnoses", field=f"lines.{number}.diagnosis_pointers"
        )


@dataclass(frozen=True, slots=True)
class DraftRef:
    """Where the platform keeps a draft."""

    platform_id: str
    reference: str


@dataclass(frozen=True, slots=True)
class CoderTask:
    """Something for a person to do in the platform. `title` and `reason` are our words, with nothing of a patient."""

    reference: str
    title: str
    reason: str
    document_id: str
    patient_id: str = field(repr=False)
    encounter_id: str | None = field(default=None, repr=False)
    priority: Priority = "routine"
    draft: DraftRef | None = None
    link: str | None = None


@runtime_checkable
class Adapter(Protocol):
    """A platform. What its methods raise beside what they name is an `adapters.errors.PlatformError`, which holds
    nothing that the platform sent."""

    name: str
    capabilities: Capabilities

    async def authenticate(self) -> None:
        """Prove that the credentials work. Tokens are fetched and renewed by themselves afterwards."""

    def verify_webhook(self, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[WebhookEvent, ...]:
        """The events of a delivery: none for a handshake, several where the platform gathers them. Raises
        `codeserve.errors.Unauthorized` where it does not prove who sent it or is too old, `NotFound` where the platform
        sends none, `BadRequest` where it cannot be read. `headers` may be in any case; `now` knows its time zone."""

    def answer_challenge(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """What to answer to the GET with which a platform tries a new webhook address. Raises `NotFound` where it
        tries none."""

    async def fetch(self, document_id: str) -> SourceDocument:
        """The note and its encounter as they are now. Raises NotThere."""

    def changed_since(self, mark: str | None) -> AsyncIterator[SourceRef]:
        """Signed documents that changed since a mark, oldest first; all of them without one."""

    async def find_draft(self, draft: DraftCharge) -> DraftRef | None:
        """What was posted under the draft's reference, None where nothing or only a part of it is there. Some platforms
        look by the encounter, so the whole draft is told. Raises CannotTell where the platform cannot look, or where
        several answer."""

    async def post_draft(self, draft: DraftCharge) -> DraftRef:
        """Write the charge as a draft. Raises Uncertain where it may have arrived all the same."""

    async def push_task(self, task: CoderTask) -> None:
        """Put something into a person's queue. Raises Refused where the platform has none."""

    async def close(self) -> None:
        """Give the connections back."""
