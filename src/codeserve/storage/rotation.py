"""Which keys wrap what is stored, and their change: data keys are wrapped again, no text is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import ColumnElement, LargeBinary, Table, func, literal, select, tuple_, type_coerce, update

from codeserve.storage.crypto import HEADER, MAGIC, Context, header
from codeserve.storage.engine import Database
from codeserve.storage.tables import Base
from codeserve.storage.types import Encrypted

BATCH = 200


def sealed_columns() -> Iterator[tuple[Table, str]]:
    for table in Base.metadata.sorted_tables:
        yield from ((table, column.name) for column in table.columns if isinstance(column.type, Encrypted))


def keys_in_use(database: Database) -> Counter[str]:
    """How many stored values each key wraps, by its id."""
    found: Counter[str] = Counter()
    with database.read() as session:
        for table, name in sealed_columns():
            head = _head(table, name)
            for one, number in session.execute(
                select(head, func.count()).where(table.c[name].is_not(None)).group_by(head)
            ):
                found[bytes(one)[len(MAGIC) :].hex()] += number
    return found


def waiting(database: Database) -> int:
    """How many values are not wrapped by the active key."""
    return sum(number for key, number in keys_in_use(database).items() if key != database.keys.active)


def rotate(database: Database, progress: Callable[[int], None] = lambda _: None) -> int:
    """Wrap every data key with the active key; how many were wrapped. What was done stays done when it is stopped.

    Raises SetupError for a value of a key that the ring lacks. `progress` takes how many more are done.
    """
    return sum(_rotate_column(database, table, name, progress) for table, name in sealed_columns())


def _rotate_column(database: Database, table: Table, name: str, progress: Callable[[int], None]) -> int:
    column, key = table.c[name], tuple_(table.c.tenant, table.c.id)
    active = literal(header(database.keys.active), LargeBinary)
    old = select(table.c.tenant, table.c.id, column).where(column.is_not(None), _head(table, name) != active)
    last, done = ("", ""), 0
    while True:
        with database.write() as session:
            rows = session.execute(old.where(key > last).order_by(table.c.tenant, table.c.id).limit(BATCH)).all()
            for tenant, row, sealed in rows:
                again = database.keys.rewrap(sealed, Context(tenant, table.name, name, row))
                at = (table.c.tenant == tenant, table.c.id == row)
                # A value that somebody wrote meanwhile is left: it is newer, and may have the active key already.
                session.execute(update(table).where(*at, column == sealed).values({name: again}))
        if not rows:
            return done
        last, done = (rows[-1][0], rows[-1][1]), done + len(rows)
        progress(len(rows))


def _head(table: Table, name: str) -> ColumnElement[bytes]:
    return type_coerce(func.substr(table.c[name], 1, HEADER), LargeBinary)
