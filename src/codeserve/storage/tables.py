"""The tables. Every row belongs to a tenant, and the tenant is part of its key: no row is found, and none refers to
another, without it. `Encrypted` columns are written and read through sealing.py."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from codeserve.storage.base import ID, Base, Row, now, one_of, to
from codeserve.storage.types import Encrypted

EVENT_STATES = ("received", "running", "done", "dead")
CHARGE_STATES = ("pending", "posted", "uncertain", "failed")
ITEM_STATES = ("open", "claimed", "decided", "final", "shadow", "superseded")
JOB_STATES = ("queued", "running", "done", "cancelled", "failed")
LINE_STATES = ("queued", "running", "done", "failed", "cancelled")
ACTIONS = ("accept", "edit", "override", "reject")
MODES = ("shadow", "assisted", "automated")
ROUTES = ("auto_post", "review", "worklist")


class Event(Row):
    """What a platform announced, stored before it is acknowledged. `last_error`: the kind of the error, no text."""

    __tablename__ = "events"
    platform: Mapped[str]
    external_id: Mapped[str]
    kind: Mapped[str]
    external_document_id: Mapped[str | None]
    document_version: Mapped[str | None]
    received_at: Mapped[datetime] = mapped_column(default=now)
    settled_at: Mapped[datetime | None]
    payload: Mapped[bytes | None] = mapped_column(Encrypted)
    state: Mapped[str] = mapped_column(default="received")
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("platform", "tenant", "external_id"),
        Index(None, "tenant", "state", "received_at"),
        one_of("state", EVENT_STATES),
    )


class Document(Row):
    """One version of a note. `note` is a cache: nobody reads it after `expires_at`, and the purge removes it."""

    __tablename__ = "documents"
    platform: Mapped[str]
    external_id: Mapped[str]
    version: Mapped[str]
    previous_id: Mapped[str | None] = mapped_column(ID)
    note_sha256: Mapped[str] = mapped_column(String(64))
    note: Mapped[bytes | None] = mapped_column(Encrypted)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    encounter: Mapped[bytes | None] = mapped_column(Encrypted)
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("tenant", "platform", "external_id", "version"), to("documents", "previous_id"))


class Suggestion(Row):
    """What was answered about a document. `request`: what was asked but for the note's text, for a replay."""

    __tablename__ = "suggestions"
    document_id: Mapped[str] = mapped_column(ID)
    request: Mapped[bytes | None] = mapped_column(Encrypted)
    response: Mapped[bytes] = mapped_column(Encrypted)
    versions: Mapped[dict[str, Any]]
    mode: Mapped[str]
    route: Mapped[str]
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        to("documents", "document_id"),
        Index(None, "tenant", "document_id"),
        Index(None, "tenant", "created_at"),
        one_of("mode", MODES),
        one_of("route", ROUTES),
    )


class Charge(Row):
    """A draft in the platform. `reference` is ours and finds it there again."""

    __tablename__ = "charges"
    document_id: Mapped[str] = mapped_column(ID)
    suggestion_id: Mapped[str | None] = mapped_column(ID)
    reference: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str] = mapped_column(default="pending")
    platform_id: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
    __table_args__ = (
        to("documents", "document_id"),
        to("suggestions", "suggestion_id"),
        Index(None, "tenant", "state", "created_at"),
        one_of("state", CHARGE_STATES),
    )


class WorklistItem(Row):
    """A suggestion that waits for a coder. A claim holds until `lease_until`; `expected_amount` is in US cents. No
    coder sees one that is "shadow"; "superseded" is one whose note was amended or withdrawn before it was coded."""

    __tablename__ = "worklist_items"
    document_id: Mapped[str] = mapped_column(ID)
    suggestion_id: Mapped[str] = mapped_column(ID)
    encounter_id: Mapped[str]
    practice: Mapped[str | None]
    specialty: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="open")
    priority: Mapped[float] = mapped_column(default=0.0)
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    findings: Mapped[int] = mapped_column(default=0)
    lowest_confidence: Mapped[float | None]
    expected_amount: Mapped[int | None]
    quality_sample: Mapped[bool] = mapped_column(default=False)
    claimed_by: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    settled_at: Mapped[datetime | None]
    __table_args__ = (
        to("documents", "document_id"),
        to("suggestions", "suggestion_id"),
        Index("ix_worklist_items_list", "tenant", "state", "priority", "id"),
        Index("ix_worklist_items_specialty", "tenant", "state", "specialty", "priority", "id"),
        Index("ix_worklist_items_encounter", "tenant", "encounter_id"),
        one_of("state", ITEM_STATES),
    )


