"""The steps of the embedded demo, for the window and for the command line alike."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from desktop_app.project.analysis_jobs import AnalyzeOptions, import_cells
from desktop_app.store import Store
from sae_backend.errors import SparsescopeError
from sae_backend.models.bundled_models import SHIPPED_ENCODER, sae_folder, scoreboard_followers
from sae_backend.synthetic.specs import SlideSpec
from sae_backend.synthetic.truth_files import TruthFiles, truth_files
from sae_backend.synthetic.truth_files import is_drawn as slide_is_drawn

FIRST_TYPE: Final = "lymphocyte"
"""The demo opens on the feature that follows this type."""

AUTHOR: Final = "Sparsescope demo"

DEMO_SLIDE: Final = SlideSpec("demo", seed=20, size_px=(6000, 6000))


def demo_paths(out: Path) -> tuple[Path, TruthFiles]:
    """The slide of the demo and what is known about it."""
    return out / f"{DEMO_SLIDE.name}.tiff", truth_files(out, DEMO_SLIDE.name)


def is_drawn(out: Path) -> bool:
    """Whether the slide is there, whole, and the one that this version draws."""
    return slide_is_drawn(out, DEMO_SLIDE)


def open_project(out: Path) -> Store:
    """Open the demo's project, or make it."""
    project = out / "project"
    known = (project / "project.sqlite").exists()
    return Store.open(project) if known else Store.create(project)


def demo_options() -> AnalyzeOptions:
    """How the demo is analysed: the shipped encoder with the shipped autoencoder."""
    return AnalyzeOptions(encoder=SHIPPED_ENCODER, sae_dir=sae_folder(SHIPPED_ENCODER))


def name_followers(store: Store, sae_digest: str) -> None:
    """Name the features that the shipped scoreboard found, where nobody has said anything of them yet."""
    known = {note.feature for note in store.annotations.all(sae_digest)}
    user, store.author = store.author, AUTHOR
    try:
        for cell_type, found in scoreboard_followers().items():
            if found.feature in known:
                continue
            known.add(found.feature)
            store.annotations.set(
                sae_digest,
                found.feature,
                name=f"follows {cell_type}s",
                description=f"r {found.text} on {found.n_slides} held-out generated slides (scoreboard).",
                tags=("scoreboard",),
                status="draft",
            )
    finally:
        store.author = user


def give_cells(store: Store, slide_id: int, out: Path) -> None:
    """Give the slide its own cells, unless it has some."""
    if store.cells.get(slide_id) is None:
        import_cells(store, slide_id, demo_paths(out)[1].cells_table)


def first_feature() -> int | None:
    """The feature that the demo opens on."""
    try:
        found = scoreboard_followers().get(FIRST_TYPE)
    except SparsescopeError:
        return None
    return None if found is None else found.feature
