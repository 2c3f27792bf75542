"""Zero-shot answers of a model that was taught by any of the objectives, for comparing them. What is published is measured by the audit.

Every objective gives a caption a score, given an image: a log-likelihood, or (contrastive) the scaled cosine, which is one up to a
constant of the image. A class is the set of its captions, and its probability is the sum of theirs: one rule for all objectives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from contrastive.data.shapes import KINDS, ShapeImages
from contrastive.loss.per_pair import PerPair
from contrastive.model.clip import CLIP

ATTRIBUTES = ("colour", "shape", "count", "size")
"""Of a synthetic picture, in the order in which `KINDS` has them."""
CHUNK = 4096


@torch.no_grad()
def caption_scores(model: CLIP, objective: nn.Module, images_nchw: Tensor, ids_kl: Tensor) -> Tensor:
    """Return float[n, k]: the score of every text for every image. The model is left in eval mode."""
    model.eval()
    if not isinstance(objective, PerPair):
        image_nd, text_kd, scale = model(images_nchw, ids_kl)
        scores_nk: Tensor = scale * (image_nd @ text_kd.T)
        return scores_nk
    image_nd, k = model.encode_image(images_nchw), len(ids_kl)
    rows = torch.split(torch.arange(len(image_nd) * k), CHUNK)
    scores = [objective.log_likelihood(image_nd[row // k], ids_kl[row % k]) for row in rows]
    return torch.cat(scores).reshape(len(image_nd), k)


def answers(scores_nk: Tensor, classes: Sequence[Sequence[int]]) -> Tensor:
    """Return int64[n]: the class whose captions together are the most probable, by log-likelihoods up to a constant of the row.

    `classes`: the columns of each; sums are divided by their number, so that no class gains by having more captions.

    >>> answers(torch.tensor([[3.0, 0.0, 2.5, 2.5], [0.0, 0.0, 1.0, 0.0]]).log_softmax(1), [[0, 1], [2, 3]]).tolist()
    [1, 1]
    """
    columns = [scores_nk[:, list(columns)].logsumexp(dim=1) - torch.tensor(float(len(columns))).log() for columns in classes]
    return torch.stack(columns, dim=1).argmax(dim=1)


def shape_captions() -> list[str]:
    """Return what may be said of each of the 144 kinds of synthetic picture, in their order."""
    return [ShapeImages().captions(index)[0] for index in range(len(KINDS))]


def shape_classes(attribute: str) -> dict[str, list[int]]:
    """Return value -> the kinds that have it: ``shape_classes("count")["two"]``."""
    place = ATTRIBUTES.index(attribute)
    values = list(dict.fromkeys(kind[place] for kind in KINDS))
    return {value: [index for index, kind in enumerate(KINDS) if kind[place] == value] for value in values}


def shape_accuracy(scores_nk: Tensor, kinds: Sequence[int]) -> Mapping[str, float]:
    """Return attribute -> share of right answers, given the scores of all 144 captions and each picture's kind."""
    found = {}
    for attribute in ATTRIBUTES:
        classes = list(shape_classes(attribute).values())
        truth = torch.tensor([next(i for i, members in enumerate(classes) if kind in members) for kind in kinds])
        found[attribute] = float((answers(scores_nk, classes) == truth).float().mean())
    return found