class Decision(Row):
    """What a coder did with one line. `review_s`: seconds that the coder looked at it."""

    __tablename__ = "decisions"
    item_id: Mapped[str] = mapped_column(ID)
    coder: Mapped[str]
    line: Mapped[str | None]
    action: Mapped[str]
    code_before: Mapped[str | None]
    code_after: Mapped[str | None]
    reason: Mapped[bytes | None] = mapped_column(Encrypted)
    review_s: Mapped[float | None]
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        to("worklist_items", "item_id"),
        Index(None, "tenant", "item_id"),
        Index(None, "tenant", "at"),
        one_of("action", ACTIONS),
    )


class FinalCodes(Row):
    """The codes that were submitted for an encounter; the last of an item counts."""

    __tablename__ = "final_codes"
    item_id: Mapped[str] = mapped_column(ID)
    codes: Mapped[bytes] = mapped_column(Encrypted)
    actor: Mapped[str]
    submitted_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (to("worklist_items", "item_id"), Index(None, "tenant", "item_id"))


class Job(Row):
    """An asynchronous batch of `total` lines."""

    __tablename__ = "jobs"
    state: Mapped[str] = mapped_column(default="queued")
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    __table_args__ = (Index(None, "tenant", "created_at"), one_of("state", JOB_STATES))


class JobLine(Row):
    """A request of a batch and its answer: a response, or a problem document."""

    __tablename__ = "job_lines"
    job_id: Mapped[str] = mapped_column(ID)
    line: Mapped[int]
    state: Mapped[str] = mapped_column(default="queued")
    request: Mapped[bytes | None] = mapped_column(Encrypted)
    response: Mapped[bytes | None] = mapped_column(Encrypted)
    __table_args__ = (
        to("jobs", "job_id"),
        UniqueConstraint("tenant", "job_id", "line"),
        one_of("state", LINE_STATES),
    )


class Rollout(Base):
    """How far a specialty of a practice is trusted. `figures`: what the promotion was approved on."""

    __tablename__ = "rollout"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    specialty: Mapped[str] = mapped_column(primary_key=True)
    mode: Mapped[str]
    threshold: Mapped[float]
    families: Mapped[list[Any]]
    maximum_a_day: Mapped[int]
    approved_by: Mapped[str | None]
    approved_at: Mapped[datetime | None]
    figures: Mapped[dict[str, Any]]
    __table_args__ = (one_of("mode", MODES),)


class Watermark(Base):
    """How far the scheduled pull of a platform has come."""

    __tablename__ = "watermarks"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(primary_key=True)
    mark: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class AuditRow(Base):
    """One record of the trail (audit/). Triggers refuse to change or remove it. `versions` and `details` are the very
    text that was hashed."""

    __tablename__ = "audit"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str]
    encounter_id: Mapped[str | None]
    document_id: Mapped[str | None]
    suggestion_id: Mapped[str | None]
    item_id: Mapped[str | None]
    note_sha256: Mapped[str | None] = mapped_column(String(64))
    versions: Mapped[str] = mapped_column(Text)
    details: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    __table_args__ = (
        Index(None, "tenant", "at"),
        Index(None, "tenant", "encounter_id"),
        Index(None, "tenant", "actor"),
    )


class AuditHead(Base):
    """How many records a tenant's trail has and the last one's hash, signed with a key that the database lacks."""

    __tablename__ = "audit_heads"
    tenant: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str] = mapped_column(String(12))
    mac: Mapped[str] = mapped_column(String(64))


class Node(Base):
    """A machine that uses this database now; SQLite may have one (nodes.py)."""

    __tablename__ = "nodes"
    name: Mapped[str] = mapped_column(primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)
