"""Outlines, measures and changes of cells, correlations as arrays, splits, values of places."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NUMBERS = ("value", "ci_low", "ci_high", "p", "q")


def upgrade() -> None:
    """Add columns and tables, and turn the rows of correlations into arrays."""
    _cells()
    op.create_table(
        "splits",
        sa.Column("id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("name", "unit")),
        sa.Column("seed", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("assignments", "created_at", "author")),
        sa.Column("recency", sa.Integer(), nullable=False),
        sa.CheckConstraint("unit IN ('patient', 'slide', 'block')", name=op.f("ck_splits_unit")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_splits")),
    )
    op.create_table(
        "tile_values",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slide_id", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("source_name", "source_sha256", "names")),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("notes", "imported_at", "author")),
        sa.ForeignKeyConstraint(["slide_id"], ["slides.id"], name=op.f("fk_tile_values_slide_id_slides")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tile_values")),
    )
    op.create_index(op.f("ix_tile_values_slide_id"), "tile_values", ["slide_id"])
    _parts("tile_value_arrays", "tile_values_id", "tile_values")
    for column in (
        "name TEXT DEFAULT '' NOT NULL",
        "cells TEXT DEFAULT '{}' NOT NULL",
        "split_id INTEGER CONSTRAINT fk_correlations_split_id_splits REFERENCES splits (id)",
    ):
        op.execute(f"ALTER TABLE correlations ADD COLUMN {column}")
    _parts("correlation_arrays", "correlation_id", "correlations")
    op.execute(
        "UPDATE correlations SET name = "
        "'Run ' || (SELECT count(*) FROM correlations AS o WHERE o.id <= correlations.id)"
    )
    connection = op.get_bind()
    for number, text in connection.exec_driver_sql("SELECT id, meta FROM correlations").fetchall():
        _convert(connection, number, json.loads(text))
    op.drop_table("correlation_rows")


def _cells() -> None:
    # As SQL: Alembic would copy the table, and its arrays point to it.
    for column in (
        "author TEXT DEFAULT '' NOT NULL",
        "assumed TEXT DEFAULT '{}' NOT NULL",
        "measure_names TEXT DEFAULT '[]' NOT NULL",
        "n_outline_points INTEGER",
        "class_map TEXT DEFAULT '{}' NOT NULL",
        "recency INTEGER DEFAULT '0' NOT NULL",
    ):
        op.execute(f"ALTER TABLE cell_imports ADD COLUMN {column}")
    op.execute("UPDATE cell_imports SET recency = id")
    op.create_table(
        "blobs",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_blobs")),
    )
    op.create_table(
        "cell_details",
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("dtype", "shape", "digest")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["cell_imports.id"], name=op.f("fk_cell_details_import_id_cell_imports")
        ),
        sa.ForeignKeyConstraint(["digest"], ["blobs.digest"], name=op.f("fk_cell_details_digest_blobs")),
        sa.PrimaryKeyConstraint("import_id", "name", "part", name=op.f("pk_cell_details")),
    )
    op.create_table(
        "cell_edits",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("import_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cell", sa.Integer()),
        *(sa.Column(name, sa.Float()) for name in ("y_l0", "x_l0")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("type_before", "type_after")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("author", "at")),
        sa.Column("withdrawn", sa.Boolean(create_constraint=False), nullable=False),
        sa.CheckConstraint("kind IN ('add', 'delete', 'retype')", name=op.f("ck_cell_edits_kind")),
        sa.CheckConstraint("(cell IS NULL) = (kind = 'add')", name=op.f("ck_cell_edits_cell")),
        sa.ForeignKeyConstraint(
            ["import_id"], ["cell_imports.id"], name=op.f("fk_cell_edits_import_id_cell_imports")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cell_edits")),
        sa.UniqueConstraint("uid", name=op.f("uq_cell_edits_uid")),
    )
    op.create_index(op.f("ix_cell_edits_import_id"), "cell_edits", ["import_id"])


def _parts(table: str, key: str, owner: str) -> None:
    op.create_table(
        table,
        sa.Column(key, sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("dtype", "shape")),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint([key], [f"{owner}.id"], name=op.f(f"fk_{table}_{key}_{owner}")),
        sa.PrimaryKeyConstraint(key, "name", "part", name=op.f(f"pk_{table}")),
    )


def _convert(connection: sa.Connection, number: int, meta: dict[str, Any]) -> None:
    """Turn the rows of one correlation into arrays (features, cell types) by statistic and field."""
    rows = connection.exec_driver_sql(
        "SELECT feature, cell_type, statistic, reason, n_tiles, n_slides, method, unit, "
        f"{', '.join(_NUMBERS)} FROM correlation_rows WHERE correlation_id = ? ORDER BY position",
        (number,),
    ).fetchall()
    types = list(dict.fromkeys([*meta.get("type_names", []), *(row[1] for row in rows)]))
    statistics = list(dict.fromkeys(row[2] for row in rows))
    reasons = ["", *dict.fromkeys(row[3] for row in rows if row[3])]
    _fill_meta(meta, rows)
    meta |= {"type_names": types, "statistics": statistics, "reasons": reasons}
    n_features = max((row[0] for row in rows), default=-1) + 1
    shape = (n_features, len(types))
    type_places = {name: i for i, name in enumerate(types)}
    reason_places = {text: i for i, text in enumerate(reasons)}
    code = np.dtype("<u1" if len(reasons) <= 256 else "<u4")
    for statistic in statistics:
        own = [row for row in rows if row[2] == statistic]
        place = ([row[0] for row in own], [type_places[row[1]] for row in own])
        arrays: dict[str, Any] = {}
        for column, field in enumerate(_NUMBERS, start=8):
            arrays[field] = np.full(shape, np.nan, "<f8")
            arrays[field][place] = [np.nan if row[column] is None else row[column] for row in own]
        arrays["reason"] = np.zeros(shape, code)
        arrays["reason"][place] = [reason_places[row[3]] for row in own]
        if any(row[4] is not None for row in own):
            arrays["n_tiles"] = np.full(shape, np.nan, "<f8")
            arrays["n_tiles"][place] = [np.nan if row[4] is None else row[4] for row in own]
        for field, array in arrays.items():
            _insert(connection, number, f"{statistic}/{field}", array)
    connection.exec_driver_sql(
        "UPDATE correlations SET meta = ? WHERE id = ?",
        (json.dumps(meta, sort_keys=True, ensure_ascii=False), number),
    )


def _fill_meta(meta: dict[str, Any], rows: Sequence[Any]) -> None:
    """What the rows say of themselves and the table does not; only the number of tiles may differ by row."""
    for column, field in ((4, "n_tiles"), (5, "n_slides"), (6, "method"), (7, "unit")):
        said = list(dict.fromkeys(row[column] for row in rows if row[column] is not None))
        if not said:
            continue
        if field in ("n_tiles", "n_slides"):
            meta.setdefault(field, max(said))
        else:
            meta[field] = "; ".join(dict.fromkeys([meta[field], *said] if field in meta else said))


def _insert(connection: sa.Connection, number: int, name: str, array: Any) -> None:
    """One array in parts of 16 MiB, the bytes of equal weight together, compressed."""
    flat = array.reshape(-1)
    step = (16 << 20) // array.itemsize
    for part, start in enumerate(range(0, max(flat.size, 1), step)):
        shuffled = flat[start : start + step].view(np.uint8).reshape(-1, array.itemsize).T.tobytes()
        connection.exec_driver_sql(
            "INSERT INTO correlation_arrays (correlation_id, name, part, dtype, shape, data) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (number, name, part, array.dtype.str, json.dumps(list(array.shape)), zlib.compress(shuffled, 1)),
        )
