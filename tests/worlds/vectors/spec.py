"""What a world of embeddings is made of: its slides, technical effects, features and cell types."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sae_backend.errors import UserInputError
from tests.worlds.vectors.cells import CellType, Cellularity
from tests.worlds.vectors.features import FeatureSpec

FIVE_TYPES: Final = tuple(
    CellType(name, ((feature, 2.0),))
    for name, feature in zip(
        ("cancer", "lymphocyte", "plasma cell", "fibroblast", "macrophage"), (2, 5, 8, 11, 14), strict=True
    )
)
"""Five types, each driven by one feature."""


@dataclass(frozen=True)
class SlideSpec:
    """Slides of a world.

    Attributes
    ----------
    n_slides
        Their number; slide k is the same however many there are.
    tiles
        Least and most tiles of a slide, drawn evenly. They fill a square row by row.
    slides_per_patient
        Slides that follow each other and are of one patient.
    n_sites, n_scanners
        A site is drawn for each patient and a scanner for each slide, evenly.
    site_decides_scanner
        The scanner is then `site % n_scanners`; `n_sites` must be a multiple of `n_scanners`.
    smoothness_tiles
        Sigma in tiles of the Gaussian that makes neighbouring tiles alike; 0 for independent ones.
    tile_um
        Step of the grid in um.
    """

    n_slides: int = 20
    tiles: tuple[int, int] = (200, 200)
    slides_per_patient: int = 1
    n_sites: int = 2
    n_scanners: int = 2
    site_decides_scanner: bool = False
    smoothness_tiles: float = 0.0
    tile_um: float = 112.0


@dataclass(frozen=True)
class NuisanceSpec:
    """What embeddings hold besides features; each weight is a length in the embedding.

    Attributes
    ----------
    scanner_weight
        Distance of every scanner from the mean of all; scanners form a regular simplex.
    stain_weight
        Standard deviation, over slides, along one stain direction.
    slide_weight
        Root mean square length of a random intercept of each slide.
    noise_sigma
        Standard deviation of independent noise in each dimension.
    """

    scanner_weight: float = 0.0
    stain_weight: float = 0.0
    slide_weight: float = 0.0
    noise_sigma: float = 0.05


@dataclass(frozen=True)
class VectorWorldSpec:
    """Everything that decides a world.

    Attributes
    ----------
    seed
        The same spec and seed give the same bytes with the same numpy and scipy.
    width
        Dimensions of the embedding, d.
    features, slides, nuisance
        The planted features, the slides, the technical effects.
    cell_types, cellularity
        What the counts follow. They change no vector.
    null
        Counts follow other tissue of the same law (with slide effects and smoothness, but drawn
        independently), so that they are independent of the vectors.
    """

    seed: int = 0
    width: int = 384
    features: FeatureSpec = field(default_factory=FeatureSpec)
    slides: SlideSpec = field(default_factory=SlideSpec)
    nuisance: NuisanceSpec = field(default_factory=NuisanceSpec)
    cell_types: tuple[CellType, ...] = FIVE_TYPES
    cellularity: Cellularity | None = None
    null: bool = False

    def __post_init__(self) -> None:
        slides = self.slides
        shared = self.cellularity.drivers if self.cellularity else ()
        drivers = [f for kind in self.cell_types for f, _ in kind.drivers] + [f for f, _ in shared]
        wrong = {
            "width": self.width < slides.n_scanners,
            "tiles": not 0 <= slides.tiles[0] <= slides.tiles[1],
            "number of slides": slides.n_slides < 0 or slides.slides_per_patient < 1,
            "number of sites": min(slides.n_sites, slides.n_scanners) < 1
            or (slides.site_decides_scanner and slides.n_sites % slides.n_scanners != 0),
            "smoothness": slides.smoothness_tiles < 0,
            "cell types": any(not 0 <= f < self.features.n_features for f in drivers),
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                raise UserInputError(
                    f"The {name} of the vector world makes no sense.", "Leave it away for the default."
                )
