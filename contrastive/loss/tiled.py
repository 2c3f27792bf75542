"""The losses of `contrastive.loss.dense` over the batch of all processes, a tile of rows at a time: memory of tile x batch, not batch x
batch.

The logits of a tile are computed, reduced and dropped; the backward pass computes them again. One path for one and for many processes,
without a setting: each process returns its share of the loss, and the mean of the shares is the loss of the whole batch. Feature
gradients are such that averaging the parameters' gradients over the processes, as DDP and FSDP2 do, gives that loss's exact gradient. The
gradients of the logit scale and bias are averaged here, because GradCache computes them outside any wrapper.

Symbols: n pairs of this process, m of all, t rows of a tile, d dimensions. ``log_scale`` is the logarithm of what multiplies the cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from contrastive.distributed import all_max, all_mean, all_sum, gather_rows, local_tensor, rank, require_even, scatter_sum, world_size
from contrastive.errors import VlmAuditError

Objective = Callable[..., Tensor]
"""``objective(image_nd, text_nd, logit_scale, logit_bias, tile=None)``: this process's share of the loss, a scalar."""

TILE_ELEMENTS = {"cpu": 2**22, "cuda": 2**26}
"""Logits in a tile where none is asked for: 16 MiB in float32 on a CPU (less leaves threads waiting for each other), 256 MiB on a GPU."""
SMALLEST_TILE = 64
"""Rows: fewer make the matrix products slow."""


def info_nce(image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor, logit_bias: Tensor | None = None, tile: int | None = None) -> Tensor:
    """Symmetric cross-entropy over the pairs of all processes.

    In nats, in at least float32 (autocast is off inside). Its mean over the processes (`distributed.all_mean`) is the loss. Raises
    `VlmAuditError` if image and text differ in shape, or the processes in the number of rows.

    `image_nd`, `text_nd`: this process's pairs, row i of both is one. As many rows on every process. `logit_scale`: the logarithm of the
    inverse temperature, one element: the model's parameter itself. `logit_bias`: has no effect: a softmax does not change when a constant
    is added to all its logits. `tile`: rows whose logits are held at a time. Changes memory and time, never the result beyond rounding.

    References
    ----------
    Radford et al. 2021, https://arxiv.org/abs/2103.00020; tiles and recomputation: Cheng et al. 2024, https://arxiv.org/abs/2410.17243
    """
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    share: Tensor = _InfoNCE.apply(image_nd, text_nd, log_scale, _tile_rows(tile, text_nd))  # type: ignore[no-untyped-call]
    return share


def sigmoid(image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor, logit_bias: Tensor | None = None, tile: int | None = None) -> Tensor:
    """Every image-caption combination of all processes is a yes-or-no question of its own.

    Parameters, result and errors are those of `info_nce`; in addition `logit_bias` (one element) is added to every logit, and without
    one `VlmAuditError` is raised.

    References
    ----------
    Zhai et al. 2023, https://arxiv.org/abs/2303.15343
    """
    if logit_bias is None:
        raise VlmAuditError("the sigmoid loss needs a model with a logit bias", fix='make the model with score_rule = "sigmoid"')
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    bias = local_tensor(logit_bias).reshape(()).to(log_scale)
    share: Tensor = _Sigmoid.apply(image_nd, text_nd, log_scale, bias, _tile_rows(tile, text_nd))  # type: ignore[no-untyped-call]
    return share


LOSSES: dict[str, Objective] = {"softmax": info_nce, "sigmoid": sigmoid}
"""By the names of `contrastive.loss.dense.LOSSES`."""


class Teacher(NamedTuple):
    """What another model says of this process's pairs."""

    image_nd: Tensor
    text_nd: Tensor
    """Rows of length 1; as many dimensions as the teacher has."""
    scale: Tensor
    """Multiplies its cosines (not a logarithm)."""


def divergence(
    image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor, teacher: Teacher, temperature: float = 1.0, tile: int | None = None
) -> Tensor:
    """Mean Kullback-Leibler divergence of rows and columns of the matrix of all processes' pairs from a teacher's, times temperature^2.

    Parameters, result and errors are those of `info_nce`; the teacher has no gradient. Both sides' logits are divided by `temperature`.
    `contrastive.loss.distillation.divergence` is the dense form. A teacher who is sure of the pairs makes it `info_nce`.
    """
    image_nd, text_nd, log_scale = _prepared(image_nd, text_nd, logit_scale)
    their_image, their_text, _ = _prepared(teacher.image_nd, teacher.text_nd, logit_scale)
    theirs = Teacher(their_image, their_text, local_tensor(teacher.scale).detach().reshape(()).to(log_scale))
    share: Tensor = _Divergence.apply(image_nd, text_nd, log_scale, theirs, temperature, _tile_rows(tile, text_nd))  # type: ignore[no-untyped-call]
    return share


