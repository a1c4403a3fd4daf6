"""What the study of geometry is: its settings, what it needs, and what it gives."""

from __future__ import annotations

from typing import Final

from sae_backend.studies.framework.settings import MIN_ACTIVE, N_NULL, SEED, Setting, count, interval_draws
from sae_backend.studies.framework.study import RowKeys, Study


def _share(key: str, title: str, default: float, metavar: str, words: str, tip: str) -> Setting:
    return Setting(
        key=key, title=title, kind="share", default=default, high=1.0, metavar=metavar, help=words, tip=tip, is_more=True
    )  # fmt: skip


STUDY: Final = Study(
    kind="geometry",
    package="sae_backend.studies.geometry",
    title="Geometry",
    question="Which features belong together, and which are duplicates or splits of one another?",
    needs="Analysed slides with one SAE.",
    settings=(
        SEED,
        MIN_ACTIVE,
        N_NULL,
        count(
            "n_resamples", "Draws for stability", 30, 0, 10_000,
            "draws for stability: times that patients, or features, are drawn again",
            "Times that patients, or features, are drawn again.",
        ),
        interval_draws("n_boot", 1000),
        _share(
            "least_r", "Least likeness in a cluster", 0.1, "R",
            "least likeness in a cluster: no grouping below this mean r or cosine",
            "Features are not grouped below this mean r or cosine.",
        ),
        _share(
            "share", "Overlap of duplicates", 0.8, "SHARE",
            "overlap of duplicates: share of a feature's tiles in which the other fires",
            "Share of a feature's tiles in which the other has to fire, too.",
        ),
        _share(
            "same_cosine", "Cosine of the same direction", 0.9, "COSINE", "cosine of the same direction",
            "From here on two directions count as the same.",
        ),
        Setting(
            key="plane", title="Map", kind="choice", default="umap", metavar="umap|pca",
            choices=(("umap", "UMAP"), ("pca", "principal components")),
            help="how the map for the eye is laid out",
            tip="How features are laid out for the eye; clusters do not depend on it.", is_more=True,
        ),
    ),
    row_keys={
        "clusters-coactivation": RowKeys(("features",), 0),
        "clusters-directions": RowKeys(("features",), 0),
        "pairs": RowKeys(("rarer", "more frequent"), 0),
    },
    has_clusters=True,
)  # fmt: skip
