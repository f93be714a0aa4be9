"""All tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

NAME, ID, SHA256 = sa.String(200), sa.String(36), sa.String(64)
SEALED = sa.LargeBinary()
UTC = sa.DateTime(timezone=True)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key() -> tuple[sa.Column[str], ...]:
    return sa.Column("tenant", NAME, nullable=False), sa.Column("id", ID, nullable=False)


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UTC, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("action", NAME, nullable=False),
        sa.Column("encounter_id", NAME),
        sa.Column("document_id", NAME),
        sa.Column("suggestion_id", NAME),
        sa.Column("item_id", NAME),
        sa.Column("note_sha256", SHA256),
        sa.Column("versions", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("previous", SHA256, nullable=False),
        sa.Column("hash", SHA256, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "seq", name="pk_audit"),
    )
    op.create_index("ix_audit_tenant_actor", "audit", ["tenant", "actor"])
    op.create_index("ix_audit_tenant_at", "audit", ["tenant", "at"])
    op.create_index("ix_audit_tenant_encounter_id", "audit", ["tenant", "encounter_id"])

    op.create_table(
        "audit_heads",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("hash", SHA256, nullable=False),
        sa.Column("key_id", sa.String(length=12), nullable=False),
        sa.Column("mac", SHA256, nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_audit_heads"),
    )
    op.create_table(
        "documents",
        *_key(),
        sa.Column("platform", NAME, nullable=False),
        sa.Column("external_id", NAME, nullable=False),
        sa.Column("version", NAME, nullable=False),
        sa.Column("previous_id", ID),
        sa.Column("note_sha256", SHA256, nullable=False),
        sa.Column("note", SEALED),
        sa.Column("expires_at", UTC),
        sa.Column("encounter", SEALED),
        sa.Column("created_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "previous_id"],
            ["documents.tenant", "documents.id"],
            name="fk_documents_tenant_previous_id_documents",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_documents"),
        sa.UniqueConstraint(
            "tenant", "platform", "external_id", "version", name="uq_documents_tenant_platform_external_id_version"
        ),
    )
    op.create_index("ix_documents_expires_at", "documents", ["expires_at"])

    op.create_table(
        "events",
        *_key(),
        sa.Column("platform", NAME, nullable=False),
        sa.Column("external_id", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("external_document_id", NAME),
        sa.Column("document_version", NAME),
        sa.Column("received_at", UTC, nullable=False),
        sa.Column("settled_at", UTC),
        sa.Column("payload", SEALED),
        sa.Column("state", NAME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", NAME),
        sa.CheckConstraint("state IN ('received', 'running', 'done', 'dead')", name=op.f("ck_events_state")),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_events"),
        sa.UniqueConstraint("platform", "tenant", "external_id", name="uq_events_platform_tenant_external_id"),
    )
    op.create_index("ix_events_tenant_state_received_at", "events", ["tenant", "state", "received_at"])

    op.create_table(
        "jobs",
        *_key(),
        sa.Column("state", NAME, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("created_by", NAME, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("finished_at", UTC),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'cancelled', 'failed')", name=op.f("ck_jobs_state")),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_tenant_created_at", "jobs", ["tenant", "created_at"])

    op.create_table(
        "nodes",
        sa.Column("name", NAME, nullable=False),
        sa.Column("seen_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_nodes"),
    )
    op.create_table(
        "rollout",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("specialty", NAME, nullable=False),
        sa.Column("mode", NAME, nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("families", JSON, nullable=False),
        sa.Column("maximum_a_day", sa.Integer(), nullable=False),
        sa.Column("approved_by", NAME),
        sa.Column("approved_at", UTC),
        sa.Column("figures", JSON, nullable=False),
        sa.CheckConstraint("mode IN ('shadow', 'assisted', 'automated')", name=op.f("ck_rollout_mode")),
        sa.PrimaryKeyConstraint("tenant", "specialty", name="pk_rollout"),
    )
    op.create_table(
        "watermarks",
        sa.Column("tenant", NAME, nullable=False),
        sa.Column("platform", NAME, nullable=False),
        sa.Column("mark", sa.Text(), nullable=False),
        sa.Column("updated_at", UTC, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "platform", name="pk_watermarks"),
    )
    op.create_table(
        "job_lines",
        *_key(),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("request", SEALED),
        sa.Column("response", SEALED),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_job_lines_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "job_id"], ["jobs.tenant", "jobs.id"], name="fk_job_lines_tenant_job_id_jobs"
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_job_lines"),
        sa.UniqueConstraint("tenant", "job_id", "line", name="uq_job_lines_tenant_job_id_line"),
    )
    op.create_table(
        "suggestions",
        *_key(),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("request", SEALED),
        sa.Column("response", SEALED, nullable=False),
        sa.Column("versions", JSON, nullable=False),
        sa.Column("mode", NAME, nullable=False),
        sa.Column("route", NAME, nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("created_at", UTC, nullable=False),
        sa.CheckConstraint("mode IN ('shadow', 'assisted', 'automated')", name=op.f("ck_suggestions_mode")),
        sa.CheckConstraint("route IN ('auto_post', 'review', 'worklist')", name=op.f("ck_suggestions_route")),
        sa.ForeignKeyConstraint(
            ["tenant", "document_id"],
            ["documents.tenant", "documents.id"],
            name="fk_suggestions_tenant_document_id_documents",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_suggestions"),
    )
    op.create_index("ix_suggestions_tenant_created_at", "suggestions", ["tenant", "created_at"])
    op.create_index("ix_suggestions_tenant_document_id", "suggestions", ["tenant", "document_id"])

    op.create_table(
        "charges",
        *_key(),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("suggestion_id", ID),
        sa.Column("reference", NAME, nullable=False),
        sa.Column("state", NAME, nullable=False),
        sa.Column("platform_id", NAME),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", NAME),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("updated_at", UTC, nullable=False),
        sa.CheckConstraint("state IN ('pending', 'posted', 'uncertain', 'failed')", name=op.f("ck_charges_state")),
        sa.ForeignKeyConstraint(
            ["tenant", "document_id"],
            ["documents.tenant", "documents.id"],
            name="fk_charges_tenant_document_id_documents",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "suggestion_id"],
            ["suggestions.tenant", "suggestions.id"],
            name="fk_charges_tenant_suggestion_id_suggestions",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_charges"),
        sa.UniqueConstraint("reference", name="uq_charges_reference"),
    )
    op.create_index("ix_charges_tenant_state_created_at", "charges", ["tenant", "state", "created_at"])

    op.create_table(
        "worklist_items",
        *_key(),
        sa.Column("document_id", ID, nullable=False),
        sa.Column("suggestion_id", ID, nullable=False),
        sa.Column("encounter_id", NAME, nullable=False),
        sa.Column("practice", NAME),
        sa.Column("specialty", NAME),
        sa.Column("state", NAME, nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("findings", sa.Integer(), nullable=False),
        sa.Column("lowest_confidence", sa.Float()),
        sa.Column("expected_amount", sa.Integer()),
        sa.Column("quality_sample", sa.Boolean(), nullable=False),
        sa.Column("claimed_by", NAME),
        sa.Column("lease_until", UTC),
        sa.Column("created_at", UTC, nullable=False),
        sa.Column("settled_at", UTC),
        sa.CheckConstraint("state IN ('open', 'claimed', 'decided', 'final')", name=op.f("ck_worklist_items_state")),
        sa.ForeignKeyConstraint(
            ["tenant", "document_id"],
            ["documents.tenant", "documents.id"],
            name="fk_worklist_items_tenant_document_id_documents",
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "suggestion_id"],
            ["suggestions.tenant", "suggestions.id"],
            name="fk_worklist_items_tenant_suggestion_id_suggestions",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_worklist_items"),
    )
    op.create_index("ix_worklist_items_encounter", "worklist_items", ["tenant", "encounter_id"])
    op.create_index("ix_worklist_items_list", "worklist_items", ["tenant", "state", "priority", "id"])
    op.create_index("ix_worklist_items_specialty", "worklist_items", ["tenant", "state", "specialty", "priority", "id"])

    op.create_table(
        "decisions",
        *_key(),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("coder", NAME, nullable=False),
        sa.Column("line", NAME),
        sa.Column("action", NAME, nullable=False),
        sa.Column("code_before", NAME),
        sa.Column("code_after", NAME),
        sa.Column("reason", SEALED),
        sa.Column("review_s", sa.Float()),
        sa.Column("at", UTC, nullable=False),
        sa.CheckConstraint("action IN ('accept', 'edit', 'override', 'reject')", name=op.f("ck_decisions_action")),
        sa.ForeignKeyConstraint(
            ["tenant", "item_id"],
            ["worklist_items.tenant", "worklist_items.id"],
            name="fk_decisions_tenant_item_id_worklist_items",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_decisions"),
    )
    op.create_index("ix_decisions_tenant_at", "decisions", ["tenant", "at"])
    op.create_index("ix_decisions_tenant_item_id", "decisions", ["tenant", "item_id"])

    op.create_table(
        "final_codes",
        *_key(),
        sa.Column("item_id", ID, nullable=False),
        sa.Column("codes", SEALED, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("submitted_at", UTC, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "item_id"],
            ["worklist_items.tenant", "worklist_items.id"],
            name="fk_final_codes_tenant_item_id_worklist_items",
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_final_codes"),
    )
    op.create_index("ix_final_codes_tenant_item_id", "final_codes", ["tenant", "item_id"])


TABLES = (
    "final_codes decisions worklist_items charges suggestions job_lines watermarks "
    "rollout nodes jobs events documents audit_heads audit"
)


def downgrade() -> None:
    for table in TABLES.split():
        op.drop_table(table)