class _InfoNCE(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, tile: int) -> Tensor:
        with torch.autocast(image_nd.device.type, enabled=False):
            first, texts_md = rank() * len(image_nd), gather_rows(text_nd)
            row_n, column_m, positive_n = _log_sums(image_nd, texts_md, log_scale.exp(), tile, first)
            column_m = _over_processes(column_m)
            own_columns = column_m[first : first + len(image_nd)]
            ctx.save_for_backward(image_nd, texts_md, log_scale, row_n, column_m)
            ctx.tile, ctx.first = tile, first
            return ((row_n - positive_n) + (own_columns - positive_n)).mean() / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image_nd, texts_md, log_scale, row_n, column_m = ctx.saved_tensors

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            slope_tm = torch.exp_(logits_tm - row_n[rows, None]).add_(logits_tm.sub_(column_m).exp_())
            slope_tm.diagonal(ctx.first + rows.start)[: len(slope_tm)].sub_(2)
            return slope_tm

        sums = _Slopes(image_nd, texts_md, log_scale.exp(), ctx.tile, slope)
        image, text, scale, _ = sums.gradients(grad / (2 * len(image_nd)), ctx.needs_input_grad[1])
        return image, text, scale, None


def _log_sums(image_nd: Tensor, texts_md: Tensor, scale: Tensor, tile: int, first: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the log-sum-exp of every row and (over the rows of this process) column, and the logit of every pair."""
    row_n, positive_n = image_nd.new_empty(len(image_nd)), image_nd.new_empty(len(image_nd))
    column_m = image_nd.new_full((len(texts_md),), -torch.inf)
    for rows in _tiles(len(image_nd), tile):
        logits_tm = (image_nd[rows] * scale) @ texts_md.T
        positive_n[rows] = logits_tm.diagonal(first + rows.start)[: len(logits_tm)]
        row_n[rows] = logits_tm.logsumexp(1)
        column_m = torch.logaddexp(column_m, logits_tm.logsumexp(0))
    return row_n, column_m, positive_n


def _over_processes(column_m: Tensor) -> Tensor:
    """Return the log of the sum over the processes of exp(column), for columns too large or too small for exp."""
    largest_m = all_max(column_m)
    return largest_m + all_sum((column_m - largest_m).exp()).log()


class _Sigmoid(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, bias: Tensor, tile: int) -> Tensor:
        with torch.autocast(image_nd.device.type, enabled=False):
            first, texts_md = rank() * len(image_nd), gather_rows(text_nd)
            row_n = image_nd.new_empty(len(image_nd))
            for rows in _tiles(len(image_nd), tile):
                logits_tm = torch.addmm(bias, image_nd[rows] * log_scale.exp(), texts_md.T)
                logits_tm.diagonal(first + rows.start)[: len(logits_tm)].neg_()
                row_n[rows] = functional.logsigmoid(logits_tm.neg_()).sum(1).neg_()
            ctx.save_for_backward(image_nd, texts_md, log_scale, bias)
            ctx.tile, ctx.first = tile, first
            return row_n.mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        image_nd, texts_md, log_scale, bias = ctx.saved_tensors

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            logits_tm.add_(bias)
            positive_t = logits_tm.diagonal(ctx.first + rows.start)[: len(logits_tm)]
            # sigmoid(u) - 1 is -sigmoid(-u), which keeps its digits when a pair is almost learnt.
            positive_t.neg_()
            logits_tm.sigmoid_()
            positive_t.neg_()
            return logits_tm

        sums = _Slopes(image_nd, texts_md, log_scale.exp(), ctx.tile, slope)
        image, text, scale, offset = sums.gradients(grad / len(image_nd), ctx.needs_input_grad[1])
        return image, text, scale, offset, None


@dataclass(frozen=True)
class _Side:
    """Student or teacher: its logits, tile by tile, and what makes probabilities of their rows and columns."""

    image_nd: Tensor
    texts_md: Tensor
    scale: Tensor
    row_n: Tensor
    column_m: Tensor

    @classmethod
    def of(cls, image_nd: Tensor, text_nd: Tensor, scale: Tensor, tile: int) -> _Side:
        texts_md = gather_rows(text_nd)
        row_n, column_m, _ = _log_sums(image_nd, texts_md, scale, tile, rank() * len(image_nd))
        return cls(image_nd, texts_md, scale, row_n, _over_processes(column_m))

    def logits(self, rows: slice) -> Tensor:
        return (self.image_nd[rows] * self.scale) @ self.texts_md.T

    def probabilities(self, logits_tm: Tensor, rows: slice) -> Tensor:
        """Return each logit's probability in its row plus that in its column."""
        return torch.exp(logits_tm - self.row_n[rows, None]).add_((logits_tm - self.column_m).exp_())


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image_nd: Tensor, text_nd: Tensor, log_scale: Tensor, teacher: Teacher, temperature: float, tile: int) -> Tensor:
        n, first = len(image_nd), rank() * len(image_nd)
        with torch.autocast(image_nd.device.type, enabled=False):
            student = _Side.of(image_nd, text_nd, log_scale.exp() / temperature, tile)
            other = _Side.of(teacher.image_nd, teacher.text_nd, teacher.scale / temperature, tile)
            columns = slice(first, first + n)
            value = (student.row_n - other.row_n).sum() + (student.column_m[columns] - other.column_m[columns]).sum()
            for rows in _tiles(n, tile):
                theirs_tm = other.logits(rows)
                value += (other.probabilities(theirs_tm, rows) * (theirs_tm - student.logits(rows))).sum()
            ctx.save_for_backward(image_nd, student.texts_md, student.scale, student.row_n, student.column_m)
            ctx.other, ctx.temperature, ctx.tile = other, temperature, tile
            return value * temperature**2 / (2 * n)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        student = _Side(*ctx.saved_tensors)

        def slope(logits_tm: Tensor, rows: slice) -> Tensor:
            return student.probabilities(logits_tm, rows).sub_(ctx.other.probabilities(ctx.other.logits(rows), rows))

        sums = _Slopes(student.image_nd, student.texts_md, student.scale, ctx.tile, slope)
        # Logits are divided by the temperature: of its square one factor is left.
        image, text, scale, _ = sums.gradients(grad * ctx.temperature**2 / (2 * len(student.image_nd)), ctx.needs_input_grad[1])
        return image, text, scale, None, None, None


