"""Weights of pairs in a contrastive loss, by group: fixed, or learned as in group DRO.

The loss of a pair is half the loss of its image among the captions of the batch, and half that of its caption among the images. So it
depends on all other pairs of the batch, but not on their groups or weights. With weights w_i, the loss of a batch of m pairs is the sum
of w_i * loss_i, divided by m.

Symbols: n pairs of this process, m of all, g groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.distributed import all_sum, rank_slice
from contrastive.loss.tiled import Weigh


class GroupLoss(Protocol):
    """Decides how much the loss of each pair of a batch counts."""

    def weigh(self, group_m: NDArray[np.int64]) -> Weigh:
        """Return the weights of this process's pairs as a function of their losses; `group_m`: the groups of the whole batch."""
        ...


@dataclass(frozen=True)
class FixedWeights:
    """One weight per group."""

    weight_g: NDArray[np.float64]

    def weigh(self, group_m: NDArray[np.int64]) -> Weigh:
        return torch.from_numpy(self.weight_g[group_m[rank_slice(len(group_m))]]).to


@dataclass
class GroupDRO:
    """Distributionally robust optimisation over groups: those with the largest loss count most.

    In each step, the weight q of every group in the batch is multiplied by exp(rate * mean loss of its pairs), and all are divided by their
    sum. The loss of the batch is the sum over its groups of q * mean loss, with the new weights. So a pair of group g has the weight
    q_g * m / (pairs of g in the batch).

    References
    ----------
    Sagawa et al. 2020, algorithm 1, for batches of several groups: https://arxiv.org/abs/1911.08731
    """

    q_g: NDArray[np.float64]
    """State of the run: weights of the groups, with sum 1."""
    rate: float

    @classmethod
    def start(cls, groups: int, rate: float) -> GroupDRO:
        return cls(np.full(groups, 1 / groups), rate)

    def weigh(self, group_m: NDArray[np.int64]) -> Weigh:
        count_g, group_n = np.bincount(group_m, minlength=len(self.q_g)), group_m[rank_slice(len(group_m))]

        def weights(loss_n: Tensor) -> Tensor:
            own = np.bincount(group_n, loss_n.detach().double().cpu().numpy(), len(self.q_g))
            loss_g = all_sum(torch.from_numpy(own)).numpy() / np.maximum(count_g, 1)  # 0 for groups outside the batch
            with np.errstate(invalid="ignore"):  # a step with an infinite loss is skipped
                self.q_g = self.q_g * np.exp(self.rate * (loss_g - loss_g.max()))
            self.q_g = self.q_g / self.q_g.sum()
            weight_g = self.q_g * len(group_m) / np.maximum(count_g, 1)
            return torch.from_numpy(weight_g[group_n]).to(loss_n)

        return weights

    def restore(self, stored: Sequence[float]) -> None:
        """Take over the weights of an untrusted state; raises `ValueError` or `TypeError` if they are not such weights."""
        q_g = np.array([float(weight) for weight in stored])
        if q_g.shape != self.q_g.shape or not (q_g >= 0).all() or not abs(q_g.sum() - 1) < 1e-6:
            raise ValueError(f"{len(q_g)} group weights with sum {q_g.sum():g}, expected {len(self.q_g)} with sum 1")
        self.q_g = q_g
