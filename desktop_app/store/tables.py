"""The tables of the newest revision. A change here needs a migration beside the others."""

from typing import Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from desktop_app.store.records.annotation_records import FIELDS, AnnotationField

NAMES: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""SQLite can only alter a constraint that has a name, so every one gets one."""

metadata = MetaData(naming_convention=NAMES)

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

# The import of a slide with the greatest recency counts; the class map is the one in force when it was made.
cell_imports = Table(
    "cell_imports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slide_id", ForeignKey("slides.id"), nullable=False, index=True),
    Column("source_name", Text, nullable=False),
    Column("source_sha256", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("n_cells", Integer, nullable=False),
    Column("type_names", Text, nullable=False),
    Column("type_counts", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("imported_at", Text, nullable=False),
    Column("author", Text, nullable=False, server_default=""),
    Column("assumed", Text, nullable=False, server_default="{}"),
    Column("measure_names", Text, nullable=False, server_default="[]"),
    Column("n_outline_points", Integer),
    Column("class_map", Text, nullable=False, server_default="{}"),
    Column("recency", Integer, nullable=False, server_default="0"),
)

# Apart from their import, so that listing imports never walks through the arrays.
cell_arrays = Table(
    "cell_arrays",
    metadata,
    Column("import_id", ForeignKey("cell_imports.id"), primary_key=True),
    Column("y_l0", LargeBinary, nullable=False),
    Column("x_l0", LargeBinary, nullable=False),
    Column("type_index", LargeBinary, nullable=False),
)

# Named by what they hold: the outlines of cells are stored once, however often their types are proposed anew.
blobs = Table(
    "blobs",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

cell_details = Table(
    "cell_details",
    metadata,
    Column("import_id", ForeignKey("cell_imports.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("digest", ForeignKey("blobs.digest"), nullable=False),
)

cell_edits = Table(
    "cell_edits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("import_id", ForeignKey("cell_imports.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("cell", Integer),
    Column("y_l0", Float),
    Column("x_l0", Float),
    Column("type_before", Text, nullable=False),
    Column("type_after", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("withdrawn", Boolean(create_constraint=False), nullable=False),
    CheckConstraint("kind IN ('add', 'delete', 'retype')", name="kind"),
    CheckConstraint("(cell IS NULL) = (kind = 'add')", name="cell"),
)

# Which slides, patients or blocks features are chosen on, and which they are reported on.
splits = Table(
    "splits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("assignments", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("recency", Integer, nullable=False),
    CheckConstraint("unit IN ('patient', 'slide', 'block')", name="unit"),
)

correlations = Table(
    "correlations",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sae_digest", Text, nullable=False, index=True),
    Column("spec", Text, nullable=False),
    Column("meta", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("cells", Text, nullable=False, server_default="{}"),
    Column("split_id", ForeignKey("splits.id")),
)

correlation_analyses = Table(
    "correlation_analyses",
    metadata,
    Column("correlation_id", ForeignKey("correlations.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("analysis_id", ForeignKey("analyses.id"), nullable=False),
)

correlation_arrays = Table(
    "correlation_arrays",
    metadata,
    Column("correlation_id", ForeignKey("correlations.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

tile_values = Table(
    "tile_values",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("slide_id", ForeignKey("slides.id"), nullable=False, index=True),
    Column("source_name", Text, nullable=False),
    Column("source_sha256", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("notes", Text, nullable=False),
    Column("imported_at", Text, nullable=False),
    Column("author", Text, nullable=False),
)

tile_value_arrays = Table(
    "tile_value_arrays",
    metadata,
    Column("tile_values_id", ForeignKey("tile_values.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

studies = Table(
    "studies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("uid", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("sae_digest", Text, nullable=False, index=True),
    Column("request", Text, nullable=False),
    Column("sets", Text, nullable=False),
    Column("meta", Text, nullable=False),
    Column("cells", Text, nullable=False),
    Column("split_id", ForeignKey("splits.id")),
    Column("created_at", Text, nullable=False),
    Column("author", Text, nullable=False),
    CheckConstraint("name <> ''", name="name"),
)

study_arrays = Table(
    "study_arrays",
    metadata,
    Column("study_id", ForeignKey("studies.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("dtype", Text, nullable=False),
    Column("shape", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# A row for every name that was ever given: the newest counts, and none is lost. A cluster is named by how it was
# found and its number, such as "directions 3".
cluster_names = Table(
    "cluster_names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False, index=True),
    Column("cluster", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Text, nullable=False),
)
