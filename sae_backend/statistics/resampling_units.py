"""The units that are resampled: patients, slides, or square blocks of tiles where both are few.

Neighbouring tiles look alike, so tiles are not independent and must not be shuffled one by one; and
two slides of one patient share what is the patient's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.errors import UserInputError

Ints = npt.NDArray[np.int64]

MIN_RESAMPLING_UNITS: Final = 5
"""With fewer units there is neither an interval nor a p."""

MAX_SHARE: Final = 0.8
"""Where one unit holds more of the tiles there is neither an interval nor a p: all rests on one unit.

With 97 % in one of 10 slides, exchanging slides claimed 18 % at a level of 5 %; with 70 % it claimed 4 to 8 %.
"""

KINDS: Final = ("auto", "patient", "slide", "block")

_MAX_ALONE: Final = 0.1
_WANTED_BLOCKS: Final = 8


@dataclass(frozen=True)
class TilePlaces:
    """Where the usable tiles of one slide lie.

    Grid `rows`, `cols` (N,), the grid's step in um, and the patient, empty where unknown.
    """

    rows: Ints
    cols: Ints
    tile_um: float
    patient: str = ""


@dataclass(frozen=True)
class Clusters:
    """Tiles sorted into units, and within a unit into slides.

    Attributes
    ----------
    order
        Tile numbers (N,), counted through all slides in turn, unit by unit.
    sizes
        Tiles in each unit (K,).
    stratum
        Units are drawn again only within the same stratum (K,), sorted: one for all patients or
        slides, or the slide of each block.
    segment_sizes, segment_cluster, segment_slide
        A segment is what one unit holds of one slide: its tiles (S,), unit (S,) and slide (S,).
    kind
        `patient`, `slide` or `block`.
    unit
        What a unit is, in words.
    notes
        What the choice of the unit means for the reader.
    """

    order: Ints
    sizes: Ints
    stratum: Ints
    segment_sizes: Ints
    segment_cluster: Ints
    segment_slide: Ints
    kind: str
    unit: str
    notes: tuple[str, ...]

    @property
    def n_clusters(self) -> int:
        """Number of units, K."""
        return int(self.sizes.size)

    @property
    def n_slides(self) -> int:
        """Number of slides with tiles."""
        return int(np.unique(self.segment_slide).size)

    @property
    def largest_share(self) -> float:
        """Share of the tiles that the largest unit holds."""
        return float(self.sizes.max(initial=0) / max(self.sizes.sum(), 1))

    @property
    def alone_share(self) -> float:
        """Share of the tiles in units that are the only one of their stratum, which no draw can replace."""
        n_of_stratum = np.bincount(self.stratum, minlength=1)
        alone = n_of_stratum[self.stratum] == 1
        return float(self.sizes[alone].sum() / max(self.sizes.sum(), 1))

    @property
    def can_judge(self) -> bool:
        """Whether there are enough units for an interval and p, none holds nearly all tiles, and draws vary."""
        enough = self.n_clusters >= MIN_RESAMPLING_UNITS and self.largest_share <= MAX_SHARE
        return enough and self.alone_share <= _MAX_ALONE


def form_clusters(slides: Sequence[TilePlaces], block_um: float, kind: str = "auto") -> Clusters:
    """Choose the unit and sort the tiles into it.

    Parameters
    ----------
    slides
        The slides; the number of a slide is its place here.
    block_um
        Edge of a block in um.
    kind
        `patient`, `slide` or `block`; `auto` takes patients where any is known, else slides, and
        blocks where these are fewer than 5 or one holds nearly all tiles. Blocks are made smaller in whole tiles until there are
        8 of them, if the tiles allow it.

    Raises
    ------
    UserInputError
        For another kind, or patients where none is known.
    """
    if kind not in KINDS:
        raise UserInputError(f"There is no unit called {kind!r}.", f"Use one of {', '.join(KINDS)}.")
    known = any(slide.patient for slide in slides)
    if kind == "patient" and not known:
        raise UserInputError(
            "No slide names its patient, so patients cannot be the unit.",
            "Import a slide table with a column for the patient (Slide > Import slide table).",
        )
    unit_of_slide = _patients(slides) if known and kind != "slide" else np.arange(len(slides))
    name = "patient" if known and kind != "slide" else "slide"
    n_filled = len({int(unit_of_slide[i]) for i, slide in enumerate(slides) if slide.rows.size})
    slide_of_tile = np.repeat(np.arange(len(slides)), [slide.rows.size for slide in slides])
    share = _largest_share(slides, unit_of_slide)
    if kind == "block" or (kind == "auto" and (n_filled < MIN_RESAMPLING_UNITS or share > MAX_SHARE)):
        words = f"{n_filled} {name}{'s' * (n_filled != 1)}"
        few = (
            f"Only {words}: blocks"
            if n_filled < MIN_RESAMPLING_UNITS
            else f"Blocks, although there are {words},"
        )
        if kind == "auto" and n_filled >= MIN_RESAMPLING_UNITS:
            few = f"One of the {words} holds {share:.0%} of the tiles: blocks"
        return _block_clusters(slides, slide_of_tile, block_um, few)
    unit_of_tile = unit_of_slide[slide_of_tile]
    notes = []
    n_without = sum(not slide.patient and slide.rows.size > 0 for slide in slides)
    if name == "patient" and n_without:
        notes.append(f"{n_without} slides name no patient; each of them counts as a patient of its own.")
    elif name == "slide" and known:
        notes.append(
            "Slides are the unit although patients are known: slides of one patient are not independent."
        )
    return _sorted(unit_of_tile, slide_of_tile, name, name, notes, one_stratum=True)


def _largest_share(slides: Sequence[TilePlaces], unit_of_slide: Ints) -> float:
    """Share of all tiles that the largest unit holds."""
    sizes = np.bincount(unit_of_slide, [slide.rows.size for slide in slides])
    return float(sizes.max(initial=0) / max(sizes.sum(), 1))


def _patients(slides: Sequence[TilePlaces]) -> Ints:
    """Number of each slide's patient, counted in the order in which they come; unknown ones are apart."""
    keys = [slide.patient or f"\0{i}" for i, slide in enumerate(slides)]
    number = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([number[key] for key in keys], np.int64)


