"""What else two towers can be taught with: captions word by word, captions as bags of words, a teacher's opinion.

Every objective is a module ``objective(model, images_nchw, ids_nl) -> loss``: a scalar, the mean over the pairs. Its parameters are those
of its own head; the towers are the model's. `contrastive.losses` has the contrastive losses themselves.
"""

from __future__ import annotations

from contrastive.objectives.bag_of_words import BagOfWords
from contrastive.objectives.caption import Caption
from contrastive.objectives.contrast import Contrast
from contrastive.objectives.distil import Distillation
from contrastive.objectives.together import Objective, Together, make_objective

__all__ = ["BagOfWords", "Caption", "Contrast", "Distillation", "Objective", "Together", "make_objective"]
