"""Random streams by purpose and place, so that no draw depends on how many others were made."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for. The numbers are part of every seed, so they never change."""

    DICTIONARY = 1
    PLAN = 2
    DIRECTIONS = 3
    FACTS = 4
    PATIENT = 5
    GATES = 6
    FIRING = 7
    INTERCEPT = 8
    NOISE = 9
    COUNTS = 10


class Branch(IntEnum):
    """Worlds beside the main one that must share no stream with it."""

    OTHER_TISSUE = 101
    SECOND_ENCODER = 102
    LAYER = 103


@dataclass(frozen=True)
class Streams:
    """A tree of independent generators below one seed; `path` is the place in it."""

    seed: int
    path: tuple[int, ...] = ()

    def branch(self, *steps: int) -> Streams:
        """Give the streams below another node, all independent of those here."""
        return Streams(self.seed, (*self.path, *steps))

    def of(self, purpose: Purpose, *place: int) -> np.random.Generator:
        """Start the generator of a purpose at a place, such as the number of a slide.

        Counter-based (Philox), keyed by seed, path, purpose and place alone: what other generators
        drew, and how many there are, changes nothing.
        """
        key = np.random.SeedSequence(self.seed, spawn_key=(*self.path, purpose, *place))
        return np.random.Generator(np.random.Philox(key))
