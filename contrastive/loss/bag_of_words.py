"""Bag-of-words prediction: which words the caption has, in whatever order. The second baseline of the efficiency comparison.

Source: Joulin et al. 2016, https://arxiv.org/abs/1511.02251; compared with contrastive training in Radford et al. 2021, figure 2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from contrastive.loss.per_pair import PerPair, words_mask
from contrastive.model.architecture import ModelConfig
from contrastive.model.clip import at_least_float32
from contrastive.model.flops import Cost, linear


class BagOfWords(PerPair):
    """Negative log-likelihood of the set of ids in a caption: each of the vocabulary is one yes-or-no question, asked of the image alone.

    Not a softmax over ids: so it is a probability of whole bags, and captions of different lengths compare. `config`: of the model whose
    image tower is taught. The text tower is not used. `generator`: source of the weights. None: torch's global one.
    """

    def __init__(self, config: ModelConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.eot = config.text.eot
        self.head = nn.Linear(config.embed_dim, config.text.vocab_size)
        with torch.no_grad():
            self.head.weight.normal_(0, 0.02, generator=generator)
            # An untrained head expects about one word a caption; at 0 it would expect half of the vocabulary.
            self.head.bias.fill_(-math.log(config.text.vocab_size))

    def log_likelihood(self, image_nd: Tensor, ids_nl: Tensor) -> Tensor:
        """Return log p(bag | image) of each row in nats: float[n]. A word that stands twice counts once; start, end, padding do not."""
        logits_nv = at_least_float32(self.head(image_nd))
        bag_nv = self.bags(ids_nl).to(logits_nv.dtype)
        # log sigmoid(u) = u + log sigmoid(-u): the words that are there add their logit to what "none" would have cost.
        none_n: Tensor = F.logsigmoid(-logits_nv).sum(dim=1)
        return none_n + (bag_nv * logits_nv).sum(dim=1)

    def cost(self, tokens: int) -> Cost:
        """Operations of one pair; the length of its text does not matter."""
        return Cost(linear(1, self.head.in_features, self.head.out_features))

    def bags(self, ids_nl: Tensor) -> Tensor:
        """Which ids stand between start and end of each row: bool[n, v]."""
        counts_nv = torch.zeros(len(ids_nl), self.head.out_features, dtype=torch.int32, device=ids_nl.device)
        return counts_nv.scatter_add_(1, ids_nl, words_mask(ids_nl, self.eot).int()) > 0
