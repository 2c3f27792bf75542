"""The losses of `contrastive.loss.dense` over the batch of all processes, one tile of rows at a time: memory tile x batch, not batch^2.

The logits of a tile are computed, reduced and dropped; the backward pass computes them again. The same code serves one or many
processes: each returns its share of the loss, and the mean of the shares is the loss of the whole batch. Feature
gradients are scaled so that averaging the parameters' gradients over the processes, as DDP and FSDP2 do, gives its exact gradient. The
gradients of the logit scale and bias are averaged here, because GradCache computes them outside any wrapper.

Symbols: n pairs of this process, m of all, t rows of a tile, d dimensions. ``log_scale`` is the logarithm of the factor of the cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from contrastive.distributed import all_max, all_mean, all_sum, gather_rows, local_tensor, rank, require_even, scatter_sum, world_size
from strictio.errors import VlmAuditError

Weigh = Callable[[Tensor], Tensor]
"""The losses of this process's pairs, n numbers -> the weights of the pairs. A weighted loss is the mean of weight * loss."""

TILE_ELEMENTS = {"cpu": 2**22, "cuda": 2**26}  # float32 elements: 16 MiB (with less, threads wait for each other), 256 MiB
SMALLEST_TILE = 64  # rows: with fewer, the matrix products are slow


def info_nce(
    image_nd: Tensor,
    text_nd: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None = None,
    tile: int | None = None,
    weigh: Weigh | None = None,
) -> Tensor:
    """Symmetric cross-entropy over the pairs of all processes, in nats, in at least float32 (autocast is off inside).

    Its mean over the processes (`distributed.all_mean`) is the loss. `image_nd`, `text_nd`: this process's pairs; row i of both is a pair.
    `logit_scale`: the logarithm of the inverse temperature, one element, the model's parameter itself. `logit_bias`: no effect, because a
    softmax is invariant to a constant added to all logits. `tile`: rows whose logits are in memory at a time; affects memory and
    time, but not the result beyond rounding. `weigh`: called once, with the loss of each pair: half that of its image among all captions,
    and half that of its caption among all images; None: all weights are 1. Raises `VlmAuditError` if image and text differ in shape, or
    the processes in their rows.

    References
    ----------
    Radford et al. 2021, https://arxiv.org/abs/2103.00020; tiles and recomputation: Cheng et al. 2024, https://arxiv.org/abs/2410.17243
    """
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    return _applied(_InfoNCE, image_nd, text_nd, log_scale, _tile_rows(tile, text_nd), weigh)


def sigmoid(
    image_nd: Tensor,
    text_nd: Tensor,
    logit_scale: Tensor,
    logit_bias: Tensor | None = None,
    tile: int | None = None,
    weigh: Weigh | None = None,
) -> Tensor:
    """Binary classification of every image-caption combination of all processes.

    Everything else is as for `info_nce`, but `logit_bias` (one element; without one `VlmAuditError` is raised) is added to every logit.

    References
    ----------
    Zhai et al. 2023, https://arxiv.org/abs/2303.15343
    """
    if logit_bias is None:
        raise VlmAuditError("the sigmoid loss needs a model with a logit bias", fix='make the model with score_rule = "sigmoid"')
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    bias = local_tensor(logit_bias).reshape(()).to(log_scale)
    return _applied(_Sigmoid, image_nd, text_nd, log_scale, bias, _tile_rows(tile, text_nd), weigh)


LOSSES = {"softmax": info_nce, "sigmoid": sigmoid}  # by the names of `contrastive.loss.dense.LOSSES`


