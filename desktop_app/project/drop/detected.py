"""What something turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Kind = Literal["slide", "cells", "regions", "autoencoder", "embeddings", "project", "annotations", "unknown"]

ANNOTATIONS_FORMAT: Final = "sparsescope-annotations"
"""What an exported file of annotations says of itself."""

WAY_OUT: Final = (
    "Drop a slide, a cell file (GeoJSON, CSV, TSV, Parquet), annotations (JSON), or a folder: a project, an "
    "autoencoder or embeddings."
)


@dataclass(frozen=True)
class DetectedFile:
    """What something is.

    Attributes
    ----------
    kind
        What the program does with it; `unknown` where it can do nothing.
    path
        What to open: of a file inside a project or an autoencoder's folder, that folder.
    words
        What it is, such as `a slide (Aperio)`; of something unknown a sentence that says why.
    hint
        The way out where it is unknown.
    """

    kind: Kind
    path: Path
    words: str
    hint: str = ""


def unknown(path: Path, sentence: str, hint: str = WAY_OUT) -> DetectedFile:
    """Say why nothing can be done with something, and the way out."""
    return DetectedFile("unknown", path, sentence, hint)
