"""Which keys wrap what is stored, and their change: data keys are wrapped again, no text is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, LargeBinary, Table, func, literal, select, tuple_, type_coerce, update

from codeserve.audit.records import Record
from codeserve.audit.trail import append, sign_again
from codeserve.storage.crypto import HEADER, MAGIC, Context, header
from codeserve.storage.engine import Database
from codeserve.storage.tables import AuditHead, Base
from codeserve.storage.types import Encrypted

BATCH = 200


def sealed_columns() -> Iterator[tuple[Table, str]]:
    for table in Base.metadata.sorted_tables:
        yield from ((table, column.name) for column in table.columns if isinstance(column.type, Encrypted))


def keys_in_use(database: Database) -> Counter[str]:
    """How many stored values each key wraps or signs, by its id."""
    found: Counter[str] = Counter()
    with database.read() as session:
        for table, name in sealed_columns():
            head = _head(table, name)
            counted = select(head, func.count()).where(table.c[name].is_not(None)).group_by(head)
            for one, number in session.execute(counted):
                found[bytes(one)[len(MAGIC) :].hex()] += number
        for key, number in session.execute(select(AuditHead.key_id, func.count()).group_by(AuditHead.key_id)):
            found[key] += number
    return found


def waiting(database: Database) -> int:
    """How many values are not under the active key."""
    return sum(number for key, number in keys_in_use(database).items() if key != database.keys.active)


def rotate(database: Database, actor: str, progress: Callable[[int], None] = lambda _: None) -> int:
    """Wrap every data key with the active key, and sign the heads of the trails with it; how many values. What was done
    stays done when it is stopped. `progress` takes how many more are done.

    Raises SetupError for a value of a key that the ring lacks, StoredDataBroken for one that was tampered with.
    """
    done: Counter[str] = Counter()
    for table, name in sealed_columns():
        for tenants in _rotate_column(database, table, name):
            done.update(tenants)
            progress(len(tenants))
    with database.write() as session:
        heads = sign_again(session, database.keys)
        for tenant, number in sorted(done.items()):
            details = {"key_id": database.keys.active, "count": number}
            append(session, database.keys, Record(tenant, actor, "KEYS_ROTATED", details=details))
    progress(heads)
    return done.total() + heads


def _rotate_column(database: Database, table: Table, name: str) -> Iterator[list[str]]:
    """The tenants of the values of each batch, when it is committed."""
    column, key = table.c[name], tuple_(table.c.tenant, table.c.id)
    active = literal(header(database.keys.active), LargeBinary)
    old = select(table.c.tenant, table.c.id, column).where(column.is_not(None), _head(table, name) != active)
    last = ("", "")
    while True:
        with database.write() as session:
            rows = session.execute(old.where(key > last).order_by(table.c.tenant, table.c.id).limit(BATCH)).all()
            for tenant, row, sealed in rows:
                again = database.keys.rewrap(sealed, Context(tenant, table.name, name, row))
                at = (table.c.tenant == tenant, table.c.id == row)
                # A value that somebody wrote meanwhile is left: it is newer, and may have the active key already.
                session.execute(update(table).where(*at, column == sealed).values({name: again}))
        if not rows:
            return
        last = (rows[-1][0], rows[-1][1])
        yield [tenant for tenant, _, _ in rows]


def _head(table: Table, name: str) -> ColumnElement[bytes]:
    return type_coerce(func.substr(table.c[name], 1, HEADER), LargeBinary)
