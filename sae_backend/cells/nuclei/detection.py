"""The nuclei that the detector found on a slide, as a file; and the finished tiles of a run that was stopped."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from sae_backend.atomic_write import disk_errors, open_atomic
from sae_backend.cache import commit_folder, is_committed, sha256_file
from sae_backend.cells.nuclei.segmentation import DETECTOR_VERSION, DetectSpec
from sae_backend.cells.nuclei.tiling import (
    TILE_PX,
    TileNuclei,
    TilePlan,
    detect_tiles,
    join_tiles,
    plan_tiles,
    table_of,
)
from sae_backend.cells.table import CellImport, CellTable, Outlines
from sae_backend.errors import CacheError
from sae_backend.models.cards import digest_of
from sae_backend.slides.slide import Slide
from sae_backend.slides.tissue import find_tissue

DETECTOR: Final = "Sparsescope nucleus detector"
"""Name under which its cells are kept."""

_FILE: Final = "nuclei.npz"
_FORMAT: Final = "detected nuclei"

Progress = Callable[[str, int, int], None]


def detection_key(slide: Slide, spec: DetectSpec, tile_px: int = TILE_PX) -> str:
    """Digest of a result: of the slide, its pixel size, the detector and its settings."""
    parts = {
        "slide": slide.info.fingerprint,
        "mpp": slide.info.require_mpp(),
        "spec": spec.to_json(),
        "tile_px": tile_px,
        "version": DETECTOR_VERSION,
    }
    return digest_of(parts)[:32]


def detect_nuclei(
    slide: Slide, spec: DetectSpec, cache_dir: Path, progress: Progress, tile_px: int = TILE_PX
) -> Path:
    """Find the nuclei of a slide, or return what an earlier run found.

    Parameters
    ----------
    slide
        The open slide; its pixel size must be known.
    spec
        What counts as a nucleus.
    cache_dir
        The file goes to `nuclei/<key>` in it; finished tiles of a run that ends early stay beside it.
    progress
        Takes (stage, done, total); what it raises ends the work.
    tile_px
        Width of the tiles that are looked at, in working px; the nuclei do not depend on it.

    Returns
    -------
    Path
        The file for :func:`load_detected`.

    Raises
    ------
    PixelSizeError, MismatchError
        If the pixel size is unknown or too coarse.
    NoTissueError
        If there is no tissue.
    CacheError
        When the disk refuses, or another program looks for the same nuclei.
    SlideError
        When the slide can no longer be read.
    """
    final = cache_dir / "nuclei" / detection_key(slide, spec, tile_px)
    if is_committed(final):
        progress("find nuclei", 1, 1)
        return final / _FILE
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(final.with_name(final.name + ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise CacheError(
                "Another program is looking for the nuclei of this slide in the same project.",
                "Wait until it is done; this run then takes its result.",
            ) from error
    try:
        progress("find tissue", 0, 1)
        plan = plan_tiles(slide.info, find_tissue(slide), spec, tile_px)
        progress("find tissue", 1, 1)
        _commit(final, slide, plan, _finished_tiles(final, slide, plan, progress))
    finally:
        lock.release()
    return final / _FILE


def _finished_tiles(final: Path, slide: Slide, plan: TilePlan, progress: Progress) -> list[TileNuclei]:
    """All tiles in order: those of an earlier run from its files, and the rest anew."""
    folder = _tile_folder(final)
    with disk_errors(final):
        folder.mkdir(exist_ok=True)
    parts = [_read_tile(folder / f"{tile}.npz") for tile in range(plan.n_tiles)]
    todo = [tile for tile, part in enumerate(parts) if part is None]
    done = plan.n_tiles - len(todo)
    progress("find nuclei", done, plan.n_tiles)
    # Scaling a tile is a product of small matrices, for which the threads of the linear algebra get in each
    # other's way.
    with threadpool_limits(1, user_api="blas"), closing(detect_tiles(slide, plan, todo)) as found:
        for tile, part in found:
            _write_npz(folder / f"{tile}.npz", {**asdict(part)})
            parts[tile] = part
            done += 1
            progress("find nuclei", done, plan.n_tiles)
    return [part for part in parts if part is not None]


def _tile_folder(final: Path) -> Path:
    return final.with_name(final.name + ".tiles")


def _write_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Replace a file as a whole, so that a killed run leaves no half of one."""
    with open_atomic(path) as file:
        np.savez(file, **arrays)


