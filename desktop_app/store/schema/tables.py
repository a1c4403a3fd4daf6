"""The tables of the newest revision. A change here needs a migration beside the others."""

from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from desktop_app.store.records.annotation_records import FIELDS, AnnotationField
from desktop_app.store.schema.measured_tables import (
    blobs,
    cell_arrays,
    cell_details,
    cell_edits,
    cell_imports,
    correlation_analyses,
    correlation_arrays,
    correlations,
    splits,
    tile_value_arrays,
    tile_values,
)
from desktop_app.store.schema.naming import metadata
from desktop_app.store.schema.study_tables import cluster_names, studies, study_arrays

__all__ = [
    "analyses",
    "annotation_history",
    "annotations",
    "blobs",
    "cell_arrays",
    "cell_details",
    "cell_edits",
    "cell_imports",
    "cluster_names",
    "comments",
    "correlation_analyses",
    "correlation_arrays",
    "correlations",
    "examples",
    "feature_list_entries",
    "feature_lists",
    "metadata",
    "regions",
    "saes",
    "settings",
    "slide_values",
    "slides",
    "splits",
    "studies",
    "study_arrays",
    "tile_value_arrays",
    "tile_values",
]

settings = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

slides = Table(
    "slides",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mpp", Float),
    Column("mpp_source", Text, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("added_at", Text, nullable=False),
    CheckConstraint("mpp_source IN ('file', 'user', 'unknown')", name="mpp_source"),
    CheckConstraint("(mpp IS NULL) = (mpp_source = 'unknown')", name="mpp_known"),
)

saes = Table(
    "saes",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("folder", Text, nullable=False),
    Column("card", Text, nullable=False),
    Column("added_at", Text, nullable=False),
)

# An SAE is named by its content, and its folder may never have been seen here (annotations that a
# colleague sent), so `sae_digest` is nowhere a foreign key.
analyses = Table(
    "analyses",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slide_id", ForeignKey("slides.id"), nullable=False, index=True),
    Column("encoder", Text, nullable=False),
    Column("encoder_digest", Text, nullable=False),
    Column("layer", Integer, nullable=False),
    Column("pooling", Text, nullable=False),
    Column("is_control", Boolean(create_constraint=False), nullable=False),
    Column("tile_spec", Text, nullable=False),
    Column("grid_digest", Text, nullable=False),
    Column("embedding_folder", Text, nullable=False),
    Column("embedding_digest", Text, nullable=False),
    Column("sae_digest", Text),
    Column("feature_folder", Text),
    Column("counts", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("chosen", Boolean(create_constraint=False), nullable=False),
    Column("recency", Integer, nullable=False),
)


def _column_and_check(known: AnnotationField) -> list[Column[Any] | CheckConstraint]:
    """Column of a field of annotations, with what the database itself refuses."""
    if known.kind == "flag":
        return [Column(known.name, Boolean(create_constraint=False), nullable=False)]
    if known.kind != "choice":
        return [Column(known.name, Text, nullable=False)]
    values = [value for value, _ in known.choices if value is not None]
    allowed = ", ".join(map(str, values) if known.is_number else (f"'{value}'" for value in values))
    return [
        Column(known.name, Integer if known.is_number else Text, nullable=known.blank is None),
        CheckConstraint(f"{known.name} IN ({allowed})", name=known.name),
    ]


annotations = Table(
    "annotations",
    metadata,
    Column("sae_digest", Text, primary_key=True),
    Column("feature", Integer, primary_key=True, autoincrement=False),
    *(item for known in FIELDS.values() for item in _column_and_check(known)),
    Column("author", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    CheckConstraint("feature >= 0", name="feature"),
)

annotation_history = Table(
    "annotation_history",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sae_digest", Text, nullable=False),
    Column("feature", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("field", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    ForeignKeyConstraint(["sae_digest", "feature"], ["annotations.sae_digest", "annotations.feature"]),
    UniqueConstraint("sae_digest", "feature", "revision", "field"),
)

# Nothing here is ever deleted: what is taken back is marked. The `uid` tells what two copies of a
# project have in common when they are merged.
comments = Table(
    "comments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("sae_digest", Text, nullable=False),
    Column("feature", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("withdrawn", Boolean(create_constraint=False), nullable=False),
    CheckConstraint("feature >= 0", name="feature"),
    Index(None, "sae_digest", "feature"),
)

regions = Table(
    "regions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("slide_id", ForeignKey("slides.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("polygons_l0", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("withdrawn", Boolean(create_constraint=False), nullable=False),
    CheckConstraint("kind IN ('polygon', 'rectangle', 'brush')", name="kind"),
)

# A place on a slide that shows a feature: a box of level-0 px, by the slide's fingerprint, so that
# it outlives another tile grid and means the same in a colleague's project.
examples = Table(
    "examples",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("sae_digest", Text, nullable=False),
    Column("feature", Integer, nullable=False),
    Column("slide_fingerprint", Text, nullable=False),
    Column("y_l0", Float, nullable=False),
    Column("x_l0", Float, nullable=False),
    Column("height_l0", Float, nullable=False),
    Column("width_l0", Float, nullable=False),
    Column("region_uid", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("withdrawn", Boolean(create_constraint=False), nullable=False),
    CheckConstraint("feature >= 0", name="feature"),
    Index(None, "sae_digest", "feature"),
)

feature_lists = Table(
    "feature_lists",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
)

feature_list_entries = Table(
    "feature_list_entries",
    metadata,
    Column("list_id", ForeignKey("feature_lists.id"), primary_key=True),
    Column("sae_digest", Text, primary_key=True),
    Column("feature", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
)

# Whatever a table of slides says, by column and slide. It can name patients and stays in the project.
slide_values = Table(
    "slide_values",
    metadata,
    Column("slide_id", ForeignKey("slides.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
)
