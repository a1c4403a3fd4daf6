"""Training of the paper's sparse autoencoder, resumable and the same for the same seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sae_backend.compute.sae.autoencoder import SparseAutoencoder
from sae_backend.compute.sae.checkpoint import read_checkpoint, write_checkpoint
from sae_backend.compute.sae.metrics import dead_shares, measure
from sae_backend.compute.sae.normalisation import centre_of, whitening_of
from sae_backend.compute.sae.relu import ReluAutoencoder
from sae_backend.compute.sae.schedule import Schedule
from sae_backend.compute.sae.split import Split, TrainPart, split_tiles
from sae_backend.errors import CancelledError, MismatchError, UserInputError, WeightsError
from sae_backend.models.cards import EncoderCard, SaeCard, digest_of

Progress = Callable[[str, int, int], None]
"""Called with the stage, the number done and the total."""

TARGET_L0 = 32.0
_L1_START = 2.0
_L1_REACH = 6.0  # the natural logarithm of lambda can move so far in a whole training
_IN_MEMORY_BYTES = 1 << 30
_CHECKPOINT_SECONDS = 10.0
_PARAMETERS = ("W_enc", "b_enc", "W_dec", "b_dec")


@dataclass(frozen=True)
class TrainSpec:
    """Hyper-parameters. The paper's own are not known to us, so the defaults are ours.

    Attributes
    ----------
    expansion
        Features per input dimension; 8 is the paper's.
    l1
        Lambda of the loss, for inputs scaled to a mean norm of sqrt(d). None starts at 2
        and lets the training steer it so that about 32 features fire in a training tile (fewer for
        inputs narrower than 128: a quarter of the width); it is fixed in the last fifth.
    epochs
        Passes over the training tiles. None gives about 3,000 steps, in at most 400 passes.
    seed
        Decides the split, the start and the order of the tiles.
    learning_rate
        Of Adam, after a warm-up of 5 % of the steps (at most 1,000); it falls to zero over the
        last fifth.
    batch_size
        Most tiles per step; fewer where there are fewer than eight such batches (at least 32).
    holdout_share
        Share of the tiles that is held out for the metrics.
    whiten
        Give all directions of the vectors the same weight first, so that rare and faint things are not lost
        beside loud ones. The loss is then not the paper's, which weighs directions by their spread.
    """

    expansion: int = 8
    l1: float | None = None
    epochs: int | None = None
    seed: int = 0
    learning_rate: float = 1e-3
    batch_size: int = 1024
    holdout_share: float = 0.1
    whiten: bool = False

    def check(self) -> None:
        """Raise `UserInputError` when a value makes no sense."""
        wrong = [
            name
            for name, fine in {
                "expansion": 1 <= self.expansion <= 256,
                "l1": self.l1 is None or 0.0 <= self.l1 < float("inf"),
                "epochs": self.epochs is None or self.epochs >= 1,
                "seed": self.seed >= 0,
                "learning_rate": 0.0 < self.learning_rate <= 1.0,
                "batch_size": self.batch_size >= 2,
            }.items()
            if not fine
        ]
        if wrong:
            raise UserInputError(
                f"The training's {wrong[0]} is {getattr(self, wrong[0])}, which makes no sense.",
                "Leave it away for the default.",
            )


@dataclass(frozen=True)
class TrainSource:
    """Where the vectors come from: the encoder, the tiles' mpp (um per px) and side (px), and their digest."""

    encoder: EncoderCard
    mpp: float | None = None
    tile_px: int | None = None
    tiles_digest: str | None = None


@dataclass(frozen=True)
class TrainRun:
    """How a training runs; only the device, and its number of threads, can change the result.

    Attributes
    ----------
    device
        Where to compute.
    progress
        Called after every step with (stage, done, total).
    cancelled
        Asked before every step; True stops the training with `CancelledError`.
    checkpoint
        File for the state, written every ten seconds and when cancelled. A training with the same
        data and settings goes on from it. It is left there: remove it once the result is saved.
    """

    device: torch.device | str = "cpu"
    progress: Progress | None = None
    cancelled: Callable[[], bool] | None = None
    checkpoint: Path | None = None


def train_sae(
    parts: Sequence[TrainPart], spec: TrainSpec, source: TrainSource, run: TrainRun | None = None
) -> tuple[SparseAutoencoder, SaeCard]:
    """Train the paper's ReLU autoencoder: `mean_i |x_i - x_hat_i|^2 + l1 * mean_i |f_i|_1`.

    Inputs are centred on their geometric median and scaled to a mean norm of sqrt(d), which is
    folded into the weights of the result, so that it takes embeddings as they are. Decoder rows
    keep unit norm: the gradient along them is removed before every Adam step.

    Parameters
    ----------
    parts
        The vectors, by slide.
    spec
        Hyper-parameters.
    source
        Encoder and tiles, for the card.
    run
        Device, progress, cancel and checkpoint.

    Returns
    -------
    sae, card
        The autoencoder on `run.device`, and its card with metrics on the held-out tiles.

    Raises
    ------
    UserInputError
        When there are too few tiles, they are all alike, or a setting makes no sense.
    MismatchError
        When widths, masks or grids disagree.
    WeightsError
        When the training diverges.
    CancelledError
        When `run.cancelled` says so.
    """
    run = run or TrainRun()
    spec.check()
    split = split_tiles(parts, spec.holdout_share, spec.seed)
    width = parts[0].vectors.shape[1]
    if width != source.encoder.width:
        raise MismatchError(
            f"The vectors have width {width}, and {source.encoder.id} gives {source.encoder.width}.",
            "Embed the slides with this encoder again.",
        )
    training = _Training(split, spec, source, run)
    training.run_all()
    return training.finish()


