"""What all tables share: the tenant in the key, ids that are there from the start, names of constraints."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from codeserve.storage.ids import new_id
from codeserve.storage.types import Json, Utc

ID = String(36)
NAME = String(200)


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {datetime: Utc, str: NAME, dict[str, Any]: Json, list[Any]: Json}


class Row(Base):
    """One with an id, which it has from the moment it is made: encryption needs it."""

    __abstract__ = True
    tenant: Mapped[str] = mapped_column(primary_key=True, sort_order=-2)
    id: Mapped[str] = mapped_column(ID, primary_key=True, sort_order=-1)

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"id": new_id(), **values})


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    """A column that holds one of these."""
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


def to(table: str, column: str) -> ForeignKeyConstraint:
    """A column that holds the id of a row of the same tenant."""
    return ForeignKeyConstraint(["tenant", column], [f"{table}.tenant", f"{table}.id"])
