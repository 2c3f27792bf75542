"""Bag-of-words prediction: which words a caption has, regardless of order. The second baseline of the efficiency comparison.

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
    """Negative log-likelihood of the set of ids in a caption: a binary classification for each vocabulary entry, from the image alone.

    Because it is not a softmax over ids, it is a probability of whole bags, and comparable across caption lengths. `config`: of the model
    whose image tower is trained. The text tower is not used. `generator`: source of the weights. None: torch's global one.
    """

    def __init__(self, config: ModelConfig, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.eot = config.text.eot
        self.head = nn.Linear(config.embed_dim, config.text.vocab_size)
        with torch.no_grad():
            self.head.weight.normal_(0, 0.02, generator=generator)
            # An untrained head expects about one word per caption; with 0, it would expect half of the vocabulary.
            self.head.bias.fill_(-math.log(config.text.vocab_size))

    def log_likelihood(self, image_nd: Tensor, ids_nl: Tensor) -> Tensor:
        """Return log p(bag | image) of each row in nats: float[n]. Repeated words count once; start, end and padding do not count."""
        logits_nv = at_least_float32(self.head(image_nd))
        bag_nv = self.bags(ids_nl).to(logits_nv.dtype)
        # log sigmoid(u) = u + log sigmoid(-u): words in the caption add their logit to the cost of an empty bag.
        none_n: Tensor = F.logsigmoid(-logits_nv).sum(dim=1)
        return none_n + (bag_nv * logits_nv).sum(dim=1)

    def cost(self, tokens: int) -> Cost:
        """Operations of one pair, which do not depend on the length of its text."""
        return Cost(linear(1, self.head.in_features, self.head.out_features))

    def bags(self, ids_nl: Tensor) -> Tensor:
        """Which ids occur between start and end of each row: bool[n, v]."""
        counts_nv = torch.zeros(len(ids_nl), self.head.out_features, dtype=torch.int32, device=ids_nl.device)
        return counts_nv.scatter_add_(1, ids_nl, words_mask(ids_nl, self.eot).int()) > 0