class _Training:
    def __init__(self, split: Split, spec: TrainSpec, source: TrainSource, run: TrainRun) -> None:
        self.split, self.spec, self.source, self.run = split, spec, source, run
        self.device = torch.device(run.device)
        self.schedule = Schedule(
            len(split.train), spec.batch_size, spec.epochs, spec.learning_rate, spec.seed
        )
        self.width = split.train.parts[0].vectors.shape[1]
        self.n_features = self.width * spec.expansion
        self.target_l0 = min(TARGET_L0, max(1.0, self.width / 4))
        self.median, self.mean_norm = centre_of(split.train, spec.seed)
        self.whitening = whitening_of(split.train, spec.seed, self.median) if spec.whiten else None
        length = self.mean_norm if self.whitening is None else self.whitening.mean_norm
        self.scale = float(np.sqrt(self.width)) / length
        self.l1 = _L1_START if spec.l1 is None else spec.l1
        self.step = 0
        self._start()
        self.data = self._load_data()
        self.identity = digest_of(
            {
                "spec": asdict(spec),
                "encoder": source.encoder.digest,
                "tiles": [len(split.train), len(split.held_out)],
                "median": self.median.tolist(),
                "mean_norm": self.mean_norm,
                "device": self.device.type,
            }
        )
        self._resume()

    def _start(self) -> None:
        generator = torch.Generator().manual_seed(self.spec.seed)
        w_dec = torch.randn(self.n_features, self.width, generator=generator)
        w_dec /= w_dec.norm(dim=1, keepdim=True)
        values = {
            "W_enc": w_dec.T.contiguous(),
            "b_enc": torch.zeros(self.n_features),
            "W_dec": w_dec,
            "b_dec": torch.zeros(self.width),
        }
        self.parameters = {name: value.to(self.device) for name, value in values.items()}
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.adam = torch.optim.Adam(list(self.parameters.values()))

    def _load_data(self) -> torch.Tensor | None:
        """All training vectors on the device, or None when they are read batch by batch."""
        if len(self.split.train) * self.width * 4 > _IN_MEMORY_BYTES:
            return None
        rows = self.split.train.gather(np.arange(len(self.split.train)))
        return torch.from_numpy(rows).to(self.device)

    def run_all(self) -> None:
        """Take all steps that are left."""
        centre = torch.from_numpy(self.median.astype(np.float32)).to(self.device)
        mix = None
        if self.whitening is not None:
            mix = torch.from_numpy(self.whitening.mix.astype(np.float32)).to(self.device)
        saved = time.monotonic()
        order: NDArray[np.int64] = np.zeros(0, np.int64)
        order_of = -1
        total = self.schedule.total
        while self.step < total:
            if self.run.cancelled is not None and self.run.cancelled():
                self._save()
                raise CancelledError("The training was cancelled.", "Start it again to go on.")
            epoch, place = divmod(self.step, self.schedule.per_epoch)
            if epoch != order_of:
                order, order_of = self.schedule.order(epoch), epoch
            start = place * self.schedule.batch
            chosen = order[start : start + self.schedule.batch]
            if self.data is None:
                x = torch.from_numpy(self.split.train.gather(chosen)).to(self.device)
            else:
                x = self.data[torch.from_numpy(chosen).to(self.device)]
            centred = x - centre if mix is None else (x - centre) @ mix
            self._take_step(centred * self.scale)
            self.step += 1
            if time.monotonic() - saved >= _CHECKPOINT_SECONDS:
                self._save()
                saved = time.monotonic()
            if self.run.progress is not None:
                self.run.progress("train", self.step, total)
        self._save()

    def _take_step(self, x: torch.Tensor) -> None:
        p = self.parameters
        f = torch.relu((x - p["b_dec"]) @ p["W_enc"] + p["b_enc"])
        x_hat = f @ p["W_dec"] + p["b_dec"]
        # A lambda that is there from the first step kills features before they have a direction.
        l1 = self.l1 * min(1.0, (self.step + 1) / self.schedule.warm_up)
        error = (x - x_hat).square().sum(dim=1).mean()
        loss = error + l1 * f.sum(dim=1).mean()
        self.adam.zero_grad()
        torch.autograd.backward(loss)
        with torch.no_grad():
            w_dec, slope = p["W_dec"], p["W_dec"].grad
            assert slope is not None
            slope -= (slope * w_dec).sum(dim=1, keepdim=True) * w_dec
            for group in self.adam.param_groups:
                group["lr"] = self.schedule.rate(self.step)
            self.adam.step()
            w_dec /= w_dec.norm(dim=1, keepdim=True)
            if self.spec.l1 is None and self.schedule.steers(self.step):
                fired = float((f > 0).sum()) / x.shape[0]
                excess = float(np.log(max(fired, 0.1) / self.target_l0))
                # Slowly: the code follows lambda only after hundreds of steps, and what a
                # lambda that overshoots has killed does not come back.
                gain = _L1_REACH / self.schedule.total
                self.l1 *= float(np.exp(gain * np.clip(excess, -1.0, 1.0)))

    def finish(self) -> tuple[SparseAutoencoder, SaeCard]:
        """Fold the normalisation into the weights and measure the result."""
        p = {name: value.detach().cpu() for name, value in self.parameters.items()}
        if not all(bool(value.isfinite().all()) for value in p.values()):
            raise WeightsError(
                "The training diverged: the weights are not finite.",
                "Train again with a lower learning rate.",
            )
        tensors = self._folded(p)
        draft = ReluAutoencoder(tensors, self._card({})).to(self.device)
        train = measure(draft, self.split.train.batches())
        held = measure(draft, self.split.held_out.batches())
        metrics = {
            "n_train_tiles": train.n_tiles,
            "n_held_out_tiles": held.n_tiles,
            "held_out_unit": self.split.unit,
            "explained_variance": held.explained_variance,
            "explained_variance_train": train.explained_variance,
            "l0": held.l0,
            "l0_train": train.l0,
            "l1_norm": held.l1,
            **dead_shares(train, held),
        }
        sae = ReluAutoencoder(tensors, self._card(metrics)).to(self.device)
        return sae, sae.card

    def _folded(self, p: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Weights that take embeddings as they are, with decoder rows of unit length."""
        if self.whitening is None:
            # relu(s * z) = s * relu(z), so activations divided by the scale need only biases changed.
            b_dec = torch.from_numpy(self.median) + p["b_dec"].double() / self.scale
            return {**p, "b_enc": p["b_enc"] / self.scale, "b_dec": b_dec.float()}
        mix, unmix = torch.from_numpy(self.whitening.mix), torch.from_numpy(self.whitening.unmix)
        rows = p["W_dec"].double() @ unmix / self.scale
        lengths = rows.norm(dim=1)
        folded = {
            "W_enc": self.scale * (mix @ p["W_enc"].double()) * lengths,
            "b_enc": p["b_enc"].double() * lengths,
            "W_dec": rows / lengths[:, None],
            "b_dec": torch.from_numpy(self.median) + p["b_dec"].double() @ unmix / self.scale,
        }
        return {name: tensor.float() for name, tensor in folded.items()}

    def _card(self, metrics: dict[str, Any]) -> SaeCard:
        encoder = self.source.encoder
        chosen = {
            **asdict(self.spec),
            "l1": self.l1,
            "l1_chosen_for_l0": None if self.spec.l1 is not None else self.target_l0,
            "epochs": self.schedule.epochs,
            "batch_size": self.schedule.batch,
            "n_steps": self.schedule.total,
            "warm_up_steps": self.schedule.warm_up,
            "tiles_digest": self.source.tiles_digest,
            "defaults": "ours, not the paper's",
        }
        return SaeCard(
            digest="",
            d_in=self.width,
            n_features=self.n_features,
            architecture="standard",
            encoder_id=encoder.id,
            encoder_digest=encoder.digest,
            layer=encoder.layer,
            pooling=encoder.pooling,
            mpp=self.source.mpp,
            tile_px=self.source.tile_px,
            normalisation={
                "kind": "mean_norm" if self.whitening is None else "whitened",
                "centre": "geometric median",
                "mean_norm": self.mean_norm,
                "scale": self.scale,
                "folded": True,
            },
            training=chosen,
            metrics=metrics,
        )

    def _save(self) -> None:
        if self.run.checkpoint is None:
            return
        tensors = {name: self.parameters[name] for name in _PARAMETERS}
        for name in _PARAMETERS:
            for key, value in self.adam.state[self.parameters[name]].items():
                tensors[f"{name}.{key}"] = value
        record = {"identity": self.identity, "step": self.step, "l1": self.l1}
        write_checkpoint(self.run.checkpoint, tensors, record)

    def _resume(self) -> None:
        if self.run.checkpoint is None:
            return
        found = read_checkpoint(self.run.checkpoint, self.identity)
        if found is None:
            return
        tensors, record = found
        step, l1 = record["step"], record["l1"]
        assert isinstance(step, int) and isinstance(l1, float | int)
        self.step, self.l1 = step, float(l1)
        with torch.no_grad():
            for name in _PARAMETERS:
                parameter = self.parameters[name]
                parameter.copy_(tensors[name])
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    if f"{name}.{key}" in tensors:
                        value = tensors[f"{name}.{key}"]
                        # Adam counts its steps on the CPU, wherever the parameters are.
                        where = "cpu" if key == "step" else self.device
                        self.adam.state[parameter][key] = value.to(where)
