"""The tables of the studies: what was asked, what was found, and the names that people gave to clusters."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, LargeBinary, Table, Text

from desktop_app.store.schema.naming import metadata

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
