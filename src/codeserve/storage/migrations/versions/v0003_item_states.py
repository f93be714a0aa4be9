"""Items that no coder sees: of shadow mode, and of notes that were amended before they were coded."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BEFORE = "state IN ('open', 'claimed', 'decided', 'final')"
_NOW = "state IN ('open', 'claimed', 'decided', 'final', 'shadow', 'superseded')"
_NAME = "ck_worklist_items_state"


def upgrade() -> None:
    _replace(_NOW)


def downgrade() -> None:
    op.execute("UPDATE worklist_items SET state = 'final' WHERE state IN ('shadow', 'superseded')")
    _replace(_BEFORE)


def _replace(condition: str) -> None:
    """SQLite makes the table anew for that."""
    with op.batch_alter_table("worklist_items") as table:
        table.drop_constraint(op.f(_NAME), type_="check")
        table.create_check_constraint(op.f(_NAME), condition)
