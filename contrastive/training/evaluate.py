"""Loss and retrieval on held-out pairs, the trainer's own evaluation. Everything else is measured by probes of the audit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.data.pairs import PairSet
from contrastive.data.reading import Identities
from contrastive.distributed import local_tensor
from contrastive.loss import ModelWithHead
from contrastive.loss.dense import LOSSES
from contrastive.model.clip import CLIP
from contrastive.model.preprocess import Preprocess

CHUNK = 512
MOST = 8192
"""Maximum number of pairs: their similarity matrix takes a quarter of a gigabyte, and would take 160 GB for 200,000 pairs."""
RECALL_AT = (1, 5, 10)


@torch.no_grad()
def held_out(
    model: CLIP, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess, same: Identities | None = None
) -> dict[str, float]:
    """Return the loss over the pairs of `rows`, as one batch, and their `recalls`. Leaves the model in eval mode.

    `same`: which of the rows share a picture or a caption; None: all differ.

    Uses at most the first 8,192 rows. With more pairs to confuse, the loss grows and recall falls, so compare them only for
    equal numbers of pairs.
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
def held_out_loss(learner: ModelWithHead, pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess) -> dict[str, float]:
    """Return the mean loss over the pairs of `rows` for an objective with independent pairs. Leaves everything in eval mode."""
    batches = _batches(pairs, rows, preprocess, learner.model.logit_scale.device)
    total = sum(len(batch[1]) * float(learner.eval()(*batch)) for batch in batches)
    return {"pairs": len(rows), "loss": total / len(rows)}


def _batches(pairs: PairSet, rows: NDArray[np.int64], preprocess: Preprocess, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    for chunk in np.array_split(rows, -(-len(rows) // CHUNK)):
        pixels, ids = pairs.plain(chunk)
        yield preprocess.normalise(pixels.to(device)), ids.to(device)


def recalls(image_nd: Tensor, text_nd: Tensor, same: Identities) -> dict[str, float]:
    """Return recall@1, 5 and 10 in both directions for the distinct pictures and captions of n pairs.

    A caption belongs to a picture if any pair contains both. Image to text: share of pictures with any of their captions among the top k
    captions. Text to image: share of captions with any of their pictures among the top k pictures. This is how retrieval with several
    captions per picture is measured (Karpathy & Fei-Fei 2015, https://arxiv.org/abs/1412.2306; ``recall_at_k(...) > 0`` in
    https://github.com/LAION-AI/CLIP_benchmark/blob/main/clip_benchmark/metrics/zeroshot_retrieval.py), which assumes
    that pictures and captions differ; here, equal ones are merged. So ties are with other pictures or captions, and count as wrong.
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
    """Return the share of rows with one of their own columns among the `k` largest. Ties with other columns count as larger.

    `own_nm`: bool[n, m], at least one true in each row; by default, the diagonal. NaN never counts as found.
    """
    if own_nm is None:
        own_nm = torch.eye(*similarity_nm.shape, dtype=torch.bool, device=similarity_nm.device)
    best_n1 = similarity_nm.masked_fill(~own_nm, -torch.inf).amax(dim=1, keepdim=True)
    before_n = (~(similarity_nm < best_n1) & ~own_nm).sum(dim=1)
    return float(((before_n < k) & ~best_n1[:, 0].isnan()).float().mean())
