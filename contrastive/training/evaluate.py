"""Loss and retrieval on held-out pairs: all that the trainer itself says about a model. Everything else is a probe of the audit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.data.pairs import PairSet
from contrastive.data.reading import Identities
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
def held_out(
    model: CLIP, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess, same: Identities | None = None
) -> dict[str, float]:
    """Return the loss over the pairs of `rows`, as one batch, and `recalls` over them. The model is left in eval mode.

    `same`: which of the rows are of one picture or have one caption; None: all differ.

    Of more than 8,192 rows the first are taken. The loss grows with the number of pairs (there is more to confuse), and recall falls;
    compare them only where that is the same.
    """
    rows = rows[:MOST]
    same = Identities(*(ids[: len(rows)] for ids in same)) if same else Identities(np.arange(len(rows)), np.arange(len(rows)))
    features = [model.eval()(*batch)[:2] for batch in _batches(pairs, rows, preprocess, model.logit_scale.device)]
    image_nd, text_nd = (torch.cat(side) for side in zip(*features, strict=True))
    bias = None if model.logit_bias is None else local_tensor(model.logit_bias)
    return {
        "pairs": len(rows),
        "loss": float(LOSSES[model.config.score_rule](image_nd, text_nd, local_tensor(model.logit_scale.exp()), bias)),
        **recalls(image_nd, text_nd, same),
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


def recalls(image_nd: Tensor, text_nd: Tensor, same: Identities) -> dict[str, float]:
    """Return recall@1, 5 and 10 in both directions over the pictures and the captions of n pairs, each picture and each caption once.

    A caption belongs to a picture if any pair says so. Image to text: the share of pictures of whose captions any is among the first k
    captions; text to image: the share of captions of whose pictures any is among the first k pictures. That is how retrieval with several
    captions a picture is measured (Karpathy & Fei-Fei 2015, https://arxiv.org/abs/1412.2306; ``recall_at_k(...) > 0`` in
    https://github.com/LAION-AI/CLIP_benchmark/blob/main/clip_benchmark/metrics/zeroshot_retrieval.py), where pictures and captions are
    taken to differ; here equal ones are one. So what they are tied with is another picture or another caption, and counts against.
    """
    (image_u, image_n), (text_u, text_n) = (np.unique(ids, return_index=True, return_inverse=True)[1:] for ids in same)
    similarity_it = image_nd[torch.from_numpy(image_u)] @ text_nd[torch.from_numpy(text_u)].T
    own_it = torch.zeros_like(similarity_it, dtype=torch.bool)
    own_it[torch.from_numpy(image_n), torch.from_numpy(text_n)] = True
    return {
        **{f"image_to_text_recall@{k}": recall(similarity_it, k, own_it) for k in RECALL_AT},
        **{f"text_to_image_recall@{k}": recall(similarity_it.T, k, own_it.T) for k in RECALL_AT},
    }


def recall(similarity_nm: Tensor, k: int, own_nm: Tensor | None = None) -> float:
    """Return the share of rows of whose own columns any is among the `k` largest. A column of another row that ties with it is larger.

    `own_nm`: bool[n, m], at least one true in each row; without it, the diagonal. What is not a number is never found.
    """
    if own_nm is None:
        own_nm = torch.eye(*similarity_nm.shape, dtype=torch.bool, device=similarity_nm.device)
    best_n1 = similarity_nm.masked_fill(~own_nm, -torch.inf).amax(dim=1, keepdim=True)
    before_n = (~(similarity_nm < best_n1) & ~own_nm).sum(dim=1)
    return float(((before_n < k) & ~best_n1[:, 0].isnan()).float().mean())
