"""The audit trail refuses to be changed. On SQLite an INSERT OR REPLACE removes rows without a word to the trigger on
DELETE, so an insert over an existing record is refused as well."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MESSAGE = "the audit trail is append-only"
SQLITE = {
    "audit_no_update": "BEFORE UPDATE ON audit",
    "audit_no_delete": "BEFORE DELETE ON audit",
    "audit_no_replace": """BEFORE INSERT ON audit
        WHEN EXISTS (SELECT 1 FROM audit WHERE tenant = NEW.tenant AND seq = NEW.seq)""",
}
POSTGRESQL = {
    "audit_no_change": "BEFORE UPDATE OR DELETE ON audit FOR EACH ROW",
    "audit_no_truncate": "BEFORE TRUNCATE ON audit FOR EACH STATEMENT",
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name, when in SQLITE.items():
            op.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END")
        return
    op.execute(
        f"""CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION '{MESSAGE}'; END $$"""
    )
    for name, when in POSTGRESQL.items():
        op.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION audit_refuse()")


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in SQLITE:
            op.execute(f"DROP TRIGGER {name}")
        return
    for name in POSTGRESQL:
        op.execute(f"DROP TRIGGER {name} ON audit")
    op.execute("DROP FUNCTION audit_refuse()")
