"""What a study is given: slides, and what one or more autoencoders see of their tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sae_backend.errors import MismatchError, UserInputError
from sae_backend.statistics.slide_parts import SlidePart
from sae_backend.statistics.split import Halves

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
Change = Callable[[Pixels], Pixels]
"""Takes tiles, uint8 RGB (n, h, w, 3), and gives as many of the same size."""


@dataclass(frozen=True)
class StudySlide:
    """A slide and what is known of its N tiles.

    Attributes
    ----------
    name
        As the project shows it; no two are alike.
    patient
        Whose it is, empty where unknown.
    facts
        What the slide table says of it, such as `site`, `scanner`, `organ`.
    rows, cols
        Places on the tile grid, int32 (N,).
    tile_um
        Step of the grid in um.
    counts
        Cells of each type, float64 (N, C), NaN where unknown.
    where
        Where its pixels are: `path`, `mpp` (None where the file says it), `fingerprint`. Empty in a test.
    """

    name: str
    patient: str
    facts: Mapping[str, str]
    rows: npt.NDArray[np.int32]
    cols: npt.NDArray[np.int32]
    tile_um: float
    counts: Floats
    where: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_tiles(self) -> int:
        """Number of tiles, N, usable or not."""
        return int(self.rows.size)

    @property
    def unit(self) -> str:
        """What is independent of others: the patient, or the slide where that is unknown."""
        return self.patient or self.name


@dataclass(frozen=True)
class FeatureSet:
    """What one autoencoder sees of every slide.

    Attributes
    ----------
    title
        Its name in figures, such as `block 6` or `seed 2`.
    features
        Activations of each slide, sparse float32 (N, F).
    valid
        Which tiles have activations, bool (N,) each.
    vectors
        Embeddings of each slide (N, d), None where they were deleted.
    decoder
        Directions of the features, float32 (F, d), None where unknown.
    offset
        The vector that stands for no feature at all, float32 (d,); None with `decoder`.
    model
        Plain JSON: `sae_digest`, `sae_dir`, `encoder`, `encoder_digest`, `layer`, `pooling`, `is_control`,
        `weights`, `training` and `metrics` of the SAE's card, where known.
    """

    title: str
    features: Sequence[sparse.csc_array]
    valid: Sequence[npt.NDArray[np.bool_]]
    vectors: Sequence[npt.NDArray[Any] | None]
    decoder: npt.NDArray[np.float32] | None = None
    offset: npt.NDArray[np.float32] | None = None
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_features(self) -> int:
        """Number of features, F."""
        return int(self.features[0].shape[1])


class Reencode(Protocol):
    """Shows tiles to the encoder and the autoencoder of the first set once more, with other pixels."""

    def __call__(
        self, slide: int, tiles: npt.NDArray[np.int64], change: Change
    ) -> tuple[sparse.csr_array, npt.NDArray[np.float32]]:
        """Activations (n, F) and vectors (n, d) of some tiles of slide number `slide` after a change.

        Raises
        ------
        SparsescopeError
            When slide, encoder or autoencoder cannot be read, or are not those of the analysis.
        """


@dataclass(frozen=True)
class StudyInput:
    """Everything that a study looks at.

    Attributes
    ----------
    slides
        In a fixed order, which that of each set follows.
    sets
        One for each autoencoder; the first is the project's current one unless the study says otherwise.
    type_names
        Names of the C columns of the counts.
    halves
        Who chooses and who reports; None where too little is there to hold half of it out.
    reencode
        How tiles are encoded again; None where pixels or weights are not at hand.
    not_reencoded
        Then a sentence that says what is missing.
    """

    slides: Sequence[StudySlide]
    sets: Sequence[FeatureSet]
    type_names: Sequence[str]
    halves: Halves | None = None
    reencode: Reencode | None = None
    not_reencoded: str = ""

    def __post_init__(self) -> None:
        if not self.slides or not self.sets:
            raise UserInputError("A study needs analysed slides.", "Analyse slides with one SAE first.")
        for some in self.sets:
            for slide, features, valid in zip(self.slides, some.features, some.valid, strict=True):
                if features.shape[0] != slide.n_tiles or len(valid) != slide.n_tiles:
                    raise MismatchError(
                        f"{some.title} and {slide.name} differ in the number of tiles.",
                        "Analyse all slides with one tile size.",
                    )

    def parts(self, number: int = 0, slides: Sequence[int] | None = None) -> list[SlidePart]:
        """Slides as the correlations take them, with the features of one set.

        Parameters
        ----------
        number
            Of the set.
        slides
            Numbers of the slides; None for all.
        """
        some = self.sets[number]
        chosen = range(len(self.slides)) if slides is None else slides
        return [
            SlidePart(
                features=some.features[k],
                counts=self.slides[k].counts,
                valid=some.valid[k],
                rows=self.slides[k].rows,
                cols=self.slides[k].cols,
                tile_um=self.slides[k].tile_um,
                slide=self.slides[k].name,
                patient=self.slides[k].patient,
                facts=self.slides[k].facts,
                vectors=some.vectors[k],
            )
            for k in chosen
        ]

    def fact(self, key: str) -> list[str]:
        """Value of a column of the slide table for each slide, empty where it has none; case does not matter."""
        wanted = key.casefold()
        return [
            next((text for name, text in slide.facts.items() if name.casefold() == wanted), "")
            for slide in self.slides
        ]
