"""Domains: kinds of tissue and laboratory. A slide of one domain looks like others of it, more or less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sae_backend.synthetic.stains import Stain

REGIONS: Final = ("stroma", "plasma stroma", "tumour", "gland", "necrosis", "lymphoid aggregate", "fat")
"""What tissue is made of; the first is what is left where no other is. Off the section lies glass."""


@dataclass(frozen=True)
class Domain:
    """What the slides of a domain have in common.

    Attributes
    ----------
    name
        Its name.
    prevalence
        Typical share of the section that each of `REGIONS` but the first wants. Slides vary about it.
    grain_um
        Typical size (um) of the patches of those regions.
    stain
        The laboratory's dyes.
    cell_scale
        Factor on the size of all cells.
    gland_um
        Typical radius of a gland's lumen in um.
    """

    name: str
    prevalence: tuple[float, float, float, float, float, float]
    grain_um: tuple[float, float, float, float, float, float]
    stain: Stain
    cell_scale: float
    gland_um: float


DOMAINS: Final = {
    domain.name: domain
    for domain in (
        Domain(
            "first",
            prevalence=(0.16, 0.26, 0.14, 0.10, 0.09, 0.10),
            grain_um=(150.0, 170.0, 200.0, 140.0, 110.0, 210.0),
            stain=Stain(),
            cell_scale=1.0,
            gland_um=26.0,
        ),
        Domain(
            "second",
            prevalence=(0.11, 0.14, 0.32, 0.06, 0.06, 0.20),
            grain_um=(130.0, 120.0, 260.0, 110.0, 90.0, 260.0),
            stain=Stain(haematoxylin=(0.50, 0.77, 0.40), eosin=(0.05, 0.86, 0.50)),
            cell_scale=1.12,
            gland_um=34.0,
        ),
    )
}
"""The domains there are, by name."""
