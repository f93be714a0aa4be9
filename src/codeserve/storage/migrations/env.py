"""What Alembic runs: on the connection that storage/migrate.py hands over, or for developers (`alembic revision
--autogenerate`) on the database that CODESERVE_DATABASE_URL names."""

from __future__ import annotations

import os

from alembic import context
from sqlalchemy import Connection

from codeserve.storage.engine import make_engine
from codeserve.storage.tables import Base


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with make_engine(os.environ["CODESERVE_DATABASE_URL"]).begin() as connection:
        run(connection)
