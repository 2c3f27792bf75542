"""What two towers can be taught with: their own comparison, a teacher's opinion, captions word by word, captions as bags of words.

Every objective is a module ``objective(model, images_nchw, ids_nl, kept_nk=None) -> loss``: a scalar, the mean over the pairs. Its
parameters are those of its own head; the towers are the model's. There are two sorts, and `contrastive.training.step` has a line for
each: a `PerPair` loss is a sum over pairs; a `Contrast` needs the features of all pairs of all processes (`Contrast.share`).
`contrastive.loss.dense` has the contrastive losses themselves, `contrastive.loss.tiled` their tiled form.
"""

from __future__ import annotations

from contrastive.loss.bag_of_words import BagOfWords
from contrastive.loss.caption import Caption
from contrastive.loss.distillation import Distillation
from contrastive.loss.objective import Contrast, Objective, Together, make_objective
from contrastive.loss.per_pair import UNTAUGHT, PerPair

__all__ = ["UNTAUGHT", "BagOfWords", "Caption", "Contrast", "Distillation", "Objective", "PerPair", "Together", "make_objective"]
