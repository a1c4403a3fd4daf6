"""Studies, their arrays, and the names of clusters."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("uid", "kind", "name", "sae_digest", "request", "sets", "meta", "cells")
        ),
        sa.Column("split_id", sa.Integer()),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("created_at", "author")),
        sa.CheckConstraint("name <> ''", name=op.f("ck_studies_name")),
        sa.ForeignKeyConstraint(["split_id"], ["splits.id"], name=op.f("fk_studies_split_id_splits")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studies")),
        sa.UniqueConstraint("uid", name=op.f("uq_studies_uid")),
    )
    for column in ("kind", "sae_digest"):
        op.create_index(op.f(f"ix_studies_{column}"), "studies", [column])
    op.create_table(
        "study_arrays",
        sa.Column("study_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("dtype", "shape")),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_study_arrays_study_id_studies")),
        sa.PrimaryKeyConstraint("study_id", "name", "part", name=op.f("pk_study_arrays")),
    )
    op.create_table(
        "cluster_names",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("study_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("cluster", "name", "author", "at")),
        sa.ForeignKeyConstraint(["study_id"], ["studies.id"], name=op.f("fk_cluster_names_study_id_studies")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cluster_names")),
    )
    op.create_index(op.f("ix_cluster_names_study_id"), "cluster_names", ["study_id"])