def _sorted(
    unit_of_tile: Ints,
    slide_of_tile: Ints,
    kind: str,
    unit: str,
    notes: Sequence[str],
    *,
    one_stratum: bool,
) -> Clusters:
    order = np.lexsort((slide_of_tile, unit_of_tile)).astype(np.int64)
    unit_sorted, slide_sorted = unit_of_tile[order], slide_of_tile[order]
    _, first, unit_index, sizes = np.unique(
        unit_sorted, return_index=True, return_inverse=True, return_counts=True
    )
    starts = np.ones(order.size, bool)
    starts[1:] = (np.diff(unit_sorted) != 0) | (np.diff(slide_sorted) != 0)
    begin = np.flatnonzero(starts)
    return Clusters(
        order=order,
        sizes=sizes.astype(np.int64),
        stratum=np.zeros(sizes.size, np.int64) if one_stratum else slide_sorted[first].astype(np.int64),
        segment_sizes=np.diff(np.append(begin, order.size)).astype(np.int64),
        segment_cluster=unit_index[begin].astype(np.int64),
        segment_slide=slide_sorted[begin].astype(np.int64),
        kind=kind,
        unit=unit,
        notes=tuple(notes),
    )


def _block_clusters(slides: Sequence[TilePlaces], slide_of_tile: Ints, block_um: float, few: str) -> Clusters:
    wanted = [_edge_tiles(slide, block_um) for slide in slides]
    edges = wanted
    for limit in range(max(wanted, default=1), 0, -1):
        edges = [min(edge, limit) for edge in wanted]
        if len(np.unique(_labels(slides, edges))) >= _WANTED_BLOCKS:
            break
    edge_um = [e * slide.tile_um for e, slide in zip(edges, slides, strict=True) if slide.rows.size]
    unit = f"block of {_mm(edge_um)} mm" if edge_um else "block"
    notes = []
    if edge_um:
        notes.append(f"{few} stand in for them, so nothing is shown about other slides or patients.")
    if edges != wanted:
        notes.append(
            f"Blocks of {block_um / 1000:g} mm were too few; at {_mm(edge_um)} mm neighbouring blocks may be alike, "
            "and the intervals too narrow."
        )
    return _sorted(_labels(slides, edges), slide_of_tile, "block", unit, notes, one_stratum=False)


def _mm(edges_um: Sequence[float]) -> str:
    low, high = min(edges_um) / 1000, max(edges_um) / 1000
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"


def _edge_tiles(slide: TilePlaces, block_um: float) -> int:
    if not slide.rows.size:
        return 1
    # An edge beyond the slide's own extent changes nothing, so it need not be tried.
    extent = int(max(np.ptp(slide.rows), np.ptp(slide.cols))) + 1
    return max(1, min(int(block_um / slide.tile_um + 1e-9), extent))


def _labels(slides: Sequence[TilePlaces], edges: Sequence[int]) -> Ints:
    """Block number of each tile; blocks of a slide are numbered in a row and slides follow in turn."""
    labels = [np.empty(0, np.int64)]
    offset = 0
    for slide, edge in zip(slides, edges, strict=True):
        if not slide.rows.size:
            continue
        row, col = (slide.rows - slide.rows.min()) // edge, (slide.cols - slide.cols.min()) // edge
        label = row * (int(col.max()) + 1) + col + offset
        labels.append(label)
        offset = int(label.max()) + 1
    return np.concatenate(labels)
