"""Names that people gave to clusters, put into the tables and figures of a study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sae_backend.studies.framework.report import Figure, Points, Report, Table

TABLES: Final = "clusters-"
"""How the keys of tables of clusters begin; how they were found follows."""

_NUMBER: Final = re.compile(r"^cluster (\d+)", re.IGNORECASE)


def cluster_key(table: Table, row: int) -> str:
    """What a cluster is called in the project: how it was found, and its number."""
    return f"{table.key.removeprefix(TABLES)} {table.columns['cluster'][row]}"


def with_names(report: Report, names: Mapping[str, str]) -> Report:
    """The answer with a column of names in each table of clusters, and names in the legends."""
    if not any(table.key.startswith(TABLES) for table in report.tables):
        return report
    tables = [_named_table(one, names) if one.key.startswith(TABLES) else one for one in report.tables]
    return replace(report, tables=tables, figures=[_named_figure(one, names) for one in report.figures])


def _named_table(table: Table, names: Mapping[str, str]) -> Table:
    first, *others = table.columns
    columns: dict[str, Any] = {
        first: table.columns[first],
        "name": [names.get(cluster_key(table, row), "") for row in range(table.n_rows)],
        **{key: table.columns[key] for key in others},
    }
    return replace(
        table,
        columns=columns,
        notes={**table.notes, "name": "Given by whoever looked at its tiles; the newest name."},
    )


def _named_figure(figure: Figure, names: Mapping[str, str]) -> Figure:
    kind = next((key.split()[0] for key in names if key.split()[0] in figure.key), "")
    if not kind:
        return figure
    marks = []
    for mark in figure.marks:
        found = _NUMBER.match(mark.label) if isinstance(mark, Points) else None
        name = names.get(f"{kind} {found.group(1)}", "") if found is not None else ""
        marks.append(
            replace(mark, label=f"{mark.label}: {name}") if name and isinstance(mark, Points) else mark
        )
    return replace(figure, marks=marks)
