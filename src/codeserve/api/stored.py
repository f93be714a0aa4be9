"""What the routes with a database share; `app.state.shell.stored`. Imported only where storage is configured."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.orm import Session

from codeserve.config import AppSettings
from codeserve.intake.platforms import Platforms, open_platforms
from codeserve.storage import threads
from codeserve.storage.engine import Database
from codeserve.storage.opening import open_database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stored:
    database: Database
    platforms: Platforms

    async def read(self, work: Callable[[Session], T]) -> T:
        return await threads.read(self.database, work)

    async def write(self, work: Callable[[Session], T]) -> T:
        return await threads.write(self.database, work)


def open_stored(settings: AppSettings) -> Stored | None:
    """None where no storage is configured. Raises SetupError for a database, key or platform that cannot be used."""
    if settings.storage is None:
        return None
    return Stored(open_database(settings.storage), open_platforms(settings.platforms, os.environ))
