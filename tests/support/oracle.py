"""Several processes against one that sees the whole batch at once: three steps of AdamW (clipped, scale clamped) of the same learner.

`learner_of(tower, kind)` makes model, objective and learner, always with the same weights; a case is a tower, how it is wrapped, what is
minimised, rows of a tile (None: the default) and parts of an accumulated batch.
"""

from contextlib import contextmanager

import torch

from contrastive import distributed
from contrastive.config import OptimConfig
from contrastive.loss import PerPair, tiled
from contrastive.loss.grad_cache import accumulate, add_up, split_parts
from contrastive.model.architecture import ConvConfig, ViTConfig
from contrastive.training import optimizer as optim

STEPS, TOLERANCE = 3, 1e-10
TOWERS = {"vit": ViTConfig(8, 4, 16, 1, head_width=8), "conv": ConvConfig(8, (4, 8))}
ADAMW = OptimConfig(steps=STEPS, lr=1e-2, clip=0.5)


def train(model, learner, batches, backward):
    """Return the first step's loss and gradients, and the parameters at the end."""
    optimizer = optim.make_optimizer(learner, ADAMW)
    first = {}
    for images, ids in batches:
        optimizer.zero_grad()
        value = backward(images, ids)
        gradients = {name: p.grad for name, p in learner.named_parameters() if p.grad is not None}
        first = first or {"loss": value, **{name: tensor.clone() for name, tensor in distributed.full_tensors(gradients).items()}}
        optim.clip(learner, ADAMW.clip)
        optimizer.step()
        optim.clamp_logit_scale(model.logit_scale)
    return first, distributed.full_tensors(dict(learner.named_parameters()))


def train_dense(learner_of, batches, tower, kind):
    """The oracle: one process, one batch, the losses of a few lines."""
    model, objective, learner = learner_of(tower, kind)

    def backward(images, ids):
        value = objective(model, images, ids)
        value.backward()
        return value.detach()

    return train(model, learner, batches, backward)


def train_shared(learner_of, batches, tower, mode, kind, tile, parts):
    """What the trainer does, on this process's rows."""
    model, objective, learner = learner_of(tower, kind)
    wrapped, own = distributed.wrap(learner, mode), distributed.rank_slice(len(batches[0][1]))

    def backward(images, ids):
        micro = split_parts((images[own], ids[own]), parts)
        if isinstance(objective, PerPair):
            return distributed.all_mean(add_up(wrapped, micro))
        return distributed.all_mean(accumulate(wrapped, micro, objective.share(model, micro, tile)))

    return train(model, learner, batches, backward)


def distances(found, expected):
    """Largest difference in the loss, the towers' gradients, each scalar's gradient, and the parameters after three steps."""
    (first, last), (first_expected, last_expected) = found, expected
    assert first.keys() == first_expected.keys()
    assert last.keys() == last_expected.keys()
    by_name = {name: float((first[name] - first_expected[name]).abs().max()) for name in first}
    alone = {name: by_name.pop(name) for name in ("loss", "logit_scale", "logit_bias") if name in by_name}
    moved = max(float((last[name] - last_expected[name]).abs().max()) for name in last)
    return alone | {"towers": max(by_name.values()), "three steps": moved}


def run_grid(learner_of, batches, cases):
    """In a process of a group: the distances of each case."""
    expected = {kind: train_dense(learner_of, batches, *kind) for kind in {(case[0], case[2]) for case in cases}}
    return [distances(train_shared(learner_of, batches, *case), expected[case[0], case[2]]) for case in cases]


# Breaking the reduction on purpose: the oracle must notice each of these.


def _slice_only(x_md):
    return x_md.chunk(distributed.world_size())[distributed.rank()].clone()


def _without_rescale(column_m):
    largest_m = distributed.all_max(column_m)
    return largest_m + distributed.all_sum(torch.ones_like(column_m)).log()


def _reversed_ranks(x_nd):
    return torch.cat(list(reversed(distributed.gather_rows(x_nd).chunk(distributed.world_size()))))


BROKEN = {
    "the reduce-scatter is dropped": ("scatter_sum", _slice_only),
    "SUM for MAX": ("all_max", distributed.all_sum),
    "no rescaling to the common maximum": ("_over_processes", _without_rescale),
    "columns of this process only": ("_over_processes", lambda column_m: column_m),
    "ranks gathered in another order": ("gather_rows", _reversed_ranks),
    "temperature and bias are not averaged": ("all_mean", lambda x: x),
}


@contextmanager
def broken(name):
    attribute, function = BROKEN[name]
    kept = getattr(tiled, attribute)
    setattr(tiled, attribute, function)
    try:
        yield
    finally:
        setattr(tiled, attribute, kept)


def worst(errors):
    """NaN is as wrong as anything can be, and no maximum shows it reliably."""
    return max(torch.tensor(list(errors)).nan_to_num(nan=torch.inf).tolist())
