"""How long rows are kept. Only what is settled goes, and nothing goes that something kept refers to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, Table, and_, delete, exists, func, select, tuple_, update
from sqlalchemy.orm import Session

from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.config import RetentionSettings
from codeserve.storage.crypto import KeyRing
from codeserve.storage.engine import Database
from codeserve.storage.sealing import unseal_text
from codeserve.storage.tables import Base, Document

Amounts = dict[str, Counter[str]]  # tenant → table → rows
BATCH = 500
NOTES = "notes"  # the text of notes, which goes before its document


@dataclass(frozen=True, slots=True)
class Rule:
    """`clock`: the column from which the days count; `states`: only rows in these, where any are named; `part`: a table
    whose rows go with theirs, and its column that refers to them."""

    name: str
    clock: str
    states: tuple[str, ...] = ()
    part: tuple[str, str] | None = None

    @property
    def table(self) -> Table:
        return Base.metadata.tables[self.name]

    def old(self, before: datetime) -> ColumnElement[bool]:
        states = [self.table.c.state.in_(self.states)] if self.states else []
        return and_(self.table.c[self.clock] < before, *states)


# Those that refer to others come first. An event that failed for good stays until a person has seen to it.
RULES = (
    Rule("final_codes", "submitted_at"),
    Rule("decisions", "at"),
    Rule("worklist_items", "settled_at", ("decided", "final", "superseded")),
    Rule("worklist_items", "created_at", ("shadow",)),  # no coder waits for these
    Rule("charges", "updated_at", ("posted", "failed")),
    Rule("suggestions", "created_at"),
    Rule("documents", "created_at"),
    Rule("events", "settled_at", ("done",)),
    Rule("jobs", "finished_at", part=("job_lines", "job_id")),
)


def expiry(hours: float, at: datetime) -> datetime:
    return at + timedelta(hours=hours)


def cached_note(keys: KeyRing, document: Document, at: datetime) -> str | None:
    """The note's text while it is kept; none after its time, whether or not the purge came by."""
    if document.expires_at is not None and document.expires_at <= at:
        return None
    return unseal_text(keys, document, "note")


def due(session: Session, kept: RetentionSettings, at: datetime) -> Amounts:
    """What is old enough to go. Rows among them that something kept refers to will stay."""
    queries = [(NOTES, _by_tenant(Document.__table__.c.tenant, _expired_note(at)))]
    queries += [(rule.name, _by_tenant(rule.table.c.tenant, rule.old(before))) for rule, before in _rules(kept, at)]
    found: Amounts = {}
    for name, query in queries:
        for tenant, number in session.execute(query):
            found.setdefault(tenant, Counter())[name] = number
    return found


def purge(database: Database, kept: RetentionSettings, at: datetime, actor: str) -> Amounts:
    """Remove it, in transactions of BATCH rows, each with its record in the trail; what was removed."""
    removed: Amounts = {}

    def record(session: Session, what: str, gone: Iterable[str]) -> int:
        amounts = Counter(gone)
        for tenant, number in sorted(amounts.items()):
            removed.setdefault(tenant, Counter())[what] += number
            append(session, database.keys, Record(tenant, actor, "PURGED", details={"amounts": {what: number}}))
        return amounts.total()

    with database.write() as session:
        empty = update(Document).where(_expired_note(at)).values(note=None).returning(Document.tenant)
        record(session, NOTES, session.scalars(empty).all())
    for rule, before in _rules(kept, at):
        free = and_(rule.old(before), *(~exists().where(link) for link in _links(rule)))
        number = BATCH
        while number:
            with database.write() as session:
                number = record(session, rule.name, _remove(session, rule, free))
    return removed


def _remove(session: Session, rule: Rule, condition: ColumnElement[bool]) -> list[str]:
    """One batch; the tenant of each row."""
    table = rule.table
    ids = [tuple(row) for row in session.execute(select(table.c.tenant, table.c.id).where(condition).limit(BATCH))]
    if not ids:
        return []
    if rule.part is not None:
        part = Base.metadata.tables[rule.part[0]]
        session.execute(delete(part).where(tuple_(part.c.tenant, part.c[rule.part[1]]).in_(ids)))
    session.execute(delete(table).where(tuple_(table.c.tenant, table.c.id).in_(ids)))
    return [tenant for tenant, _ in ids]


def _by_tenant(tenant: ColumnElement[str], condition: ColumnElement[bool]) -> Select[tuple[str, int]]:
    return select(tenant, func.count()).where(condition).group_by(tenant)


def _expired_note(at: datetime) -> ColumnElement[bool]:
    return and_(Document.expires_at <= at, Document.note.is_not(None))


def _rules(kept: RetentionSettings, at: datetime) -> Iterator[tuple[Rule, datetime]]:
    """Each rule that has a period, and what is older than which goes."""
    for rule in RULES:
        days = getattr(kept, rule.name)
        if days is not None:
            yield rule, at - timedelta(days=days)


def _links(rule: Rule) -> Iterator[ColumnElement[bool]]:
    """How rows of other tables, or of the same, refer to a row of this one."""
    for table in Base.metadata.sorted_tables:
        if rule.part is not None and table.name == rule.part[0]:
            continue
        other = table.alias()
        for key in table.foreign_key_constraints:
            if key.referred_table is rule.table:
                pairs = [(one.parent.name, one.column.name) for one in key.elements]
                yield and_(*(other.c[own] == rule.table.c[theirs] for own, theirs in pairs))
