"""What a partial correlation holds fixed: one column of numbers for each covariate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError
from sae_backend.statistics.slide_parts import AssembledTiles, SlidePart

Floats = npt.NDArray[np.float64]

CELLULARITY: Final = "cellularity"
OTHER_TYPES: Final = "other types"
STAIN: Final = "stain"
TISSUE: Final = "tissue"
STAIN_MEASURES: Final = ("haematoxylin", "eosin")
GENERAL: Final = (CELLULARITY, OTHER_TYPES, STAIN, TISSUE)
"""Covariates that need no slide table; any column of one, such as site, scanner or organ, is one too."""

_MAX_CATEGORIES: Final = 60


@dataclass(frozen=True)
class Design:
    """Covariates of all tiles.

    `columns` float64 (N, Q) have mean 0 and variance 1. `names` are the covariates that vary, and
    `categories` those of them that are facts of whole slides; neither tells what any slide's fact is.
    With `other_types` every other cell type of the table is held fixed as well.
    """

    columns: Floats
    names: tuple[str, ...]
    categories: tuple[str, ...]
    other_types: bool
    notes: tuple[str, ...]


def available(parts: Sequence[SlidePart]) -> tuple[str, ...]:
    """Names of all covariates that the parts have values for."""
    names = [CELLULARITY, OTHER_TYPES]
    measures = set.intersection(*(set(part.measures) for part in parts)) if parts else set()
    if measures.issuperset(STAIN_MEASURES):
        names.append(STAIN)
    names += sorted(measures - set(STAIN_MEASURES))
    facts = sorted({key for part in parts for key, text in part.facts.items() if text})
    return tuple(dict.fromkeys([*names, *facts]))


def design(tiles: AssembledTiles, names: Sequence[str], is_count: npt.NDArray[np.bool_]) -> Design:
    """Columns for the wanted covariates.

    Parameters
    ----------
    tiles
        The tiles, with their counts (N, C).
    names
        `cellularity` (all cells of a tile), `other types`, `stain` (haematoxylin and eosin), any
        measure of the tiles, or any fact of the slides, which is taken for a category.
    is_count
        Which targets are counts of cells (C,).

    Raises
    ------
    UserInputError
        When there is no such covariate, or a tile lacks it.
    """
    if OTHER_TYPES in names and CELLULARITY in names:
        raise UserInputError(
            "Cellularity and all other types cannot be held fixed together: they leave nothing of a type to follow.",
            "Choose one of the two covariates.",
        )
    kept: dict[str, Floats] = {}
    categories = []
    for name in dict.fromkeys(name for name in names if name != OTHER_TYPES):
        found, is_category = _columns_of(tiles, name, is_count)
        found = found - found.mean(axis=0) if len(found) else found[:, :0]
        deviation = np.sqrt((found**2).mean(axis=0)) if found.size else np.zeros(found.shape[1])
        varies = deviation > 1e-12
        if varies.any():
            kept[name] = found[:, varies] / deviation[varies]
            categories += [name] if is_category else []
    notes = []
    flat = [name for name in dict.fromkeys(names) if name != OTHER_TYPES and name not in kept]
    if flat:
        notes.append(f"Covariates that are the same in all tiles were left out: {', '.join(flat)}.")
    other_types = OTHER_TYPES in names
    if not kept and not other_types:
        notes.append("No covariate varies, so the partial correlation is Pearson's.")
    return Design(
        columns=np.concatenate([np.zeros((tiles.n_rows, 0)), *kept.values()], axis=1),
        names=(*kept, *([OTHER_TYPES] if other_types else [])),
        categories=tuple(categories),
        other_types=other_types,
        notes=tuple(notes),
    )


def _columns_of(tiles: AssembledTiles, name: str, is_count: npt.NDArray[np.bool_]) -> tuple[Floats, bool]:
    """Columns (N, q) of a covariate, and whether it is a category of slides."""
    if name == CELLULARITY and not all(CELLULARITY in part.measures for part in tiles.parts):
        total = [np.asarray(part.counts, np.float64)[:, is_count].sum(axis=1) for part in tiles.parts]
        return tiles.gather(total)[:, None], False
    wanted = STAIN_MEASURES if name == STAIN else (name,)
    if all(set(wanted) <= set(part.measures) for part in tiles.parts):
        return np.stack([_measure(tiles, measure) for measure in wanted], axis=1), False
    # A slide none of whose tiles is used has nothing to say.
    used = [part for part, keep in zip(tiles.parts, tiles.kept, strict=True) if keep.size]
    texts = [part.facts.get(name, "") for part in used]
    lacking = [part.slide for part, text in zip(used, texts, strict=True) if not text]
    if lacking:
        raise UserInputError(
            f"The covariate {name!r} is not known for {len(lacking)} of {len(texts)} slides, such as {lacking[0]}.",
            f"There are: {', '.join(dict.fromkeys([*available(tiles.parts), STAIN]))}. A slide table brings more.",
        )
    kinds = sorted(set(texts))
    if len(kinds) > _MAX_CATEGORIES:
        raise UserInputError(
            f"The covariate {name!r} has {len(kinds)} different values, too many to hold fixed.",
            "Choose one with fewer values, such as site, scanner or organ.",
        )
    # The first kind is where all others are zero.
    columns = [
        tiles.gather([np.full(part.n_tiles, float(part.facts.get(name) == kind)) for part in tiles.parts])
        for kind in kinds[1:]
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((tiles.n_rows, 0)), True


def _measure(tiles: AssembledTiles, name: str) -> Floats:
    values = tiles.gather([np.asarray(part.measures[name], np.float64) for part in tiles.parts])
    n_lacking = int((~np.isfinite(values)).sum())
    if n_lacking:
        raise UserInputError(
            f"The covariate {name!r} is not known for {n_lacking:,} of {values.size:,} tiles.",
            "Choose a covariate that every tile has.",
        )
    return values