def _read_tile(path: Path) -> TileNuclei | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return TileNuclei(
                **{name: file[name] for name in ("yx_l0", "starts", "rings_l0", "measures")},
                missing_um2=float(file["missing_um2"]),
                corrupt_um2=float(file["corrupt_um2"]),
                n_cut=int(file["n_cut"]),
            )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        # A tile that the disk damaged is found again.
        return None


def _commit(final: Path, slide: Slide, plan: TilePlan, parts: list[TileNuclei]) -> None:
    mpp = slide.info.require_mpp()
    nuclei = join_tiles(parts, mpp)
    table = table_of(nuclei, mpp)
    tissue_um2 = float(plan.tissue.mask.sum()) * (plan.tissue.downsample * mpp) ** 2
    header = {
        "format": _FORMAT,
        "version": DETECTOR_VERSION,
        "spec": plan.spec.to_json(),
        "slide_fingerprint": slide.info.fingerprint,
        "slide": slide.info.path.name,
        "mpp": mpp,
        "mpp_source": slide.info.mpp_source,
        "working_mpp": plan.scale.mpp,
        "tissue_um2": tissue_um2,
        "missing_um2": nuclei.missing_um2,
        "corrupt_um2": nuclei.corrupt_um2,
        "n_cut": nuclei.n_cut,
    }
    partial = final.with_name(final.name + ".partial")
    with disk_errors(final):
        partial.mkdir(exist_ok=True)
    arrays = {
        "yx_l0": nuclei.yx_l0,
        "starts": nuclei.starts,
        "rings_l0": nuclei.rings_l0,
        "measures": np.stack(list(table.measures.values()), axis=1),
        "measure_names": np.array(list(table.measures)),
        "type_names": np.array(table.type_names),
        "header": np.array(json.dumps(header, sort_keys=True)),
    }
    _write_npz(partial / _FILE, arrays)
    commit_folder(partial, final, {"kind": "nuclei", "digest": final.name, "n_nuclei": table.n_cells})
    with disk_errors(final):
        shutil.rmtree(_tile_folder(final))


def load_detected(path: Path) -> CellImport:
    """Read what :func:`detect_nuclei` wrote.

    Raises
    ------
    CacheError
        When the file is missing or damaged.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header: dict[str, Any] = json.loads(str(file["header"]))
            values = file["measures"]
            table = CellTable(
                y_l0=np.ascontiguousarray(file["yx_l0"][:, 0]),
                x_l0=np.ascontiguousarray(file["yx_l0"][:, 1]),
                type_index=np.zeros(len(values), np.uint16),
                type_names=tuple(str(name) for name in file["type_names"]),
                measures={
                    str(name): np.ascontiguousarray(column)
                    for name, column in zip(file["measure_names"], values.T, strict=True)
                },
                outlines=Outlines(file["starts"], file["rings_l0"]),
            )
        return CellImport(
            table, f"nuclei of {header['slide']}", sha256_file(path), DETECTOR, _notes(header, table), header
        )
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise CacheError(
            f"The nuclei in {path.parent.name} are missing or damaged.", "Run the nucleus detector again."
        ) from error


def _notes(header: dict[str, Any], table: CellTable) -> tuple[str, ...]:
    notes = [
        f"{table.n_cells:,} nuclei were found on {header['tissue_um2'] / 1e6:.2f} mm2 of tissue at "
        f"{header['working_mpp']:.3g} um per px; their types were not classified."
    ]
    for what in ("missing", "corrupt"):
        if header[f"{what}_um2"] > 0:
            notes.append(f"{header[f'{what}_um2'] / 1e6:.3f} mm2 of the slide are {what} and were left out.")
    if header["n_cut"]:
        notes.append(f"{header['n_cut']:,} nuclei at the edge of such areas were left out.")
    return tuple(notes)