def _applied(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    apply: Callable[..., Tensor] = function.apply  # some versions of torch annotate its parameters
    return apply(*arguments)


class Teacher(NamedTuple):
    """Another model's features for this process's pairs."""

    image_nd: Tensor
    text_nd: Tensor  # unit rows; the teacher's number of dimensions
    scale: Tensor  # multiplies its cosines (not a logarithm)


def divergence(
    image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor, teacher: Teacher, temperature: float = 1.0, tile: int | None = None
) -> Tensor:
    """Mean Kullback-Leibler divergence of rows and columns of the matrix of all processes' pairs from a teacher's, times temperature^2.

    Parameters, result and errors are as for `info_nce`; the teacher has no gradient. Both sides' logits are divided by `temperature`.
    `contrastive.loss.distillation.divergence` is the dense form. With a teacher that is certain of the pairs, it equals `info_nce`.
    """
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    their_image, their_text, _ = _prepared(teacher.image_nd, teacher.text_nd, logit_scale)
    theirs = Teacher(their_image, their_text, local_tensor(teacher.scale).detach().reshape(()).to(log_scale))
    return _applied(_Divergence, image_nd, text_nd, log_scale, theirs, temperature, _tile_rows(tile, text_nd))


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, tile: int, weigh: Weigh | None) -> Tensor:
        with torch.autocast(image_nd.device.type, enabled=False):
            side, positive_n = _summed(image_nd, text_nd, log_scale.exp(), tile)
            ctx.tile, loss_n = tile, ((side.row_n - positive_n) + (side.own_columns() - positive_n)) / 2
            if weigh is None:
                ctx.save_for_backward(*side)
                return loss_n.mean()
            weight_n = weigh(loss_n)
            # exp(logit - sum + log(weight)) is a weighted probability; 0 where the weight is 0, because the sum is then infinite.
            row_n, column_m = side.row_n - weight_n.log(), side.column_m - gather_rows(weight_n).log()
            ctx.save_for_backward(*side[:3], row_n, column_m, weight_n)
            return (weight_n * loss_n).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        side, weight_n = _Side(*ctx.saved_tensors[:5]), (*ctx.saved_tensors[5:], None)[0]

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            slope_tm = side.probabilities(logits_tm, rows)
            _own_pairs(slope_tm, side.image_nd, rows).sub_(2 if weight_n is None else 2 * weight_n[rows])
            return slope_tm

        return (*_gradients(side[:3], ctx.tile, slope, grad / (2 * len(side.row_n)), ctx.needs_input_grad[1])[:3], None, None)


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, bias: Tensor, tile: int, weigh: Weigh | None) -> Tensor:
        with torch.autocast(image_nd.device.type, enabled=False):
            texts_md, scale, row_n = gather_rows(text_nd), log_scale.exp(), image_nd.new_empty(len(image_nd))
            column_m = image_nd.new_zeros(len(texts_md))
            for rows in _tiles(len(image_nd), tile):
                logits_tm = torch.addmm(bias, image_nd[rows] * scale, texts_md.T)
                _own_pairs(logits_tm, image_nd, rows).neg_()
                likelihood_tm = functional.logsigmoid(logits_tm.neg_())
                row_n[rows] = likelihood_tm.sum(1).neg_()
                column_m -= likelihood_tm.sum(0) if weigh else 0
            ctx.tile = tile
            if weigh is None:
                ctx.save_for_backward(image_nd, texts_md, scale, bias)
                return row_n.mean()
            loss_n = (row_n + all_sum(column_m)[_own_rows(row_n)]) / 2
            weight_n = weigh(loss_n)
            ctx.save_for_backward(image_nd, texts_md, scale, bias, weight_n, gather_rows(weight_n))
            return (weight_n * loss_n).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        *features, bias = ctx.saved_tensors[:4]
        weight_n, weight_m = (*ctx.saved_tensors[4:], None, None)[:2]

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            logits_tm.add_(bias)
            positive_t = _own_pairs(logits_tm, features[0], rows)
            # sigmoid(u) - 1 is -sigmoid(-u), which keeps its precision for pairs that are almost learnt.
            positive_t.neg_()
            logits_tm.sigmoid_()
            positive_t.neg_()
            return logits_tm if weight_n is None else logits_tm.mul_((weight_n[rows, None] + weight_m) / 2)

        return (*_gradients(features, ctx.tile, slope, grad / len(features[0]), ctx.needs_input_grad[1]), None, None)


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, teacher: Teacher, temperature: float, tile: int) -> Tensor:
        with torch.autocast(image_nd.device.type, enabled=False):
            student, _ = _summed(image_nd, text_nd, log_scale.exp() / temperature, tile)
            other, _ = _summed(teacher.image_nd, teacher.text_nd, teacher.scale / temperature, tile)
            value = (student.row_n - other.row_n).sum() + (student.own_columns() - other.own_columns()).sum()
            for rows in _tiles(len(image_nd), tile):
                theirs_tm = other.logits(rows)
                apart_tm = theirs_tm - student.logits(rows)
                value += (other.probabilities(theirs_tm, rows) * apart_tm).sum()
            ctx.save_for_backward(*student)
            ctx.other, ctx.temperature, ctx.tile = other, temperature, tile
            return value * temperature**2 / (2 * len(image_nd))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        student = _Side(*ctx.saved_tensors)

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            return student.probabilities(logits_tm, rows).sub_(ctx.other.probabilities(ctx.other.logits(rows), rows))

        # Logits are divided by the temperature, so one factor of its square remains.
        worth = grad * ctx.temperature**2 / (2 * len(student.row_n))
        return (*_gradients(student[:3], ctx.tile, slope, worth, ctx.needs_input_grad[1])[:3], None, None, None)


