"""The losses: a look must be told by its other look, and its tokens must fall into the same groups.

The groups are learned with the encoder and are equally full (swapped assignments after Caron et al. 2020), so
tokens are sorted by what they show and not by where they lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from sae_backend.compute.encoders.small_vit import WIDTH, SmallVit

_HIDDEN = 384
_OUT = 128


@dataclass(frozen=True)
class LossSpec:
    """Settings of the losses.

    Attributes
    ----------
    temperature
        Of telling looks apart.
    n_groups, group_temperature, evenness
        Number of groups of tokens, sharpness of the assignment that is learned, and entropy of the
        one that is aimed at.
    group_weight
        Of the tokens' loss beside the looks'.
    """

    temperature: float = 0.15
    n_groups: int = 256
    group_temperature: float = 0.1
    evenness: float = 0.05
    group_weight: float = 1.0


class Heads(nn.Module):
    """Two small networks between embedding and losses, and the groups; all are thrown away afterwards."""

    def __init__(self, n_groups: int) -> None:
        super().__init__()
        self.whole = _head()
        self.token = _head()
        self.groups = nn.Parameter(torch.zeros(n_groups, _OUT))


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, _HIDDEN),
        nn.BatchNorm1d(_HIDDEN),
        nn.ReLU(),
        nn.Linear(_HIDDEN, _OUT, bias=False),
    )


@dataclass(frozen=True)
class Losses:
    """Loss of whole looks and of tokens; how often the right partner, and the same group, came first."""

    whole: torch.Tensor
    token: torch.Tensor
    whole_right: float
    token_right: float


def contrast(vectors: torch.Tensor, temperature: float) -> tuple[torch.Tensor, float]:
    """Cross entropy of finding the partner among all others (InfoNCE), and how often it came first.

    Parameters
    ----------
    vectors
        (2 n, k): row i and row i + n are partners.
    temperature
        Divides the cosines.
    """
    unit = functional.normalize(vectors.float(), dim=1)
    similar = unit @ unit.T / temperature
    similar.fill_diagonal_(-1e4)
    partner = torch.arange(len(unit)).roll(len(unit) // 2)
    right = float((similar.detach().argmax(dim=1) == partner).float().mean())
    return functional.cross_entropy(similar, partner), right


@torch.no_grad()
def even_assignment(scores: torch.Tensor, evenness: float, rounds: int = 3) -> torch.Tensor:
    """Soft groups of rows, such that all groups are equally full (Sinkhorn and Knopp).

    Parameters
    ----------
    scores
        (n, k) cosines of rows with groups.
    evenness
        Entropy of the assignment; smaller is sharper.
    rounds
        Of scaling columns and rows in turn.

    Returns
    -------
    Tensor
        (n, k), rows sum to 1.
    """
    shares = torch.exp((scores - scores.max()) / evenness)
    for _ in range(rounds):
        shares = shares / shares.sum(dim=0, keepdim=True).clamp_min(1e-12)
        shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-12)
    return shares


def swapped(vectors: torch.Tensor, groups: torch.Tensor, spec: LossSpec) -> tuple[torch.Tensor, float]:
    """Each half of the rows must fall into the groups of its partners in the other half.

    Parameters
    ----------
    vectors
        (2 n, k): row i and row i + n are partners.
    groups
        (g, k) directions.
    spec
        Settings.
    """
    scores = functional.normalize(vectors.float(), dim=1) @ functional.normalize(groups.float(), dim=1).T
    first, second = scores.chunk(2)
    aims = [even_assignment(half.detach(), spec.evenness) for half in (first, second)]
    said = [functional.log_softmax(half / spec.group_temperature, dim=1) for half in (first, second)]
    loss = -0.5 * ((aims[0] * said[1]).sum(dim=1).mean() + (aims[1] * said[0]).sum(dim=1).mean())
    right = float((said[0].argmax(dim=1) == said[1].argmax(dim=1)).float().mean())
    return loss, right


def losses(
    model: SmallVit,
    heads: Heads,
    pixels: torch.Tensor,
    source: torch.Tensor,
    corner: tuple[int, int],
    n_same: int,
    spec: LossSpec,
) -> Losses:
    """Losses of two looks at n pieces.

    Parameters
    ----------
    model, heads
        What is trained.
    pixels
        (2 n, 3, side, side) normalised looks, the second looks after the first.
    source
        (2 n, tokens) int64 as in `Looks`.
    corner
        Where in the grid of positions the looks lie.
    n_same
        Only the first so many pieces are looked at twice in the same place, so that tokens have partners.
    spec
        Settings.
    """
    tokens = model.forward_tokens(pixels, corner)
    # Put each token where it lies in the piece, whichever way the look was turned.
    placed = torch.zeros_like(tokens).scatter(1, source[..., None].expand(-1, -1, WIDTH), tokens)
    whole, whole_right = contrast(heads.whole(tokens.mean(dim=1)), spec.temperature)
    partners = torch.cat([half[:n_same] for half in placed.chunk(2)])
    token, token_right = swapped(heads.token(partners.reshape(-1, WIDTH)), heads.groups, spec)
    return Losses(whole, token, whole_right, token_right)
