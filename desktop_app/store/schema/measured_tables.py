"""The tables of what was measured on slides: cells, correlations, splits, values of places."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
)

from desktop_app.store.schema.naming import metadata

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