class _Side(NamedTuple):
    """Student or teacher: the inputs of its logits, and the log-sum-exp of their rows and columns."""

    image_nd: Tensor
    texts_md: Tensor
    scale: Tensor
    row_n: Tensor
    column_m: Tensor

    def own_columns(self) -> Tensor:
        return self.column_m[_own_rows(self.row_n)]

    def logits(self, rows: slice) -> Tensor:
        return (self.image_nd[rows] * self.scale) @ self.texts_md.T

    def probabilities(self, logits_tm: Tensor, rows: slice) -> Tensor:
        """Return the sum of each logit's probabilities in its row and its column; overwrites `logits_tm`."""
        return torch.exp_(logits_tm - self.row_n[rows, None]).add_(logits_tm.sub_(self.column_m).exp_())


def _summed(image_nd: Tensor, text_nd: Tensor, scale: Tensor, tile: int) -> tuple[_Side, Tensor]:
    """Return the side for these features, and the logit of every pair of this process."""
    texts_md = gather_rows(text_nd)
    row_n, positive_n = image_nd.new_empty(len(image_nd)), image_nd.new_empty(len(image_nd))
    column_m = image_nd.new_full((len(texts_md),), -torch.inf)
    for rows in _tiles(len(image_nd), tile):
        logits_tm = (image_nd[rows] * scale) @ texts_md.T
        positive_n[rows] = _own_pairs(logits_tm, image_nd, rows)
        row_n[rows] = logits_tm.logsumexp(1)
        column_m = torch.logaddexp(column_m, logits_tm.logsumexp(0))
    return _Side(image_nd, texts_md, scale, row_n, _over_processes(column_m)), positive_n


def _over_processes(column_m: Tensor) -> Tensor:
    """Return the log-sum-exp over the processes, stable for values that overflow or underflow exp."""
    largest_m = all_max(column_m)
    return largest_m + all_sum((column_m - largest_m).exp()).log()


def _own_rows(x_n: Tensor) -> slice:
    """Return where this process's rows are among those of all."""
    return slice(rank() * len(x_n), (rank() + 1) * len(x_n))


def _own_pairs(logits_tm: Tensor, image_nd: Tensor, rows: slice) -> Tensor:
    """Return a view of the elements for an image and its own text."""
    return logits_tm.diagonal(rank() * len(image_nd) + rows.start)[: len(logits_tm)]


def _gradients(
    features: Sequence[Tensor], tile: int, slope: Callable[[Tensor, slice], Tensor], grad: Tensor, for_text: bool
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """Return the gradients of image, text, log scale and bias: recompute each tile's logits and sum up the loss's derivatives.

    `features`: of images, of texts, and the scale. `grad`: the incoming gradient, the same on all processes.
    """
    image_nd, texts_md, scale = features
    with torch.autocast(image_nd.device.type, enabled=False):
        of_image_nd = torch.empty_like(image_nd, memory_format=torch.contiguous_format)
        of_texts_md = torch.zeros_like(texts_md, memory_format=torch.contiguous_format) if for_text else None
        offset = scale.new_zeros(())
        for rows in _tiles(len(image_nd), tile):
            scaled_td = image_nd[rows] * scale
            slope_tm = slope(scaled_td @ texts_md.T, rows)
            torch.mm(slope_tm, texts_md, out=of_image_nd[rows])
            if of_texts_md is not None:
                of_texts_md.addmm_(slope_tm.T, scaled_td)
            offset += slope_tm.sum()
        of_image_nd.mul_(scale * grad)
        # The logits are linear in the scale, so the sum of derivative x logit is the product of the images with their gradient.
        log_scale, bias = all_mean(torch.stack([(image_nd * of_image_nd).sum(), offset * grad])).unbind()
        return of_image_nd, None if of_texts_md is None else scatter_sum(of_texts_md).mul_(grad), log_scale, bias


def _prepared(image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Check the shapes; return features and scale in float32, or in the features' own precision if that is higher."""
    if image_nd.ndim != 2 or image_nd.shape != text_nd.shape or not len(image_nd):
        shapes = f"shapes {list(image_nd.shape)} and {list(text_nd.shape)}"
        raise VlmAuditError("image and text features are not pairs", why=shapes, fix="give two of [n, d]")
    require_even(len(image_nd))
    dtype = torch.promote_types(torch.promote_types(image_nd.dtype, text_nd.dtype), torch.float32)
    return image_nd.to(dtype), text_nd.to(dtype), local_tensor(logit_scale).reshape(()).to(image_nd.device, dtype)


def _tile_rows(rows: int | None, text_nd: Tensor) -> int:
    if rows is not None and rows < 1:
        raise VlmAuditError(f"a tile of {rows} rows", fix="a tile has 1 row or more; leave it out for one that fits the machine")
    budget = TILE_ELEMENTS.get(text_nd.device.type, TILE_ELEMENTS["cuda"])
    return rows or max(SMALLEST_TILE, budget // (world_size() * len(text_nd)))


def _tiles(rows: int, tile: int) -> Iterator[slice]:
    return (slice(start, min(start + tile, rows)) for start in range(0, rows, tile))
