"""Loss and retrieval on held-out pairs: all that the trainer itself says about a model. Everything else is a probe of the audit."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.data.pairs import PairSet
from contrastive.loss import Together
from contrastive.loss.dense import Loss
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess

CHUNK = 512
MOST = 8192
"""Pairs that are measured: all against all are a table of a quarter of a gigabyte then, and would be 160 GB for 200,000."""
RECALL_AT = (1, 5, 10)


@torch.no_grad()
def held_out(model: CLIP, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess, loss: Loss) -> dict[str, float]:
    """Return loss and recall@1, 5 and 10 in both directions over the pairs of `rows`, as one batch. The model is left in eval mode.

    Of more than 8,192 rows the first are taken. The loss grows with the number of pairs (there is more to confuse), and recall falls;
    compare them only where that is the same.
    """
    model.eval()
    rows = rows[:MOST]
    device = model.logit_scale.device
    images, texts = [], []
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        pixels, ids = pairs.plain(chunk)
        image_nd, text_nd, _ = model(preprocess.normalise(pixels.to(device)), ids.to(device))
        images.append(image_nd)
        texts.append(text_nd)
    image_nd, text_nd = torch.cat(images), torch.cat(texts)
    similarity_nn = image_nd @ text_nd.T
    return {
        "pairs": len(rows),
        "loss": float(loss(image_nd, text_nd, model.logit_scale.exp(), model.logit_bias)),
        **{f"image_to_text_recall@{k}": recall(similarity_nn, k) for k in RECALL_AT},
        **{f"text_to_image_recall@{k}": recall(similarity_nn.T, k) for k in RECALL_AT},
    }


@torch.no_grad()
def held_out_loss(learner: Together, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess) -> dict[str, float]:
    """Return the mean loss over the pairs of `rows` of an objective that takes each pair by itself. All is left in eval mode."""
    learner.eval()
    device, total = learner.model.logit_scale.device, 0.0
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        pixels, ids = pairs.plain(chunk)
        total += len(chunk) * float(learner(preprocess.normalise(pixels.to(device)), ids.to(device)))
    return {"pairs": len(rows), "loss": total / len(rows)}


def recall(similarity_nn: Tensor, k: int) -> float:
    """Return the share of rows whose own column (the diagonal) is among the `k` largest. A tie counts against it.

    Examples
    --------
    >>> recall(torch.tensor([[0.9, 0.1, 0.0], [0.5, 0.4, 0.0], [0.2, 0.2, 0.2]]), k=1)
    0.3333333432674408
    """
    own_n = similarity_nn.diagonal()[:, None]
    better_n = (similarity_nn >= own_n).sum(dim=1) - 1
    return float((better_n < k).float().mean())
