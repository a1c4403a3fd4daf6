"""What is known of a slide beside its pixels: patient, site, group and the like."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table of values."""
    op.create_table(
        "slide_values",
        sa.Column("slide_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name=op.f("fk_slide_values_slide_id_slides")),
        sa.PrimaryKeyConstraint("slide_id", "key", name=op.f("pk_slide_values")),
    )
