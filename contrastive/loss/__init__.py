"""Training objectives: contrastive losses, distillation from a teacher, captioning, and bag-of-words prediction.

Every objective is a module ``objective(model, images_nchw, ids_nl, kept_nk=None) -> loss``: a scalar, the mean over the pairs. Its
parameters are those of its head; the towers belong to the model. `contrastive.training.step` handles two kinds separately:
a `PerPair` loss is a mean over independent pairs; a `Contrast` needs the features of all pairs of all processes (`Contrast.share`).
`contrastive.loss.dense` has the contrastive losses themselves, `contrastive.loss.tiled` their tiled form, `contrastive.loss.by_group`
their weights by group.
"""

from __future__ import annotations

from contrastive.loss.bag_of_words import BagOfWords
from contrastive.loss.by_group import FixedWeights, GroupDRO, GroupLoss
from contrastive.loss.caption import Caption
from contrastive.loss.distillation import Distillation
from contrastive.loss.objective import Contrast, ModelWithHead, Objective, make_objective
from contrastive.loss.per_pair import UNTAUGHT, PerPair

__all__ = [
    "UNTAUGHT",
    "BagOfWords",
    "Caption",
    "Contrast",
    "Distillation",
    "FixedWeights",
    "GroupDRO",
    "GroupLoss",
    "ModelWithHead",
    "Objective",
    "PerPair",
    "make_objective",
]  # fmt: skip
