"""Draw one slide: section, stain, artefacts and scanner, block by block, with memory for one band."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from sae_backend.synthetic.artefacts import REACH_PX as ARTEFACT_REACH_PX
from sae_backend.synthetic.artefacts import Artefacts, place_artefacts
from sae_backend.synthetic.domains import DOMAINS
from sae_backend.synthetic.painting import Section, paint
from sae_backend.synthetic.placement import NO_TYPE, Objects, nuclei_of, place_holes, place_objects
from sae_backend.synthetic.regions import DEMO_MPP, lay_out
from sae_backend.synthetic.scanners import REACH_PX, SCANNERS
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.synthetic.sprites import CELL_TYPES, RECORDED_TYPES, sprite_bank
from sae_backend.synthetic.stains import transmit
from sae_backend.synthetic.textures import cut, textures

__all__ = ["CELL_TYPES", "DEMO_MPP", "RECORDED_TYPES", "Cells", "Drawing"]

BAND_PX: Final = 512
_BLOCK_PX: Final = 1024
_MARGIN_PX: Final = REACH_PX + ARTEFACT_REACH_PX


@dataclass(frozen=True)
class Cells:
    """M cells on record: centres of the nuclei and their ellipses in level-0 px, types, region.

    `y_l0`, `x_l0`, `major_px`, `minor_px` and `angle` (radians from the x axis) are float64 (M,);
    `type_index` is uint16 (M,) into `RECORDED_TYPES`; sorted by y.
    """

    y_l0: npt.NDArray[np.float64]
    x_l0: npt.NDArray[np.float64]
    major_px: npt.NDArray[np.float64]
    minor_px: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    type_index: npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Drawing:
    """A slide that can be drawn in any pieces; they always fit together.

    Attributes
    ----------
    spec
        What it is.
    """

    spec: SlideSpec

    def __post_init__(self) -> None:
        self.spec.check()

    @cached_property
    def section(self) -> Section:
        """The tissue."""
        return _section(self.spec, self.spec.seed)

    @cached_property
    def artefacts(self) -> Artefacts:
        """What lies on it."""
        rng = np.random.Generator(np.random.Philox([self.spec.seed, 5]))
        return place_artefacts(rng, self.section.layout.section.shape, self.spec.artefacts)

    @cached_property
    def cells(self) -> Cells:
        """The cells on record: those drawn, or, in a null world, those of another tissue."""
        if self.spec.null_seed is None:
            return _cells(self.section)
        return _cells(_section(self.spec, self.spec.null_seed))

    def block(self, y0: int, x0: int, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Pixels (height, width, 3) uint8 RGB of a block whose corner (y0, x0) is in level-0 px."""
        scanner = SCANNERS[self.spec.scanner]
        corner = (y0 - _MARGIN_PX, x0 - _MARGIN_PX)
        planes = paint(self.section, corner, (height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX))
        self.artefacts.fold(planes, corner)
        light = self.artefacts.on_light(transmit(planes, self.spec.stain), corner)
        inner = slice(ARTEFACT_REACH_PX, -ARTEFACT_REACH_PX)
        light = light[:, inner, inner]
        phase = self.section.phase
        sensor = cut(textures().sensor, y0 + phase[1], x0 + phase[0], (light.shape[1], light.shape[2]))
        return scanner.capture(light, sensor)

    def bands(self) -> Iterator[npt.NDArray[np.uint8]]:
        """The slide from top to bottom in bands of 512 px (the last may be lower), uint8 (h, width, 3)."""
        height, width = self.spec.size_px
        for top in range(0, height, BAND_PX):
            rows = min(BAND_PX, height - top)
            band = np.empty((rows, width, 3), np.uint8)
            for left in range(0, width, _BLOCK_PX):
                cols = min(_BLOCK_PX, width - left)
                band[:, left : left + cols] = self.block(top, left, rows, cols)
            yield band


def _section(spec: SlideSpec, seed: int) -> Section:
    domain = DOMAINS[spec.domain]
    prevalence = np.asarray(spec.prevalence or domain.prevalence, np.float64)
    layout = lay_out(np.random.Generator(np.random.Philox([seed, 1])), spec.size_px, domain, prevalence)
    holes_rng = np.random.Generator(np.random.Philox([seed, 2]))
    holes = place_holes(holes_rng, layout, domain.gland_um / DEMO_MPP)
    objects = place_objects([seed, 3], layout, holes, domain.cell_scale)
    phase = np.random.Generator(np.random.Philox([seed, 4])).integers(0, 10_000, 2)
    return Section(layout, objects, holes, sprite_bank(domain.cell_scale), (int(phase[0]), int(phase[1])))


def _cells(section: Section) -> Cells:
    objects: Objects = section.objects
    real = np.flatnonzero(objects.cell_type != NO_TYPE)
    kept = objects.take(real)
    major, minor, angle = nuclei_of(kept, section.bank).T
    # A picture is laid with its centre on the middle of a pixel.
    y, x = np.floor(kept.y) + 0.5, np.floor(kept.x) + 0.5
    return Cells(y, x, major, minor, angle, kept.cell_type.astype(np.uint16))
