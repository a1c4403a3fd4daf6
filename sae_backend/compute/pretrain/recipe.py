"""The recipe of the shipped encoder: what is trained on what, for how long; resumable.

``python -m sae_backend.compute.pretrain --out FOLDER`` runs it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from sae_backend.atomic_write import disk_errors
from sae_backend.compute.encoders.small_vit import MEAN, PATCH_PX, STD, SmallVit, random_state
from sae_backend.compute.pretrain.contrast import Heads, Losses, LossSpec, losses
from sae_backend.compute.pretrain.views import Pieces, ViewSpec, look, pair_corners
from sae_backend.compute.sae.checkpoint import read_checkpoint, write_checkpoint
from sae_backend.errors import WeightsError
from sae_backend.models.cards import digest_of
from sae_backend.slides.slide import Slide
from sae_backend.slides.tissue import find_tissue
from sae_backend.synthetic.slide import draw_slide
from sae_backend.synthetic.specs import CohortSpec, cohort
from sae_backend.synthetic.truth_files import is_drawn

Say = Callable[[str], None]

_CHECKPOINT_SECONDS: Final = 120.0
_LOG_STEPS: Final = 25
_BRANCH: Final = 0.1


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights, but for the machine's arithmetic.

    Attributes
    ----------
    cohort
        The slides it learns from; they are drawn first.
    n_steps, batch
        Steps, and pieces a step; each piece is looked at twice.
    n_slides_a_step
        From how many slides the pieces of a step come.
    look_px, late_look_px
        Side of the looks, and that of the last tenth of the steps, on a third of the pieces.
    learning_rate, warm_up, weight_decay
        Of AdamW; the rate rises over the warm-up steps and falls to zero as a cosine.
    loss
        Settings of the losses.
    views
        How different two looks are.
    seed
        Of everything.
    """

    cohort: CohortSpec = field(
        default_factory=lambda: CohortSpec(seed=1000, n_slides=60, size_px=(3000, 4000))
    )
    n_steps: int = 4000
    batch: int = 64
    n_slides_a_step: int = 6
    look_px: int = 112
    late_look_px: int = 224
    learning_rate: float = 1.5e-3
    warm_up: int = 60
    weight_decay: float = 0.05
    loss: LossSpec = field(default_factory=LossSpec)
    views: ViewSpec = field(default_factory=ViewSpec)
    seed: int = 0

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        fall = 0.5 + 0.5 * math.cos(math.pi * step / self.n_steps)
        return self.learning_rate * min(1.0, (step + 1) / self.warm_up) * fall

    def looks(self, step: int) -> tuple[int, int]:
        """Side in px of the looks of a step, and how many pieces it takes."""
        if step < 0.9 * self.n_steps:
            return self.look_px, self.batch
        return self.late_look_px, max(2, self.batch // 3)


def draw_cohort(folder: Path, spec: CohortSpec, say: Say) -> list[Path]:
    """Draw the slides that are not there yet; returns all."""
    paths = []
    for slide in cohort(spec):
        path = folder / f"{slide.name}.tiff"
        if not is_drawn(folder, slide):
            path.with_suffix(".npy").unlink(missing_ok=True)  # what was unpacked of an older one
            draw_slide(folder, slide)
            say(f"drawn {path.name}")
        paths.append(path)
    return paths


def open_pieces(paths: list[Path]) -> Pieces:
    """Unpack slides beside themselves, once, and find their tissue."""
    slides: list[NDArray[np.uint8]] = []
    places: list[NDArray[np.int64]] = []
    for path in paths:
        unpacked = path.with_suffix(".npy")
        with Slide.open(path) as slide:
            if not unpacked.exists():
                info = slide.info
                beside = unpacked.with_suffix(".part.npy")
                np.save(beside, slide.read_region(0, 0, 0, info.height_px, info.width_px).rgb)
                beside.replace(unpacked)
            tissue = find_tissue(slide)
            step = np.array([slide.info.height_px, slide.info.width_px]) / tissue.mask.shape
        slides.append(np.load(unpacked, mmap_mode="r"))
        places.append(((np.argwhere(tissue.mask) + 0.5) * step).astype(np.int64))
    return Pieces(slides, places)


class Pretraining:
    """One run of a recipe.

    Parameters
    ----------
    recipe
        What to do.
    pieces
        Tissue to learn from.
    folder
        Where the checkpoint and the log go; a run of the same recipe goes on from there.
    """

    def __init__(self, recipe: Recipe, pieces: Pieces, folder: Path) -> None:
        self.recipe, self._pieces, self._folder = recipe, pieces, folder
        self.model, self._heads = SmallVit(), Heads(recipe.loss.n_groups)
        self.model.load_state_dict(random_state(recipe.seed + 1, _BRANCH))
        _seed_heads(self._heads, recipe.seed + 2)
        for block in self.model.blocks:
            # With so few tokens the plain products are quicker backwards than the fused kernel.
            block.attn.fused_attn = False
        self._trained = {
            f"{part}.{name}": value
            for part, module in (("model", self.model), ("heads", self._heads))
            for name, value in module.named_parameters()
            if value.requires_grad
        }
        self._adam = torch.optim.AdamW(
            list(self._trained.values()), lr=0.0, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
        )
        self.step = 0
        self.seconds = 0.0
        self._identity = digest_of(asdict(recipe))
        self._resume()

    def run(self, say: Say, until: int | None = None) -> None:
        """Take the steps that are left, or those up to `until`."""
        mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
        began, before, saved = time.monotonic(), self.seconds, time.monotonic()
        last = self.recipe.n_steps if until is None else min(until, self.recipe.n_steps)
        while self.step < last:
            found = self._take_step(mean, std)
            self.step += 1
            self.seconds = before + time.monotonic() - began
            if self.step % _LOG_STEPS == 0 or self.step == last:
                self._log(found, say)
            if time.monotonic() - saved > _CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
        self._save()

    def _take_step(self, mean: torch.Tensor, std: torch.Tensor) -> Losses:
        recipe = self.recipe
        # Every step has its own streams, so that a resumed run draws the same.
        rng = np.random.Generator(np.random.Philox([recipe.seed, 11, self.step]))
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + self.step)
        side, n = recipe.looks(self.step)
        views = recipe.views
        pieces = self._pieces.draw(rng, n, side + views.neighbour_px, recipe.n_slides_a_step)
        *corners, n_same = pair_corners(rng, n, views)
        first, second = (look(pieces, at, side, views, generator) for at in corners)
        pixels = (torch.cat([first.pixels, second.pixels]) - mean) / std
        slack = SmallVit.n_side() - side // PATCH_PX
        corner = (int(rng.integers(slack + 1)), int(rng.integers(slack + 1)))
        with torch.autocast("cpu", torch.bfloat16):
            found = losses(
                self.model, self._heads, pixels, torch.cat([first.source, second.source]), corner,
                n_same, recipe.loss,
            )  # fmt: skip
        loss = found.whole + recipe.loss.group_weight * found.token
        if not bool(loss.isfinite()):
            raise WeightsError("The training diverged.", "Start again with a lower learning rate.")
        self._adam.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(list(self._trained.values()), 1.0)
        for group in self._adam.param_groups:
            group["lr"] = recipe.rate(self.step)
        self._adam.step()
        return found

    def _log(self, found: Losses, say: Say) -> None:
        record = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "whole": round(found.whole.item(), 4),
            "token": round(found.token.item(), 4),
            "whole_right": round(found.whole_right, 4),
            "token_right": round(found.token_right, 4),
        }
        with disk_errors(self._folder), (self._folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        left = self.seconds / self.step * (self.recipe.n_steps - self.step)
        say(f"step {self.step} of {self.recipe.n_steps}, {left / 60:.0f} min left, {record}")

    @property
    def _checkpoint(self) -> Path:
        return self._folder / "checkpoint.safetensors"

    def _save(self) -> None:
        tensors: dict[str, torch.Tensor] = {}
        for part, module in (("model", self.model), ("heads", self._heads)):
            tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
        for name, parameter in self._trained.items():
            tensors |= {f"adam.{name}.{key}": value for key, value in self._adam.state[parameter].items()}
        record = {"identity": self._identity, "step": self.step, "seconds": self.seconds}
        write_checkpoint(self._checkpoint, tensors, record)

    def _resume(self) -> None:
        found = read_checkpoint(self._checkpoint, self._identity)
        if found is None:
            return
        tensors, record = found
        for part, module in (("model", self.model), ("heads", self._heads)):
            start = f"{part}."
            module.load_state_dict(
                {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
            )
        for name, parameter in self._trained.items():
            self._adam.state[parameter] = {
                key: tensors[f"adam.{name}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
            }
        step, seconds = record["step"], record["seconds"]
        assert isinstance(step, int) and isinstance(seconds, float | int)
        self.step, self.seconds = step, float(seconds)

    def save_weights(self, path: Path) -> None:
        """Write the encoder alone, in half precision, which halves the file."""
        state = {name: value.detach().half().contiguous() for name, value in self.model.state_dict().items()}
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            save_file(state, path)

    def summary(self) -> dict[str, Any]:
        """What a card says of the training."""
        return {"recipe": asdict(self.recipe), "steps": self.step, "seconds": round(self.seconds)}


def _seed_heads(heads: Heads, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in heads.named_parameters():
            if value.ndim == 2:
                value.copy_(torch.randn(value.shape, generator=generator) / math.sqrt(value.shape[1]))
            elif name.endswith("bias"):
                value.zero_()
