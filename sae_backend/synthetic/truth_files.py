"""Names of the files that say what is known about a generated slide, and whether they are there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sae_backend.errors import UserInputError
from sae_backend.synthetic.specs import SlideSpec


@dataclass(frozen=True)
class TruthFiles:
    """What is known about a slide.

    Attributes
    ----------
    cells_table
        Parquet with x, y (level-0 px) and type.
    cells_geojson, regions_geojson
        For QuPath: nuclei as detections, regions and artefacts as annotations.
    settings
        JSON with the spec and the number of cells of each type.
    """

    cells_table: Path
    cells_geojson: Path
    regions_geojson: Path
    settings: Path


def truth_files(folder: Path, name: str) -> TruthFiles:
    """Names of the files of a slide."""
    return TruthFiles(
        folder / f"{name}.cells.parquet",
        folder / f"{name}.geojson",
        folder / f"{name}.regions.geojson",
        folder / f"{name}.json",
    )


def is_drawn(folder: Path, spec: SlideSpec) -> bool:
    """Whether a slide is there, whole, and the one that this version of the world draws from the spec."""
    try:
        # The settings are written last, so a slide with settings is whole.
        record = json.loads(truth_files(folder, spec.name).settings.read_text(encoding="utf-8"))
        return (folder / f"{spec.name}.tiff").exists() and SlideSpec.from_json(record["spec"]) == spec
    except (OSError, ValueError, KeyError, TypeError, UserInputError):
        # Whatever is wrong with it, drawing it anew puts it right.
        return False
