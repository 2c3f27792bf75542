"""Loss and retrieval on held-out pairs: all that the trainer itself says about a model. Everything else is a probe of the audit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.data.pairs import PairSet
from contrastive.distributed import local_tensor
from contrastive.loss import Together
from contrastive.loss.dense import LOSSES
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess

CHUNK = 512
MOST = 8192
"""Pairs that are measured: all against all are a table of a quarter of a gigabyte then, and would be 160 GB for 200,000."""
RECALL_AT = (1, 5, 10)


@torch.no_grad()
def held_out(model: CLIP, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess) -> dict[str, float]:
    """Return loss and recall@1, 5 and 10 in both directions over the pairs of `rows`, as one batch. The model is left in eval mode.

    Of more than 8,192 rows the first are taken. The loss grows with the number of pairs (there is more to confuse), and recall falls;
    compare them only where that is the same.
    """
    rows = rows[:MOST]
    features = [model.eval()(*batch)[:2] for batch in _batches(pairs, rows, preprocess, model.logit_scale.device)]
    image_nd, text_nd = (torch.cat(side) for side in zip(*features, strict=True))
    similarity_nn = image_nd @ text_nd.T
    bias = None if model.logit_bias is None else local_tensor(model.logit_bias)
    return {
        "pairs": len(rows),
        "loss": float(LOSSES[model.config.score_rule](image_nd, text_nd, local_tensor(model.logit_scale.exp()), bias)),
        **{f"image_to_text_recall@{k}": recall(similarity_nn, k) for k in RECALL_AT},
        **{f"text_to_image_recall@{k}": recall(similarity_nn.T, k) for k in RECALL_AT},
    }


@torch.no_grad()
def held_out_loss(learner: Together, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess) -> dict[str, float]:
    """Return the mean loss over the pairs of `rows` of an objective that takes each pair by itself. All is left in eval mode."""
    batches = _batches(pairs, rows, preprocess, learner.model.logit_scale.device)
    total = sum(len(batch[1]) * float(learner.eval()(*batch)) for batch in batches)
    return {"pairs": len(rows), "loss": total / len(rows)}


def _batches(pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        pixels, ids = pairs.plain(chunk)
        yield preprocess.normalise(pixels.to(device)), ids.to(device)


def recall(similarity_nn: Tensor, k: int) -> float:
    """Return the share of rows whose own column (the diagonal) is among the `k` largest. A tie counts against it."""
    own_n = similarity_nn.diagonal()[:, None]
    better_n = (similarity_nn >= own_n).sum(dim=1) - 1
    return float((better_n < k).float().mean())
