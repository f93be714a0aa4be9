"""SQLite on one machine only: its locks do not hold across machines, and two that write would destroy the file.

Whoever serves says every BEAT_S seconds that its machine is there. Another machine that starts within STALE_S seconds
of that is refused. PostgreSQL may have as many as there are.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select

from codeserve.errors import CodeserveError, SetupError
from codeserve.storage.engine import Database
from codeserve.storage.tables import Node, now

logger = logging.getLogger(__name__)
BEAT_S = 20.0
STALE_S = 90.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_machine() -> str:
    """The same for all processes and containers of one machine until it is started anew."""
    return _BOOT.read_text().strip()


def join(database: Database, machine: str, at: datetime | None = None) -> None:
    """Say that this machine uses the database. Raises SetupError on SQLite while another one does."""
    if not database.is_sqlite:
        return
    at = at or now()
    with database.write() as session:
        session.execute(delete(Node).where(Node.name != machine, Node.seen_at < at - timedelta(seconds=STALE_S)))
        if session.scalars(select(Node).where(Node.name != machine)).first():
            raise SetupError(
                "another machine uses this SQLite database",
                hint=f"stop it and wait {STALE_S:.0f} s, or use PostgreSQL for more than one node",
            )
        session.merge(Node(name=machine, seen_at=at))


def beat(database: Database, machine: str, every_s: float = BEAT_S) -> None:
    """Go on saying so until the database is closed. A beat that fails is told, and the next one tries again."""
    while not database.closed.wait(every_s):
        try:
            join(database, machine)
        except CodeserveError as error:
            logger.error("this machine could not be announced: %s", error.detail)
