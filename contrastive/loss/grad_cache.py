"""GradCache: the exact gradient of a large batch on a device that can hold only part of it.

A contrastive loss is not a sum over micro-batches, because every pair needs the features of all others. So the towers run twice: first
without gradients, to get all features. Then the loss is computed once, on the whole batch, for the gradient of every feature (and of the
logit scale and bias). Then each micro-batch runs again, with its original random state, to propagate the gradient of its features
into the towers.

Source: Gao et al. 2021, https://arxiv.org/abs/2101.06983; random state, temperature and batch norm are handled so that the result is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from contrastive.distributed import no_sync
from strictio.errors import UsageError

Batch = tuple[Tensor, ...]
Loss = Callable[[Tensor, Tensor], Tensor]
Context = Callable[[], AbstractContextManager[object]]


def split_parts(batch: Batch, parts: int) -> list[Batch]:
    """Return `parts` micro-batches of consecutive rows whose sizes differ by at most one. Raises `UsageError` if there are fewer rows."""
    if not 1 <= parts <= len(batch[0]):
        raise UsageError(f"a batch of {len(batch[0])} pairs cannot be taken in {parts} parts", fix="accumulate over fewer parts")
    return list(zip(*(torch.tensor_split(column, parts) for column in batch), strict=True))


def accumulate(
    model: nn.Module, batches: Sequence[Batch], loss: Loss, *, within: Context = nullcontext, generators: Sequence[torch.Generator] = ()
) -> Tensor:
    """Add to every parameter's ``grad`` what one backward pass over the whole batch would; return the loss, detached.

    `model`: as `contrastive.distributed.wrap` returns it; its first two results for a micro-batch are image and text
    features, one row per sample. `batches`: the arguments of each call of `model`, the same number on every process; with one, nothing
    is computed twice. `loss`: ``loss(image_nd, text_nd)`` of the whole batch; its gradient flows into the features and its other inputs
    (logit scale, bias). For fp16, scale the loss in here; the result is then scaled, too. `within`: creates the context of every
    forward pass, such as ``lambda: torch.autocast("cuda", torch.bfloat16)``; the loss runs outside. `generators`: random generators of the
    model besides torch's own, which is always replayed. Raises like `refuse_batch_statistics` if there is more than one micro-batch.
    """
    if len(batches) == 1:
        with within():
            features = model(*batches[0])[:2]
        value = loss(*features)
        value.backward()  # type: ignore[no-untyped-call]
        return value.detach()
    refuse_batch_statistics(model)
    restorers, first = _encode_all(model, batches, within, generators)
    value, slopes = _feature_gradients(first, loss)
    for index, (batch, restore, slope) in enumerate(zip(batches, restorers, slopes, strict=True)):
        restore()
        with no_sync(model, on=index < len(batches) - 1):
            with within():
                features = model(*batch)[:2]
            _carry(features, slope)
    return value


def add_up(model: nn.Module, batches: Sequence[Batch], *, within: Context = nullcontext, factor: float = 1.0) -> Tensor:
    """Like `accumulate`, for a loss that is a mean over pairs: gradients of parts add up, and nothing is computed twice.

    `model`: returns the mean loss of the pairs in a micro-batch. `factor`: multiplies the loss, for fp16; the result is
    multiplied, too. Everything else, including errors, is as for `accumulate`.
    """
    if len(batches) > 1:
        refuse_batch_statistics(model)
    rows, shares = sum(len(batch[0]) for batch in batches), []
    for index, batch in enumerate(batches):
        with no_sync(model, on=index < len(batches) - 1):
            with within():
                value = model(*batch)
            share = value * (factor * len(batch[0]) / rows)
            share.backward()
        shares.append(share.detach())
    return torch.stack(shares).sum()


def freeze_batch_norm(model: nn.Module) -> None:
    """Make batch norm use its running statistics without updating them. Call it again after each ``model.train()``."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


def refuse_batch_statistics(model: nn.Module) -> None:
    """Raise `UsageError` if a batch norm is in train mode, because several micro-batches would then not be exact."""
    if any(isinstance(module, _BatchNorm) and module.training for module in model.modules()):
        fix = "optim.accumulate=1, or a vision transformer; in Python also contrastive.loss.grad_cache.freeze_batch_norm"
        why = "each micro-batch would be normalised by its own mean and variance, not by the batch's"
        raise UsageError("accumulation is not exact with batch norm in train mode", why=why, fix=fix)


def _encode_all(
    model: nn.Module, batches: Sequence[Batch], within: Context, generators: Sequence[torch.Generator]
) -> tuple[list[Callable[[], None]], list[tuple[Tensor, Tensor]]]:
    """Return, for each micro-batch, a function that restores its random state, and its features."""
    restorers, features = [], []
    with torch.no_grad():
        for batch in batches:
            restorers.append(_random_state(model, generators))
            with within():
                features.append(model(*batch)[:2])
    # Autocast must not reuse weights that it cast without gradients in the pass that needs gradients.
    torch.clear_autocast_cache()
    return restorers, features


def _feature_gradients(features: Sequence[tuple[Tensor, Tensor]], loss: Loss) -> tuple[Tensor, list[tuple[Tensor | None, ...]]]:
    """Return the loss, and the gradients of each micro-batch's image and text features; None if the loss does not use them."""
    leaves = [torch.cat(column).requires_grad_() for column in zip(*features, strict=True)]
    value = loss(*leaves)
    value.backward()  # type: ignore[no-untyped-call]
    sizes = [len(image_nd) for image_nd, _ in features]
    parts = [[None] * len(sizes) if leaf.grad is None else torch.split(leaf.grad, sizes) for leaf in leaves]
    return value.detach(), list(zip(*parts, strict=True))


def _carry(features: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> None:
    """Propagate the gradients of features into the towers, except into locked ones."""
    led = [(feature, slope) for feature, slope in zip(features, slopes, strict=True) if feature.requires_grad and slope is not None]
    torch.autograd.backward([feature for feature, _ in led], [slope for _, slope in led])


def _random_state(model: nn.Module, generators: Sequence[torch.Generator]) -> Callable[[], None]:
    """Return a function that restores all random generators of a model to their current state."""
    cpu, gpus = torch.get_rng_state(), {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    on_gpus = [(gpu, torch.cuda.get_rng_state(gpu)) for gpu in gpus]
    own = [(generator, generator.get_state()) for generator in generators]

    def restore() -> None:
        torch.set_rng_state(cpu)
        for gpu, state in on_gpus:
            torch.cuda.set_rng_state(state, gpu)
        for generator, state in own:
            generator.set_state(state)

    return restore
