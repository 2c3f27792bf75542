"""Dense contrastive losses of one batch: each image compared with its own caption and all others.

Symbols: n pairs, d dimensions; ``image_nd`` and ``text_nd`` have rows of length 1 (`contrastive.model.clip.CLIP` gives them), pair i in
row i of both. Logits and losses are always fp32: in bfloat16, a logit at scale 100 is off by 0.1.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from contrastive.model.clip import at_least_float32

Loss = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]  # (images, texts, scale, bias) -> mean over the pairs


def info_nce(image_nd: Tensor, text_nd: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Symmetric cross-entropy: each image is classified among the batch's captions, and each caption among its images.

    In nats; about ln n for an untrained model, 0 at best. `scale` (one element) multiplies the cosines: the inverse temperature. `bias` has
    no effect, because a softmax is invariant to a constant added to all logits.

    References
    ----------
    Radford et al. 2021, https://arxiv.org/abs/2103.00020, figure 3
    """
    with torch.autocast(image_nd.device.type, enabled=False):
        image_nd, text_nd = at_least_float32(image_nd), at_least_float32(text_nd)
        logits_nn = scale.reshape(()).to(image_nd.dtype) * (image_nd @ text_nd.T)
        target_n = torch.arange(len(logits_nn), device=logits_nn.device)
        return (functional.cross_entropy(logits_nn, target_n) + functional.cross_entropy(logits_nn.T, target_n)) / 2


def sigmoid(image_nd: Tensor, text_nd: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    """Binary classification of every image-caption combination.

    In nats: the sum over the n captions, averaged over the images. `scale`, `bias`: logits are ``scale * cosine + bias``, one element each;
    good initial values are 10 and -10. Raises `ValueError` if `bias` is None, because without it the n - 1 wrong captions of an image
    outweigh the right one at the start.

    References
    ----------
    Zhai et al. 2023, https://arxiv.org/abs/2303.15343
    """
    if bias is None:
        raise ValueError("the sigmoid loss needs a model with a logit bias")
    with torch.autocast(image_nd.device.type, enabled=False):
        image_nd, text_nd = at_least_float32(image_nd), at_least_float32(text_nd)
        logits_nn = scale.reshape(()).to(image_nd.dtype) * (image_nd @ text_nd.T) + bias.reshape(()).to(image_nd.dtype)
        sign_nn = 2 * torch.eye(len(logits_nn), dtype=logits_nn.dtype, device=logits_nn.device) - 1
        # -log(sigmoid(z)) = softplus(-z), which neither overflows nor rounds to log(0).
        return functional.softplus(-sign_nn * logits_nn).sum() / len(logits_nn)


LOSSES: dict[str, Loss] = {"softmax": info_nce, "sigmoid": sigmoid}
