"""A process that appends records, for the test of writers that race: writer.py URL KEYS TENANT NUMBER."""

from __future__ import annotations

import sys
from pathlib import Path

from codeserve.audit.records import Record
from codeserve.audit.trail import append
from codeserve.storage.engine import Database
from codeserve.storage.keyfile import load_ring


def write(url: str, keys: str, tenant: str, number: int) -> None:
    database = Database(url, load_ring(Path(keys)))
    for _ in range(number):
        with database.write() as session:
            append(session, database.keys, Record(tenant, "writer", "VIEWED", details={"what": "item"}))
    database.close()


if __name__ == "__main__":
    write(*sys.argv[1:4], int(sys.argv[4]))