class _Slopes:
    """The backward pass that both losses share: a tile's logits again, the loss's slope at each, and the sums of those."""

    def __init__(self, image_nd: Tensor, texts_md: Tensor, scale: Tensor, tile: int, slope: Callable[[Tensor, slice], Tensor]):
        self.image_nd, self.texts_md, self.scale, self.tile, self.slope = image_nd, texts_md, scale, tile, slope

    def gradients(self, grad: Tensor, for_text: bool) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
        """Return the gradients of image, text, log scale and bias. `grad` is what a slope of 1 is worth; the same on all processes."""
        with torch.autocast(self.image_nd.device.type, enabled=False):
            image_nd, texts_md, offset = self._summed(for_text)
            image_nd.mul_(self.scale * grad)
            # The logits are linear in the scale, so that the sum of slope x logit is the product of the images with their own gradient.
            scalars = torch.stack([(self.image_nd * image_nd).sum(), offset * grad])
            log_scale, bias = all_mean(scalars).unbind()
            return image_nd, scatter_sum(texts_md).mul_(grad) if for_text else None, log_scale, bias

    def _summed(self, for_text: bool) -> tuple[Tensor, Tensor, Tensor]:
        image_nd = torch.empty_like(self.image_nd, memory_format=torch.contiguous_format)
        texts_md = torch.zeros_like(self.texts_md, memory_format=torch.contiguous_format) if for_text else self.texts_md
        offset = self.scale.new_zeros(())
        for rows in _tiles(len(image_nd), self.tile):
            scaled_td = self.image_nd[rows] * self.scale
            slope_tm = self.slope(scaled_td @ self.texts_md.T, rows)
            torch.mm(slope_tm, self.texts_md, out=image_nd[rows])
            if for_text:
                texts_md.addmm_(slope_tm.T, scaled_td)
            offset += slope_tm.sum()
        return image_nd, texts_md, offset


def _prepared(image_nd: Tensor, text_nd: Tensor, logit_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Check the shapes; return features and scale in float32, or in the features' own precision if that is higher."""
    if image_nd.ndim != 2 or image_nd.shape != text_nd.shape or not len(image_nd):
        shapes = f"shapes {list(image_nd.shape)} and {list(text_nd.shape)}"
        raise VlmAuditError("image and text features are not pairs", why=shapes, fix="give two of [n, d]")
    require_even(len(image_nd))
    dtype = torch.promote_types(torch.promote_types(image_nd.dtype, text_nd.dtype), torch.float32)
    return image_nd.to(dtype), text_nd.to(dtype), local_tensor(logit_scale).reshape(()).to(image_nd.device, dtype)


def _tile_rows(asked: int | None, text_nd: Tensor) -> int:
    if asked is not None and asked < 1:
        raise VlmAuditError(f"a tile of {asked} rows", fix="a tile has 1 row or more; leave it out for one that fits the machine")
    budget = TILE_ELEMENTS.get(text_nd.device.type, TILE_ELEMENTS["cuda"])
    return asked or max(SMALLEST_TILE, budget // (world_size() * len(text_nd)))


def _tiles(rows: int, tile: int) -> Iterator[slice]:
    return (slice(start, min(start + tile, rows)) for start in range(0, rows, tile))
