"""Draws from many discrete distributions at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alias:
    """Walker's alias tables of S distributions over L outcomes each (doi 10.1145/355744.355749).

    A draw costs two look-ups whatever L is, where a search of cumulative sums costs log2(S x L).
    ``keep`` and ``other`` are the (S, L) tables laid flat.
    """

    keep: Floats
    other: Ints
    outcomes: int

    @classmethod
    def of(cls, weights: Floats) -> Alias:
        """Build the tables of ``weights``, shape (S, L), each row with a positive sum."""
        states, outcomes = weights.shape
        share = weights / weights.sum(axis=1, keepdims=True) * outcomes
        keep, other = np.ones_like(share), np.tile(np.arange(outcomes), (states, 1))
        rows, settled = np.arange(states), np.zeros(share.shape, dtype=bool)
        for _ in range(outcomes - 1):
            poor = np.where(settled, np.inf, share).argmin(axis=1)
            rich = np.where(settled, -np.inf, share).argmax(axis=1)
            keep[rows, poor], other[rows, poor] = share[rows, poor], rich
            share[rows, rich] -= 1.0 - share[rows, poor]
            settled[rows, poor] = True
        return cls(keep.ravel(), other.ravel(), outcomes)

    def draw(self, states: Ints, rng: np.random.Generator) -> Ints:
        """Draw one outcome, 0 to L - 1, for each entry of ``states``, any shape (n,)."""
        place = rng.random(states.size) * self.outcomes
        outcome = place.astype(np.int64)
        cell = states * self.outcomes + outcome
        stays = place - outcome < self.keep.take(cell)
        return np.where(stays, outcome, self.other.take(cell))


def restore(kept: Floats, totals: Floats, background: Floats) -> Floats:
    """Give the mass of suppressed (zero) cells back in the proportions of a coarser table.

    Args:
        kept: Counts with small cells set to zero, shape (S, L).
        totals: Row totals before suppression, shape (S,).
        background: Counts of the coarser table, shape (S, L) or (L,).

    Returns:
        Weights of shape (S, L), each row with a positive sum.
    """
    absent = np.where(kept > 0, 0.0, background)
    mass = np.maximum(totals - kept.sum(axis=1), 0.0)[:, None]
    norm = absent.sum(axis=1, keepdims=True)
    filled = kept + np.divide(absent * mass, norm, out=np.zeros_like(kept), where=norm > 0)
    empty = filled.sum(axis=1, keepdims=True) <= 0
    return np.where(empty, np.broadcast_to(background, kept.shape) + 1e-9, filled)
