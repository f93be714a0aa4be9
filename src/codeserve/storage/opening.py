"""How a service opens its database: everything that cannot work is refused at the start."""

from __future__ import annotations

import threading

from sqlalchemy.exc import OperationalError

from codeserve.config import StorageSettings
from codeserve.errors import SetupError
from codeserve.storage import keyfile, migrate, nodes
from codeserve.storage.engine import Database


def connect(settings: StorageSettings) -> Database:
    """For commands, whatever the database's revision. Raises SetupError for keys or a server that are not there."""
    database = Database(settings.url, keyfile.load_ring(settings.keys_file))
    try:
        migrate.current(database.engine)
    except OperationalError as error:
        kind = type(error.orig).__name__
        raise SetupError(
            f"the database does not answer ({kind})", hint="see storage.url, PGPASSWORD and the server"
        ) from None
    return database


def open_database(settings: StorageSettings) -> Database:
    """For whoever serves: of this version's revision, and on SQLite from this machine alone. Raises SetupError."""
    database = connect(settings)
    try:
        migrate.require_current(database.engine)
        nodes.join(database, nodes.this_machine())
    except SetupError:
        database.close()
        raise
    if database.is_sqlite:
        threading.Thread(target=nodes.beat, args=(database, nodes.this_machine()), daemon=True).start()
    return database
