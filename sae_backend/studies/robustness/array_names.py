"""Names under which the study of scanner and stain keeps what it found."""

from __future__ import annotations

from typing import Final

FEATURES, BIOLOGY, MATCHED, REST = "features", "biology", "matched", "rest"
RAW, PCA, CONTROL = "raw", "pca", "control"

SOURCES: Final = {
    FEATURES: "all SAE features",
    BIOLOGY: "features that follow cells",
    MATCHED: "as many others that fire as often",
    REST: "all other features",
    RAW: "raw dimensions",
    PCA: "principal components",
    CONTROL: "SAE of a random encoder",
}
"""Where a label is read from."""

BASELINES: Final = (MATCHED, RAW, PCA, CONTROL)

SCORES: Final = (
    "auroc", "ci_low", "ci_high", "null_low", "null_high", "p",
    "slide_auroc", "slide_ci_low", "slide_ci_high", "slide_p",
)  # fmt: skip
INDEX_FIELDS: Final = ("value", "low", "high", "chance", "n_same_class", "n_same_scanner")
EFFECT_FIELDS: Final = ("eta2", "omega2", "difference", "auroc", "p", "p_family", "q", "means")
RAW_EFFECT_FIELDS: Final = ("omega2", "p_family")
