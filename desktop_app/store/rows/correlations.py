"""Arrays of a correlation: whether they belong together, and as rows of one pair each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from desktop_app.store.records.measured_records import CorrelationRow
from sae_backend.errors import MismatchError

NUMBERS: Final = ("value", "ci_low", "ci_high", "p", "q")
SHARED: Final = ("n_tiles", "n_slides", "method", "unit")
Read = Callable[[Sequence[str]], Mapping[str, npt.NDArray[Any]]]
"""Gives those of the named arrays that there are."""


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
