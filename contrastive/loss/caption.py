"""Image captioning, the VirTex-like baseline: a small decoder generates the caption word by word from the image's feature.

Source: Desai and Johnson 2021, https://arxiv.org/abs/2006.06666; compared with contrastive training in Radford et al. 2021, figure 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.loss.per_pair import PerPair, words_mask
from contrastive.model.architecture import ModelConfig, TextConfig
from contrastive.model.blocks import Transformer
from contrastive.model.clip import at_least_float32
from contrastive.model.flops import Cost, linear, transformer
from contrastive.model.towers import end_positions


class Caption(PerPair):
    """Negative log-likelihood of a caption given its image: about (words + 1) * ln(vocabulary) for an untrained head.

    The image's feature (`CLIP.encode_image`, not normalised) becomes the first tokens (`prefix`) of a causal transformer as wide as the
    text tower; a prefix instead of VirTex's cross-attention, so that it works with any image tower and all information on the image
    passes through the feature that is compared afterwards. The text tower is not used. The output layer is the token embedding.
    `both_directions`: a second decoder with the same embeddings generates the words in reverse order, as in VirTex; the loss is the mean of
    the two. `generator`: source of the weights. None: torch's global one.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        layers: int = 1,
        prefix: int = 1,
        both_directions: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        text = config.text
        self.eot, self.prefix = text.eot, prefix
        self.read = nn.Linear(config.embed_dim, prefix * text.width)
        self.token_embedding = nn.Embedding(text.vocab_size, text.width)
        self.positional_embedding = nn.Parameter(torch.empty(prefix + text.context, text.width))
        decoders = (Transformer(text.width, layers, text.head_width, config) for _ in range(2 if both_directions else 1))
        self.decoders = nn.ModuleList(decoders)
        self.ln_final = nn.LayerNorm(text.width, eps=config.layer_norm_eps)
        self._reset(text, generator)

    @torch.no_grad()
    def _reset(self, text: TextConfig, generator: torch.Generator | None) -> None:
        self.read.weight.normal_(0, self.read.in_features**-0.5, generator=generator)
        self.read.bias.zero_()
        # The embedding is also the output layer: with this spread, the initial prediction is nearly uniform over the vocabulary.
        self.token_embedding.weight.normal_(0, 0.02, generator=generator)
        self.positional_embedding.normal_(0, 0.01, generator=generator)
        for decoder in self.decoders:
            decoder.reset(generator)  # type: ignore[operator]

    def log_likelihood(self, image_nd: Tensor, ids_nl: Tensor) -> Tensor:
        """Return log p(caption | image) of each row in nats, end of text included: float[n], the mean over the directions."""
        orders = (ids_nl, reversed_words(ids_nl, self.eot))
        sums = [self._of_one_direction(image_nd, ids, decoder) for ids, decoder in zip(orders, self.decoders, strict=False)]
        return torch.stack(sums).mean(dim=0)

    def cost(self, tokens: int) -> Cost:
        """Return the operations of one pair: in each direction the decoder over prefix and words, and the output layer over the words."""
        vocabulary, width = self.token_embedding.weight.shape
        inside = transformer(self.prefix + tokens - 1, width, len(self.decoders[0].resblocks))  # type: ignore[arg-type]
        around = linear(1, self.read.in_features, self.read.out_features) + linear(tokens - 1, width, vocabulary)
        return Cost(len(self.decoders) * (inside + around))

    def _of_one_direction(self, image_nd: Tensor, ids_nl: Tensor, decoder: nn.Module) -> Tensor:
        logits_nlv = at_least_float32(self.logits(image_nd, ids_nl, decoder))
        nats_nl = F.cross_entropy(logits_nlv.transpose(1, 2), ids_nl[:, 1:], reduction="none")
        place_l = torch.arange(1, ids_nl.shape[1], device=ids_nl.device)
        return -(nats_nl * (place_l <= end_positions(ids_nl, self.eot)[:, None])).sum(dim=1)

    def logits(self, image_nd: Tensor, ids_nl: Tensor, decoder: nn.Module | None = None) -> Tensor:
        """Return float[n, l - 1, v]: position i predicts position i + 1 from the image and positions 0 to i."""
        prefix_npd = self.read(image_nd).reshape(len(image_nd), self.prefix, -1)
        x_nld = torch.cat([prefix_npd, self.token_embedding(ids_nl[:, :-1])], dim=1)
        x_nld = x_nld + self.positional_embedding[: x_nld.shape[1]]
        x_nld = (decoder or self.decoders[0])(x_nld, causal=True)
        return self.ln_final(x_nld[:, self.prefix :]) @ self.token_embedding.weight.T  # type: ignore[no-any-return]


def reversed_words(ids_nl: Tensor, eot: int) -> Tensor:
    """Return the same texts with their words in reverse order; start, end and padding stay in place.

    Examples
    --------
    >>> reversed_words(torch.tensor([[8, 5, 6, 7, 9, 0], [8, 5, 9, 0, 0, 0]]), eot=9).tolist()
    [[8, 7, 6, 5, 9, 0], [8, 5, 9, 0, 0, 0]]
    """
    place_l = torch.arange(ids_nl.shape[1], device=ids_nl.device)
    mirrored_nl = torch.where(words_mask(ids_nl, eot), end_positions(ids_nl, eot)[:, None] - place_l, place_l)
    return ids_nl.gather(1, mirrored_nl)
