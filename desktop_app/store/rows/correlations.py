"""Runs of correlations of features against cell types; none is ever overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Row, func, insert, select, update

from desktop_app.store import tables
from desktop_app.store.encoding.packed_arrays import packed, unpacked
from desktop_app.store.encoding.plain import checked_text, from_text, now_utc, to_text
from desktop_app.store.engine import Database, Rows
from desktop_app.store.records.measured_records import CorrelationRecord, CorrelationRow, NewCorrelation
from sae_backend.errors import MismatchError, StoreError, UserInputError

_T = tables.correlations
_A = tables.correlation_analyses
_R = tables.correlation_arrays
_RUNS_AT_HAND: Final = 3
NUMBERS: Final = ("value", "ci_low", "ci_high", "p", "q")
SHARED: Final = ("n_tiles", "n_slides", "method", "unit")
Read = Callable[[Sequence[str]], Mapping[str, npt.NDArray[Any]]]
"""Gives those of the named arrays that there are."""


class CorrelationRows(Rows):
    """Runs of correlations."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        # They never change, and a page of one feature reads a row of each.
        self._kept_arrays: dict[int, dict[str, npt.NDArray[Any]]] = {}

    def add(self, new: NewCorrelation) -> CorrelationRecord:
        """Store a run of correlations with all its arrays in one transaction.

        Raises
        ------
        MismatchError
            When the arrays and what is said of them do not belong together.
        StoreError
            When an analysis or the split is not in the project.
        """
        meta = dict(new.meta)
        check_arrays(meta, new.arrays)
        rows = packed(new.arrays)
        name = checked_text("name", new.name).strip()
        with self._database.write() as connection:
            count = connection.execute(select(func.count()).select_from(_T)).scalar_one()
            statement = insert(_T).values(
                sae_digest=new.sae_digest,
                spec=to_text(dict(new.spec)),
                meta=to_text(meta),
                created_at=now_utc(),
                name=name or f"Run {count + 1}",
                cells=to_text(dict(new.cells)),
                split_id=new.split_id,
            )
            added = connection.execute(statement.returning(_T.c.id)).scalar_one()
            for position, analysis_id in enumerate(new.analysis_ids):
                connection.execute(
                    insert(_A).values(correlation_id=added, position=position, analysis_id=analysis_id)
                )
            for row in rows:
                connection.execute(insert(_R).values(correlation_id=added, **row))
            return _must_find(connection, added)

    def all(self) -> list[CorrelationRecord]:
        """All runs, the oldest first, without their arrays."""
        with self._database.read() as connection:
            rows = connection.execute(select(_T).order_by(_T.c.id)).all()
            return [_record(connection, row) for row in rows]

    def get(self, correlation_id: int) -> CorrelationRecord:
        """Return the run with this id, or raise `StoreError`."""
        with self._database.read() as connection:
            return _must_find(connection, correlation_id)

    def latest(self, sae_digest: str) -> CorrelationRecord | None:
        """Return the newest run of an SAE, None where there is none."""
        query = select(_T).where(_T.c.sae_digest == sae_digest).order_by(_T.c.id.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
            return None if row is None else _record(connection, row)

    def rename(self, correlation_id: int, name: str) -> CorrelationRecord:
        """Call a run something else.

        Raises
        ------
        UserInputError
            When the name is empty.
        StoreError
            When there is no such run.
        """
        title = checked_text("name", name).strip()
        if not title:
            raise UserInputError("The run has no name.", "Give it one.")
        with self._database.write() as connection:
            connection.execute(update(_T).where(_T.c.id == correlation_id).values(name=title))
            return _must_find(connection, correlation_id)

    def array_names(self, correlation_id: int) -> tuple[str, ...]:
        """Names of the arrays of a run, in alphabetical order."""
        query = select(_R.c.name).where(_R.c.correlation_id == correlation_id).distinct()
        with self._database.read() as connection:
            _must_find(connection, correlation_id)
            return tuple(sorted(connection.execute(query).scalars()))

    def arrays(self, correlation_id: int, names: Iterable[str] | None = None) -> dict[str, npt.NDArray[Any]]:
        """Arrays of a run by name, read-only: all of them, or only those named.

        Raises
        ------
        StoreError
            When there is no such run, it has no such array, or an array is damaged.
        """
        wanted = self.array_names(correlation_id) if names is None else tuple(names)
        found = self._arrays(correlation_id, wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            self.get(correlation_id)
            raise StoreError(f"The correlation has no {', '.join(missing)}.", "Correlate again.")
        return found

    def rows(
        self, correlation_id: int, *, feature: int | None = None, statistic: str | None = None
    ) -> list[CorrelationRow]:
        """Rows of a run by statistic, feature and cell type: all, or those of one feature or statistic.

        A pair that has neither a number nor a reason is no row.

        Raises
        ------
        StoreError
            When there is no such run, or it is damaged.
        """
        meta = self.get(correlation_id).meta
        try:
            return correlation_rows(
                meta, lambda names: self._arrays(correlation_id, names), feature, statistic
            )
        except (KeyError, IndexError, ValueError) as error:
            raise _damaged() from error

    def _arrays(self, correlation_id: int, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
        """Those of the named arrays that there are."""
        kept = self._kept_arrays.pop(correlation_id, {})
        new = [name for name in names if name not in kept]
        if new:
            query = (
                select(_R.c.name, _R.c.part, _R.c.dtype, _R.c.shape, _R.c.data)
                .where(_R.c.correlation_id == correlation_id, _R.c.name.in_(new))
                .order_by(_R.c.name, _R.c.part)
            )
            with self._database.read() as connection:
                found = unpacked(connection.execute(query), _damaged())
            for array in found.values():
                array.flags.writeable = False
            kept |= found
        self._kept_arrays[correlation_id] = kept
        while len(self._kept_arrays) > _RUNS_AT_HAND:
            del self._kept_arrays[next(iter(self._kept_arrays))]
        return {name: kept[name] for name in names if name in kept}


def _damaged() -> StoreError:
    return StoreError("The stored correlations are damaged.", "Correlate again.")


def _must_find(connection: Connection, correlation_id: int) -> CorrelationRecord:
    row = connection.execute(select(_T).where(_T.c.id == correlation_id)).first()
    if row is None:
        raise StoreError("The project has no such run of correlations.", "Correlate first.")
    return _record(connection, row)


def _record(connection: Connection, row: Row[Any]) -> CorrelationRecord:
    query = select(_A.c.analysis_id).where(_A.c.correlation_id == row.id).order_by(_A.c.position)
    analysis_ids = tuple(connection.execute(query).scalars())
    return CorrelationRecord(
        row.id,
        row.sae_digest,
        analysis_ids,
        from_text(row.spec),
        from_text(row.meta),
        row.created_at,
        row.name,
        from_text(row.cells),
        row.split_id,
    )


def check_arrays(meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Refuse a correlation that could not be understood later.

    Raises
    ------
    MismatchError
        When the meta does not state what is the same for all pairs, a statistic has no values, arrays
        are of unequal shapes, or a reason has no text.
    """
    for name in SHARED:
        if meta.get(name) is None:
            raise MismatchError(f"The correlation does not state its {name}.", "Correlate again.")
    statistics = list(meta.get("statistics") or ())
    if not statistics:
        if arrays:
            raise MismatchError("The correlation does not state its statistics.", "Correlate again.")
        return
    missing = [name for name in statistics if f"{name}/value" not in arrays]
    if missing:
        raise MismatchError(f"The correlation has no values of {', '.join(missing)}.", "Correlate again.")
    shape = arrays[f"{statistics[0]}/value"].shape
    if len(shape) != 2 or shape[1] != len(meta.get("type_names") or ()):
        raise MismatchError(
            "The correlation has another number of cell types than names.", "Correlate again."
        )
    fields = (*NUMBERS, "reason", "n_tiles")
    pairs = ["reason", *(f"{statistic}/{field}" for statistic in statistics for field in fields)]
    for name in pairs:
        if name in arrays and arrays[name].shape != shape:
            raise MismatchError(f"The array {name} of the correlation has another shape.", "Correlate again.")
        if name.endswith("reason") and name in arrays:
            _check_reasons(arrays[name], meta)


def _check_reasons(codes: npt.NDArray[Any], meta: Mapping[str, Any]) -> None:
    texts = list(meta.get("reasons") or ())
    if codes.dtype.kind != "u" or texts[:1] != [""] or int(codes.max(initial=0)) >= len(texts):
        raise MismatchError("The correlation has reasons without a text.", "Correlate again.")


def correlation_rows(
    meta: Mapping[str, Any], read: Read, feature: int | None, statistic: str | None
) -> list[CorrelationRow]:
    """Rows by statistic, feature and cell type: all, or those of one feature or one statistic.

    A pair that has neither a number nor a reason is no row.
    """
    rows: list[CorrelationRow] = []
    for name in meta.get("statistics") or ():
        if statistic in (None, name):
            fields = (*NUMBERS, "reason", "n_tiles")
            found = read([*(f"{name}/{field}" for field in fields), "reason"])
            rows += _rows_of(str(name), found, meta, feature)
    return rows


def _rows_of(
    statistic: str, found: Mapping[str, npt.NDArray[Any]], meta: Mapping[str, Any], feature: int | None
) -> list[CorrelationRow]:
    shape = found[f"{statistic}/value"].shape
    first, end = (0, shape[0]) if feature is None else (max(feature, 0), min(feature + 1, shape[0]))
    if end <= first:
        return []
    nothing = np.full((end - first, shape[1]), np.nan)
    numbers = [
        found[key][first:end] if (key := f"{statistic}/{field}") in found else nothing
        for field in (*NUMBERS, "n_tiles")
    ]
    code_name = f"{statistic}/reason" if f"{statistic}/reason" in found else "reason"
    codes = found[code_name][first:end] if code_name in found else np.zeros(nothing.shape, np.uint8)
    stated = np.any([np.isfinite(array) for array in numbers[: len(NUMBERS)]], axis=0) | (codes > 0)
    places = np.nonzero(stated)
    texts = [str(text) for text in meta.get("reasons") or ("",)]
    types = [str(name) for name in meta["type_names"]]
    shared = (int(meta["n_tiles"]), int(meta["n_slides"]), str(meta["method"]), str(meta["unit"]))
    columns = [_or_none(array[places]) for array in numbers]
    return [
        CorrelationRow(
            feature=f + first,
            cell_type=types[c],
            n_tiles=shared[0] if n_tiles is None else int(n_tiles),
            n_slides=shared[1],
            statistic=statistic,
            value=value,
            ci_low=ci_low,
            ci_high=ci_high,
            p=p,
            q=q,
            method=shared[2],
            unit=shared[3],
            reason=texts[code],
        )
        for f, c, code, value, ci_low, ci_high, p, q, n_tiles in zip(
            places[0].tolist(), places[1].tolist(), codes[places].tolist(), *columns, strict=True
        )
    ]


def _or_none(values: npt.NDArray[Any]) -> list[Any]:
    plain = values.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
