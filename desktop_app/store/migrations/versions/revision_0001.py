"""The first project file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "annotations",
        sa.Column("sae_digest", sa.Text(), nullable=False),
        sa.Column("feature", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Integer(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "status IN ('unseen', 'draft', 'reviewed', 'rejected')", name=op.f("ck_annotations_status")
        ),
        sa.CheckConstraint("confidence BETWEEN 1 AND 5", name=op.f("ck_annotations_confidence")),
        sa.CheckConstraint("feature >= 0", name=op.f("ck_annotations_feature")),
        sa.PrimaryKeyConstraint("sae_digest", "feature", name=op.f("pk_annotations")),
    )
    op.create_table(
        "correlations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sae_digest", sa.Text(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("meta", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correlations")),
    )
    op.create_index(op.f("ix_correlations_sae_digest"), "correlations", ["sae_digest"], unique=False)
    op.create_table(
        "saes",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_saes")),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_settings")),
    )
    op.create_table(
        "slides",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mpp", sa.Float(), nullable=True),
        sa.Column("mpp_source", sa.Text(), nullable=False),
        sa.Column("height_px", sa.Integer(), nullable=False),
        sa.Column("width_px", sa.Integer(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("added_at", sa.Text(), nullable=False),
        sa.CheckConstraint("(mpp IS NULL) = (mpp_source = 'unknown')", name=op.f("ck_slides_mpp_known")),
        sa.CheckConstraint("mpp_source IN ('file', 'user', 'unknown')", name=op.f("ck_slides_mpp_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slides")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_slides_fingerprint")),
    )
    op.create_table(
        "analyses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slide_id", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.Text(), nullable=False),
        sa.Column("encoder_digest", sa.Text(), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("pooling", sa.Text(), nullable=False),
        sa.Column("is_control", sa.Boolean(), nullable=False),
        sa.Column("tile_spec", sa.Text(), nullable=False),
        sa.Column("grid_digest", sa.Text(), nullable=False),
        sa.Column("embedding_folder", sa.Text(), nullable=False),
        sa.Column("embedding_digest", sa.Text(), nullable=False),
        sa.Column("sae_digest", sa.Text(), nullable=True),
        sa.Column("feature_folder", sa.Text(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("recency", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name=op.f("fk_analyses_slide_id_slides")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
    )
    op.create_index(op.f("ix_analyses_slide_id"), "analyses", ["slide_id"], unique=False)
    op.create_table(
        "annotation_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sae_digest", sa.Text(), nullable=False),
        sa.Column("feature", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=False),
        sa.Column("after", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sae_digest", "feature"],
            ["annotations.sae_digest", "annotations.feature"],
            name=op.f("fk_annotation_history_sae_digest_feature_annotations"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotation_history")),
        sa.UniqueConstraint(
            "sae_digest",
            "feature",
            "revision",
            "field",
            name=op.f("uq_annotation_history_sae_digest_feature_revision_field"),
        ),
    )
    op.create_table(
        "cell_imports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slide_id", sa.Integer(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("source_sha256", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False),
        sa.Column("n_cells", sa.Integer(), nullable=False),
        sa.Column("type_names", sa.Text(), nullable=False),
        sa.Column("type_counts", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("imported_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name=op.f("fk_cell_imports_slide_id_slides")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cell_imports")),
    )
    op.create_index(op.f("ix_cell_imports_slide_id"), "cell_imports", ["slide_id"], unique=False)
    op.create_table(
        "correlation_rows",
        sa.Column("correlation_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feature", sa.Integer(), nullable=False),
        sa.Column("cell_type", sa.Text(), nullable=False),
        sa.Column("statistic", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("ci_low", sa.Float(), nullable=True),
        sa.Column("ci_high", sa.Float(), nullable=True),
        sa.Column("p", sa.Float(), nullable=True),
        sa.Column("q", sa.Float(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n_tiles", sa.Integer(), nullable=True),
        sa.Column("n_slides", sa.Integer(), nullable=True),
        sa.Column("method", sa.Text(), nullable=True),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["correlation_id"],
            ["correlations.id"],
            name=op.f("fk_correlation_rows_correlation_id_correlations"),
        ),
        sa.PrimaryKeyConstraint("correlation_id", "position", name=op.f("pk_correlation_rows")),
        sa.UniqueConstraint(
            "correlation_id",
            "feature",
            "cell_type",
            "statistic",
            name=op.f("uq_correlation_rows_correlation_id_feature_cell_type_statistic"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cell_arrays",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("y_l0", sa.LargeBinary(), nullable=False),
        sa.Column("x_l0", sa.LargeBinary(), nullable=False),
        sa.Column("type_index", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["cell_imports.id"], name=op.f("fk_cell_arrays_import_id_cell_imports")
        ),
        sa.PrimaryKeyConstraint("import_id", name=op.f("pk_cell_arrays")),
    )
    op.create_table(
        "correlation_analyses",
        sa.Column("correlation_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("analysis_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name=op.f("fk_correlation_analyses_analysis_id_analyses")
        ),
        sa.ForeignKeyConstraint(
            ["correlation_id"],
            ["correlations.id"],
            name=op.f("fk_correlation_analyses_correlation_id_correlations"),
        ),
        sa.PrimaryKeyConstraint("correlation_id", "position", name=op.f("pk_correlation_analyses")),
    )
