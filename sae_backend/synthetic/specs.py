"""What a generated slide is to be, and cohorts of them: patients, sites, scanners, domains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np

from sae_backend.errors import UserInputError
from sae_backend.synthetic.artefacts import ARTEFACTS
from sae_backend.synthetic.domains import DOMAINS
from sae_backend.synthetic.scanners import SCANNERS
from sae_backend.synthetic.stains import Stain

WORLD_VERSION: Final = 2
"""Raised when the same seed would no longer give the same pixels."""

MIN_SIZE_PX: Final = 512
_SITES: Final = ("Northfield", "Eastbrook", "Southmere", "Westhaven")


@dataclass(frozen=True)
class SlideSpec:
    """A slide to be drawn; the same values give the same bytes.

    Attributes
    ----------
    name
        Stem of its files.
    seed
        Decides the tissue: layout and cells.
    size_px
        (height, width) in px of 0.5 um.
    patient, site
        Whose it is and where it was made.
    domain, scanner
        Names in `DOMAINS` and `SCANNERS`.
    stain
        Dyes of this slide.
    prevalence
        Wished share of each region but stroma; None is the domain's own.
    artefacts
        Kinds that lie on it.
    null_seed
        Where given, the cells on record are those of this other tissue: counts say nothing about the image.
    """

    name: str
    seed: int
    size_px: tuple[int, int] = (3000, 4000)
    patient: str = "P01"
    site: str = _SITES[0]
    domain: str = "first"
    scanner: str = "Argus"
    stain: Stain = field(default_factory=Stain)
    prevalence: tuple[float, ...] | None = None
    artefacts: tuple[str, ...] = ()
    null_seed: int | None = None

    def check(self) -> None:
        """Refuse what cannot be drawn.

        Raises
        ------
        UserInputError
            When the slide is too small, or a name or a share makes no sense.
        """
        if min(self.size_px) < MIN_SIZE_PX:
            raise UserInputError(
                f"A generated slide of {self.size_px[0]} x {self.size_px[1]} px is too small.",
                f"Give at least {MIN_SIZE_PX} x {MIN_SIZE_PX} px.",
            )
        for what, name, known in (
            ("domain", self.domain, tuple(DOMAINS)),
            ("scanner", self.scanner, tuple(SCANNERS)),
            *(("artefact", kind, ARTEFACTS) for kind in self.artefacts),
        ):
            if name not in known:
                raise UserInputError(f"There is no {what} {name!r}.", f"Choose one of {', '.join(known)}.")
        if self.prevalence is not None and (
            len(self.prevalence) != 6 or not all(0 <= share < 1 for share in self.prevalence)
        ):
            raise UserInputError("The prevalence makes no sense.", "Give six shares from 0 to below 1.")

    def to_json(self) -> dict[str, Any]:
        """The values as JSON can hold them."""
        return {**asdict(self), "world_version": WORLD_VERSION}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> SlideSpec:
        """Rebuild a spec from :meth:`to_json`; lists become tuples again.

        Raises
        ------
        UserInputError
            When the record is of another version of the world, which draws other pixels.
        """
        values = _with_tuples(record)
        version = values.pop("world_version", WORLD_VERSION)
        if version != WORLD_VERSION:
            raise UserInputError(
                f"The slide was drawn by version {version} of the generator, and this is {WORLD_VERSION}.",
                "Draw it anew.",
            )
        stain = Stain(**_with_tuples(values.pop("stain")))
        return cls(**values, stain=stain)


def _with_tuples(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}


@dataclass(frozen=True)
class CohortSpec:
    """A cohort: `n_slides` slides of `size_px` (height, width), some a patient, from four sites.

    `domain` is that of all; `null` makes counts independent of the images; `artefact_share` is the
    share of slides that carry any artefact.
    """

    seed: int = 0
    n_slides: int = 20
    size_px: tuple[int, int] = (3000, 4000)
    domain: str = "first"
    artefact_share: float = 0.6
    slides_per_patient: int = 2
    null: bool = False


def cohort(spec: CohortSpec) -> tuple[SlideSpec, ...]:
    """Draw the slides of a cohort; slide k is the same however many there are.

    Every site has its own habits in staining and mostly one scanner; prevalences, strengths of the
    dyes and artefacts vary from slide to slide.
    """
    return tuple(_slide(spec, k) for k in range(spec.n_slides))


def paired_scans(slide: SlideSpec) -> tuple[SlideSpec, ...]:
    """Take the same glass under every scanner; tissue, cells and artefacts stay in place."""
    return tuple(replace(slide, name=f"{slide.name}-{name.lower()}", scanner=name) for name in SCANNERS)


def _slide(spec: CohortSpec, k: int) -> SlideSpec:
    domain = DOMAINS[spec.domain]
    patient, salt = k // spec.slides_per_patient, 0 if spec.domain == "first" else 1
    of_patient = np.random.Generator(np.random.Philox([spec.seed, salt, 1, patient]))
    site = int(of_patient.integers(len(_SITES)))
    tilt = of_patient.normal(0, 0.35, 6)
    rng = np.random.Generator(np.random.Philox([spec.seed, salt, 2, k]))
    scanners = tuple(SCANNERS)
    scanner = scanners[site] if rng.uniform() < 0.7 else scanners[int(rng.integers(len(scanners)))]
    share = np.asarray(domain.prevalence) * np.exp(tilt + rng.normal(0, 0.30, 6))
    share *= min(1.0, 0.9 / float(share.sum()))
    habits = np.random.Generator(np.random.Philox([spec.seed, salt, 3, site]))
    hue = habits.normal(0, 0.035, (2, 3)) + rng.normal(0, 0.018, (2, 3))
    strength = np.exp(habits.normal(0, 0.12, 2) + rng.normal(0, 0.17, 2))
    dyes = np.clip(np.array([domain.stain.haematoxylin, domain.stain.eosin]) + hue, 0.02, 1)
    stain = Stain(
        (float(dyes[0, 0]), float(dyes[0, 1]), float(dyes[0, 2])),
        (float(dyes[1, 0]), float(dyes[1, 1]), float(dyes[1, 2])),
        float(strength[0]),
        float(strength[1]),
    )
    marked = rng.uniform() < spec.artefact_share
    kinds = tuple(kind for kind in ARTEFACTS if marked and rng.uniform() < 0.45)
    return SlideSpec(
        name=f"slide-{k:03d}",
        seed=int(rng.integers(2**31)),
        size_px=spec.size_px,
        patient=f"P{patient:02d}",
        site=_SITES[site],
        domain=spec.domain,
        scanner=scanner,
        stain=stain,
        prevalence=tuple(float(value) for value in share),
        artefacts=kinds,
        null_seed=int(rng.integers(2**31)) if spec.null else None,
    )
