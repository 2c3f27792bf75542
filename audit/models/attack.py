"""Adversarial attacks: moves pixels against the right answer along gradients, and returns the embeddings of the attacked images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from audit.models.runtime import to_rows

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

LEVELS = 255
"""Number of levels of a channel above 0."""
_ROUNDING = 0.02
"""Tolerance, in levels, for rounding when pixels are recovered from the model's input."""


class PixelScale(NamedTuple):
    """How a model's input is computed from pixels in [0, 1], per channel: ``(pixels - mean) / std``."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> PixelScale:
        """The scale of an image processor in the Hugging Face format, from its settings."""
        factor = LEVELS * (settings["rescale_factor"] if settings.get("do_rescale", True) else 1.0)
        mean, std = settings.get("image_mean"), settings.get("image_std")
        if not settings.get("do_normalize", True) or mean is None or std is None:
            mean, std = (0.0,) * 3, (1.0,) * 3
        return cls(*(tuple(value / factor for value in values) for values in (mean, std)))

    def pixels(self, inputs_nchw: Tensor) -> Tensor | None:
        """Recover the pixels from a model's input; None if they are not whole levels, because of other processing."""
        if inputs_nchw.ndim != 4 or inputs_nchw.shape[1] != len(self.mean):
            return None
        mean, std = self._channels(inputs_nchw)
        pixels = inputs_nchw.float() * std + mean
        levels = LEVELS * pixels
        whole = bool(((levels - levels.round()).abs() < _ROUNDING).all()) and bool(((levels > -0.5) & (levels < LEVELS + 0.5)).all())
        return pixels.clamp(0, 1) if whole else None

    def inputs(self, pixels_nchw: Tensor) -> Tensor:
        """The model's input for pixels, differentiable."""
        mean, std = self._channels(pixels_nchw)
        return (pixels_nchw - mean) / std

    def _channels(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(values, device=like.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return mean, std


def attack(encode: Callable[[Tensor], Tensor], pixels_nchw: Tensor, texts_kd: Tensor, right_n: Tensor, budget: float, steps: int) -> Tensor:
    """The embeddings of images after every channel of every pixel moved by at most `budget`, to make the right text less likely.

    ``x <- clip(x + step sign(grad loss))``, projected onto the budget and onto [0, 1]: FGSM with one step, PGD with several (a quarter of
    the budget each), without a random start, so that runs are reproducible. The loss is the cross-entropy of cosines times 100; its sign
    does not depend on the model's own scale except for rounding.

    Parameters
    ----------
    encode : callable
        Pixels in [0, 1] to features, differentiable.
    pixels_nchw : float[n, 3, h, w]
        In [0, 1].
    texts_kd : float[k, d]
        One direction per label.
    right_n : int[n]
        Index of the right label of each image.
    budget : float
        In the unit of the pixels: 1 / 255 is one level. 0 changes nothing.
    steps : int
        At least 1.

    References
    ----------
    Goodfellow et al. 2015, https://arxiv.org/abs/1412.6572; Madry et al. 2018, https://arxiv.org/abs/1706.06083

    Examples
    --------
    The embedding is the mean red and green; red is the right label, and the image moves towards green.

    >>> mean = lambda x: x.mean(dim=(2, 3))[:, :2]
    >>> red = torch.tensor([0.6, 0.5, 0.0]).view(1, 3, 1, 1)
    >>> attack(mean, red, torch.eye(2), torch.tensor([0]), 0.1, 1)
    tensor([[0.5000, 0.6000]])
    """
    moved, directions = pixels_nchw.clone(), F.normalize(texts_kd.to(pixels_nchw), dim=-1)
    step = budget if steps == 1 else budget / 4
    for _ in range(steps):
        with torch.inference_mode(False), torch.enable_grad():
            moved = moved.detach().clone().requires_grad_()
            scores = 100 * F.normalize(encode(moved).float(), dim=-1) @ directions.float().T
            (slope,) = torch.autograd.grad(F.cross_entropy(scores, right_n, reduction="sum"), moved)
        away = (moved + step * slope.sign()).clamp(pixels_nchw - budget, pixels_nchw + budget)
        moved = away.clamp(0, 1).detach()
    with torch.no_grad():
        return encode(moved)


def attacked_rows(
    encode: Callable[[Tensor], Tensor],
    pixels_nchw: Tensor,
    texts: Float[np.ndarray, "k d"],
    right: Sequence[int],
    budget: float,
    steps: int,
) -> Float[np.ndarray, "n d"]:
    """The embeddings of attacked images (`attack`), on the host; `budget` in levels of 1/255."""
    device = pixels_nchw.device
    targets = torch.from_numpy(texts).to(device), torch.tensor(right, device=device)
    return to_rows(attack(encode, pixels_nchw, *targets, budget / LEVELS, steps))
