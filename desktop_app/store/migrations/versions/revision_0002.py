"""Concepts, comments, examples, regions on slides, lists of features."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns to annotations, and five tables."""
    # As SQL: Alembic would copy the table, and its history points to it.
    for column in (
        "concept TEXT DEFAULT '' NOT NULL",
        "nature TEXT DEFAULT '' NOT NULL CONSTRAINT ck_annotations_nature "
        "CHECK (nature IN ('', 'biological', 'technical'))",
        "polysemantic BOOLEAN DEFAULT '0' NOT NULL",
    ):
        op.execute(f"ALTER TABLE annotations ADD COLUMN {column}")
    op.create_table(
        "comments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        *_feature(),
        sa.Column("text", sa.Text(), nullable=False),
        *_authorship(),
        sa.CheckConstraint("feature >= 0", name=op.f("ck_comments_feature")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
        sa.UniqueConstraint("uid", name=op.f("uq_comments_uid")),
    )
    op.create_index(op.f("ix_comments_sae_digest_feature"), "comments", ["sae_digest", "feature"])
    op.create_table(
        "regions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("slide_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("polygons_l0", sa.Text(), nullable=False),
        *_authorship(),
        sa.CheckConstraint("kind IN ('polygon', 'rectangle', 'brush')", name=op.f("ck_regions_kind")),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name=op.f("fk_regions_slide_id_slides")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_regions")),
        sa.UniqueConstraint("uid", name=op.f("uq_regions_uid")),
    )
    op.create_index(op.f("ix_regions_slide_id"), "regions", ["slide_id"])
    op.create_table(
        "examples",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        *_feature(),
        sa.Column("slide_fingerprint", sa.Text(), nullable=False),
        *(sa.Column(f"{name}_l0", sa.Float(), nullable=False) for name in ("y", "x", "height", "width")),
        sa.Column("region_uid", sa.Text(), nullable=False),
        *_authorship(),
        sa.CheckConstraint("feature >= 0", name=op.f("ck_examples_feature")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_examples")),
        sa.UniqueConstraint("uid", name=op.f("uq_examples_uid")),
    )
    op.create_index(op.f("ix_examples_sae_digest_feature"), "examples", ["sae_digest", "feature"])
    op.create_table(
        "feature_lists",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_feature_lists_name")),
    )
    op.create_table(
        "feature_list_entries",
        sa.Column("list_id", sa.Integer(), nullable=False),
        sa.Column("sae_digest", sa.Text(), nullable=False),
        sa.Column("feature", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id"], ["feature_lists.id"], name=op.f("fk_feature_list_entries_list_id_feature_lists")
        ),
        sa.PrimaryKeyConstraint("list_id", "sae_digest", "feature", name=op.f("pk_feature_list_entries")),
    )


def _feature() -> tuple[sa.Column[str], sa.Column[int]]:
    return (
        sa.Column("sae_digest", sa.Text(), nullable=False),
        sa.Column("feature", sa.Integer(), nullable=False),
    )


def _authorship() -> tuple[sa.Column[str], sa.Column[str], sa.Column[bool]]:
    return (
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(create_constraint=False), nullable=False),
    )
