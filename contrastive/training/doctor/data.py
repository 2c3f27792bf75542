"""Checks of images and captions that do not need a model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contrastive.data.captions import TextLengths
from contrastive.data.groups import Groups
from contrastive.data.pairs import PairSet
from contrastive.training.inputs import RunInputs

SIDE, NEAR = 16, 1.0
"""Images are near duplicates if their grey values, averaged over 16 x 16 fields, differ by less than 1 of 255 on average: as much as
a change of format or size causes, and far less than between two photographs of one scene."""
HELD_OUT, TRAINED = 256, 2048
"""Number of pairs compared on each side."""
FEW = 0.01
"""Share of held-out near duplicates that is not worth reporting."""
ENOUGH = 8
"""Minimum number of distinct captions for learning; with fewer, a guess is nearly right."""
CUT = 0.1
"""Share of truncated texts above which a run loses more than a few words."""


class Result(NamedTuple):
    """A finding in words and, if there is a problem, its meaning and a fix."""

    words: str
    wrong: bool = False
    doubtful: bool = False
    """Worth a look, but possibly intended."""

    @property
    def mark(self) -> str:
        return "WRONG" if self.wrong else "LOOK" if self.doubtful else "ok"


def image_check(inputs: RunInputs) -> Result:
    """How many pairs there are and how many of them are broken; whether any two of the first images differ."""
    pixels, _ = inputs.pairs.plain(inputs.train_rows[:64])
    replaced = inputs.pairs.replaced
    to_train, held_out = inputs.counts
    counts = f"{to_train} to train on, {held_out} held out, {len(inputs.pairs.broken)} broken"
    counts += f" (first: {replaced[0]})" if replaced else ""
    counts += "".join(f"; {sentence}" for sentence in inputs.left_out)
    if len(pixels) > 1 and bool((pixels == pixels[:1]).all()):
        return Result(f"{counts}; the first {len(pixels)} images are all the same: look at the paths and the files", wrong=True)
    return Result(counts)


def group_sizes(groups: Groups) -> Result:
    """How many pairs each group has; which words stand in their captions is counted by a command of its own."""
    return Result(f"{groups.sentence}; who is called what in their captions: vlm-audit words")


def near_duplicates(inputs: RunInputs) -> Result:
    """How many evaluation pairs show a near duplicate of a training pair, which makes results too good."""
    own, others = inputs.held_out_rows[:HELD_OUT], inputs.train_rows[:TRAINED]
    held_out, trained = inputs.held_out.plain(own)[0], inputs.pairs.plain(others)[0]
    distances = torch.cdist(_thumbnails(held_out), _thumbnails(trained), p=1) / SIDE**2
    near = int((distances.amin(dim=1) < NEAR).sum())
    words = f"{near} of {len(own)} held-out pairs have a near duplicate of their picture among {len(others)} pairs to train on"
    if near <= FEW * len(own):
        return Result(words)
    validation = inputs.config.data.validation
    fix = f"leave these out of {validation}" if validation else "data.validation names a set of its own"
    return Result(f"{words}: loss and recall on them are better than on new images; {fix}", doubtful=True)


def _thumbnails(pixels_nchw: Tensor) -> Tensor:
    return torch.nn.functional.adaptive_avg_pool2d(pixels_nchw.float().mean(dim=1, keepdim=True), SIDE).flatten(1)


def end_of_text(ids_nl: Tensor, eot: int) -> Result:
    """Whether every text has an end."""
    ends_nl, n = ids_nl == eot, len(ids_nl)
    if missing := int((~ends_nl.any(dim=1)).sum()):
        return Result(f"{missing} of {n} texts have no end: their feature would be that of another token", wrong=True)
    return Result(f"every one of {n} texts has one")


def text_length(lengths: TextLengths) -> Result:
    """How long the texts are, and how many are truncated."""
    if not lengths.cut:
        return Result(f"at most {lengths.longest} tokens of {lengths.context}, median {lengths.median:g}; none is cut")
    fix = f"take a larger model.text.context (now {lengths.context}), or shorter captions"
    return Result(f"{lengths.sentence.rstrip('.')}; {fix}", wrong=lengths.cut > CUT * lengths.texts)


def duplicates(batches: list[Tensor], kind: str) -> Result:
    """How many pairs share a caption with another pair in their batch, so that a right answer counts as wrong in the loss."""
    everything = torch.cat(batches)
    repeated = 1 - len(np.unique(everything.numpy(), axis=0)) / len(everything)
    by_batch = [np.unique(ids.numpy(), axis=0, return_inverse=True, return_counts=True) for ids in batches]
    times = np.concatenate([counts[inverse.reshape(-1)] for _, inverse, counts in by_batch])
    shared, floor = float((times > 1).mean()), float(np.log(times).mean())
    words = f"{shared:.1%} of the pairs share their caption with another of their batch; "
    words += f"{repeated:.1%} of {len(everything)} captions are repeats"
    words += f"; because of that the loss cannot fall below about {floor:.2f}" if kind == "softmax" and shared else ""
    if shared <= 0.5:
        return Result(words)
    words += ": more right answers are called wrong than not; take a smaller data.batch, "
    return Result(f"{words}or, if captions were cut to the same beginning, a larger model.text.context", wrong=True)


def too_few(distinct_rows: NDArray[np.int64], rows: NDArray[np.int64]) -> Result:
    """Report that the training pairs have too few distinct captions (rows `distinct_rows`) to learn from."""
    words = f"only {len(distinct_rows)} among {len(rows)} pairs to train on, and a model learns by telling captions apart"
    return Result(f"{words}; take captions of which at least {ENOUGH} differ, or a larger model.text.context if they were cut", wrong=True)


def distinct(pairs: PairSet, rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return the first rows with distinct captions."""
    rows = rows[: 64 * most]
    _, ids = pairs.plain(rows)
    _, first = np.unique(ids.numpy(), axis=0, return_index=True)
    return rows[np.sort(first)[:most]]


def text_ids(inputs: RunInputs, rows: NDArray[np.int64]) -> Tensor:
    """Return the ids of texts as drawn in training, padded to the context, because batches are trimmed to their longest text."""
    _, ids = inputs.pairs.batch(rows, 0, inputs.config.run.seed, 0)
    return torch.nn.functional.pad(ids, (0, inputs.model.text.context - ids.shape[1]))
