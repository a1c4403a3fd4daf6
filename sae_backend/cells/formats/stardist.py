"""Nuclei of StarDist: the details that it returns, as JSON or as NPZ without pickles.

`coord` (n, 2, rays) holds the y and x of the outlines, `points` (n, 2) the (y, x) of the centres, `prob` (n,)
how sure each is, `class_id` (n,) or `class_prob` (n, classes) the types, class 0 being the background.
"""

from __future__ import annotations

import zipfile
import zlib
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from sae_backend.cells.formats.nuclei_json import NUMBERED, WRITE_HINT
from sae_backend.cells.import_options import LEVEL_0_ASSUMED, NO_OFFSET, Placement, place
from sae_backend.cells.parsing.json_stream import JsonPath, JsonPieces
from sae_backend.cells.parsing.raw_cells import CellRows, RawCells, Reading
from sae_backend.cells.parsing.rings import FlatRings, centroids, opened
from sae_backend.errors import CellsError

FORMAT: Final = "stardist"
_KEYS: Final = ("coord", "points", "prob", "class_id", "class_prob")

_Floats = npt.NDArray[np.float64]


def read_stardist(reading: Reading) -> RawCells:
    """Read the nuclei of StarDist's details.

    Raises
    ------
    CellsError
        If the file is broken, its arrays have other shapes, or there is no nucleus.
    """
    name = reading.name
    found = _read_npz(reading) if reading.source.packing == "arrays" else _read_json(reading)
    coord, points = found.get("coord"), found.get("points")
    if coord is None and points is None:
        raise CellsError(f"{name} has neither `coord` nor `points`.", WRITE_HINT)
    n_cells = len(points) if coord is None else len(coord)  # type: ignore[arg-type]
    if n_cells == 0:
        raise CellsError(f"{name} holds no cells.", "Choose a file in which cells were found.")
    rings = None
    if coord is not None:
        if coord.ndim != 3 or coord.shape[1] != 2 or coord.shape[2] < 3:
            raise _shape(name, "coord", coord, "(n, 2, rays)")
        sizes = np.full(n_cells, coord.shape[2], np.int64)
        rings = opened(FlatRings(sizes, coord[:, ::-1].transpose(0, 2, 1).reshape(-1, 2)))
    if points is not None and points.shape != (n_cells, 2):
        raise _shape(name, "points", points, f"({n_cells:,}, 2)")
    if points is not None:
        xy = points[:, ::-1]
    else:
        assert rings is not None
        xy = centroids(rings)
    rows = CellRows(name)
    rows.add_arrays(np.ascontiguousarray(xy), _labels(found, n_cells, name), rings)
    prob = found.get("prob")
    if prob is not None:
        if prob.shape != (n_cells,):
            raise _shape(name, "prob", prob, f"({n_cells:,},)")
        rows.measures.add_column(np.arange(n_cells), "prob", prob)
    notes = [NUMBERED] if {"class_id", "class_prob"} & found.keys() else []
    placement = place(reading.options, reading.slide_info, Placement(1.0, NO_OFFSET, (LEVEL_0_ASSUMED,)))
    return rows.finish(FORMAT, "StarDist", placement, notes)


def _labels(found: dict[str, _Floats], n_cells: int, name: str) -> list[str]:
    ids, prob = found.get("class_id"), found.get("class_prob")
    if ids is None and prob is not None:
        if prob.ndim != 2 or len(prob) != n_cells or prob.shape[1] < 1:
            raise _shape(name, "class_prob", prob, f"({n_cells:,}, classes)")
        ids = prob.argmax(axis=1).astype(np.float64)
    if ids is None:
        return [""] * n_cells
    if ids.shape != (n_cells,) or not np.isfinite(ids).all():
        raise _shape(name, "class_id", ids, f"({n_cells:,},)")
    return [str(int(value)) if value else "" for value in ids.tolist()]


def _read_json(reading: Reading) -> dict[str, _Floats]:
    name = reading.name
    parts: dict[str, list[_Floats]] = {}
    for piece in JsonPieces(reading.source.blocks(), name, _may_open):
        if piece.path == ():
            if not isinstance(piece.items, dict):
                raise CellsError(f"{name} has neither `coord` nor `points`.", WRITE_HINT)
            for key in _KEYS:
                if piece.items.get(key) is not None:
                    parts.setdefault(key, []).append(_array(piece.items[key], key, name))
        elif piece.items:
            key = str(piece.path[0])
            parts.setdefault(key, []).append(_array(piece.items, key, name))
    try:
        return {key: np.concatenate(arrays) for key, arrays in parts.items() if key in _KEYS}
    except ValueError as error:
        raise CellsError(f"{name} has arrays of unequal shapes.", WRITE_HINT) from error


def _may_open(path: JsonPath) -> bool:
    return len(path) == 1


def _array(values: Any, key: str, name: str) -> _Floats:
    try:
        array = np.asarray(values)
        flat = values
        while isinstance(flat, list) and flat and isinstance(flat[0], list):
            flat = list(chain.from_iterable(flat))
        if isinstance(flat, list) and not set(map(type, flat)) <= {int, float}:
            raise TypeError
        if array.dtype.kind in "fiu" or array.size == 0:
            array = array.astype(np.float64)
            if np.isfinite(array).all() and array.ndim:
                return array
    except (TypeError, ValueError, OverflowError):
        pass
    raise CellsError(f"`{key}` of {name} is no array of finite numbers.", WRITE_HINT)


def _shape(name: str, key: str, array: _Floats, wanted: str) -> CellsError:
    return CellsError(f"`{key}` of {name} has the shape {array.shape} and not {wanted}.", WRITE_HINT)


def _read_npz(reading: Reading) -> dict[str, _Floats]:
    name = reading.name
    damaged = CellsError(f"{name} is a damaged NPZ archive.", "Write it again.")
    try:
        with zipfile.ZipFile(reading.source.path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted = [key for key in _KEYS if key in members]
            if sum(members[key].file_size for key in wanted) > reading.source.most_bytes:
                raise CellsError(f"{name} claims to hold far more than such a file can.", "Write it again.")
            found: dict[str, _Floats] = {}
            for done, key in enumerate(wanted):
                reading.source.tell(done, len(wanted))
                found[key] = _npy(archive, members[key], key, name)
            return found
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise damaged from error


def _npy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, key: str, name: str) -> _Floats:
    with archive.open(member) as file:
        try:
            version = np.lib.format.read_magic(file)
            read = (
                np.lib.format.read_array_header_1_0
                if version == (1, 0)
                else np.lib.format.read_array_header_2_0
            )
            shape, is_fortran, dtype = read(file)
        except ValueError as error:
            raise CellsError(f"`{key}` of {name} is no array.", "Write it again.") from error
        if dtype.hasobject:
            raise CellsError(
                f"`{key}` of {name} is a pickle, which can run any program when it is read.",
                "Write it with plain numbers: numpy.savez of float arrays.",
            )
        data = file.read()
    if dtype.kind not in "fiu" or any(n < 0 for n in shape) or len(data) != dtype.itemsize * _count(shape):
        raise CellsError(f"`{key}` of {name} is cut short or holds no numbers.", "Write it again.")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")
    return _array(array, key, name)


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for n in shape:
        count *= n
    return count
