"""Write the cards that people read from what was measured: ``python -m sae_backend.compute.pretrain.cards``."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path
from typing import Any

from sae_backend.atomic_write import write_text_atomic
from sae_backend.models.sae_weights import read_sae_config

_NAMES = (
    "SAE feature",
    "random weights, SAE feature",
    "raw dimension",
    "principal component",
    "colour statistic",
)


def _rows(resources: Path) -> list[dict[str, str]]:
    with (resources / "scoreboard" / "scoreboard.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _r(row: dict[str, str]) -> str:
    if not row["r"]:
        return "not measurable"
    ends = f" [{float(row['ci_low']):+.2f}, {float(row['ci_high']):+.2f}]" if row["ci_low"] else ""
    return f"{float(row['r']):+.2f}{ends}"


def score_table(resources: Path) -> str:
    """The scoreboard's cell types as a Markdown table, with n and method."""
    rows = [row for row in _rows(resources) if row["kind"] == "cell type"]
    by = {(row["target"], row["representation"]): row for row in rows}
    lines = ["| cell type | " + " | ".join(_NAMES) + " |", "|---" * (len(_NAMES) + 1) + "|"]
    for target in dict.fromkeys(row["target"] for row in rows):
        lines.append(f"| {target} | " + " | ".join(_r(by[target, name]) for name in _NAMES) + " |")
    lines.append("")
    lines.append(
        f"Pearson r of the best single column over {int(rows[0]['n_tiles']):,} tiles of {rows[0]['n_slides']} held-out "
        "generated slides, 95 % interval from drawing slides; columns were chosen on other slides."
    )
    return "\n".join(lines)


def encoder_card(resources: Path) -> str:
    """The encoder's card."""
    record: dict[str, Any] = json.loads(
        (resources / "encoders" / "small-vit" / "card.json").read_text(encoding="utf-8")
    )
    recipe, log = record["training"]["recipe"], record["log"]
    steps = [
        f"| {line['step']:,} | {line['whole']:.2f} | {line['token']:.2f} | {line['whole_right']:.2f} | {line['token_right']:.2f} |"
        for line in log[:: max(1, len(log) // 9)]
    ]
    return "\n".join(
        [
            "# sparsescope:small-vit",
            "",
            "A small vision transformer (12 blocks, width 160, 8 x 8 tokens of 28 px; input 224 px at 0.5 um/px; a tile's vector",
            "is the mean of its tokens). It shows how the program works. **It has never seen real tissue**: do not use it to",
            "conclude anything about any.",
            "",
            f"- **Data**: {record['data']}.",
            f"- **Training**: self-supervised, {record['training']['steps']:,} steps of {recipe['batch']} pieces seen twice, "
            f"seed {recipe['seed']}, {record['training']['seconds'] / 60:.0f} minutes on two cores that were also used "
            f"otherwise, PyTorch {record['torch']}.",
            f"- **Loss**: {record['loss']}.",
            "- **Recipe**: `make models`; all settings are in `card.json`.",
            f"- **Licence**: {record['licence']}, like the program.",
            "",
            "## The log in short",
            "",
            "| step | loss of looks | loss of tokens | right partner first | same group |",
            "|---|---|---|---|---|",
            *steps,
            "",
            "## Scores",
            "",
            score_table(resources),
            "",
            "Artefacts, scanners and the null worlds: `scoreboard.txt` in `resources/scoreboard`.",
            "",
        ]
    )


def sae_card(resources: Path, name: str, encoder: str) -> str:
    """An autoencoder's card."""
    card = read_sae_config(resources / "saes" / name)
    metrics, training = card.metrics, card.training
    return "\n".join(
        [
            f"# The autoencoder of {encoder}",
            "",
            f"The paper's form (ReLU, x{training['expansion']}): {card.d_in} dimensions, {card.n_features:,} features, on the "
            "mean of the last block's tokens.",
            "",
            f"- **Data**: {metrics['n_train_tiles']:,} tiles of generated slides to learn from, {metrics['n_held_out_tiles']:,} held "
            f"out ({metrics['held_out_unit']}).",
            f"- **Input**: {card.normalisation['kind']}; folded into the weights.",
            f"- **Training**: {training['n_steps']:,} steps, lambda {training['l1']:.3g}, seed {training['seed']}; defaults are ours, not "
            "the paper's.",
            f"- **Held out**: explained variance {metrics['explained_variance']:.3f}, L0 {metrics['l0']:.1f}; features that never "
            f"fired there {metrics['dead_never_fired_on_held_out']:.1%}.",
            "- **Licence**: BSD-3-Clause, like the program.",
            "",
        ]
    )


def main() -> None:
    """Write the cards of the encoder and of both autoencoders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=Path, required=True)
    resources = parser.parse_args().resources
    write_text_atomic(resources / "encoders" / "small-vit" / "README.md", encoder_card(resources))
    for name, encoder in (
        ("small-vit", "sparsescope:small-vit"),
        ("random-small-vit", "control:random-small-vit"),
    ):
        write_text_atomic(resources / "saes" / name / "README.md", sae_card(resources, name, encoder))


if __name__ == "__main__":
    main()
