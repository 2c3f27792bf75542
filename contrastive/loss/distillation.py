"""Distillation: the student's similarity matrix for a batch should match the teacher's, in addition to the usual loss.

Source: the affinity term of Vasu et al. 2024 (MobileCLIP), https://arxiv.org/abs/2311.17049; softening after Hinton et al. 2015,
https://arxiv.org/abs/1503.02531
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from contrastive.checkpoint.file import Checkpoint
from contrastive.loss import tiled
from contrastive.loss.dense import LOSSES
from contrastive.loss.objective import Contrast, Share
from contrastive.model.clip import CLIP, at_least_float32
from contrastive.model.flops import image_cost, text_cost
from contrastive.model.pieces import AnyTokenizer
from contrastive.model.preprocess import Preprocess
from strictio.errors import UsageError


class Distillation(Contrast):
    """``(1 - weight)`` times the loss of the model's score rule, plus ``weight`` times the divergence from a teacher.

    Rows and columns of the logit matrix become probabilities, softened by the temperature. The divergence is the mean over both,
    times the squared temperature, so that its gradient keeps its scale. `forward` compares the given pairs, `share` those of all
    processes. The teacher is never trained and not part of ``state_dict``. Its vocabulary may differ from the student's (`tokenizer`):
    ids are decoded and encoded again. Its preprocessing must be the same, because it gets the student's batch. Raises `UsageError` if
    the preprocessing differs, or a number is out of range.
    """

    def __init__(
        self, teacher: Checkpoint, tokenizer: AnyTokenizer, preprocess: Preprocess, *, weight: float = 0.5, temperature: float = 1.0
    ) -> None:
        super().__init__()
        if not 0 <= weight <= 1:
            raise UsageError("the weight of a teacher must be between 0 and 1")
        if not 0 < temperature < float("inf"):
            raise UsageError("the temperature of distillation must be above 0")
        if teacher.preprocess.sha256 != preprocess.sha256:
            why = f"it takes {teacher.preprocess.size} pixels, the student {preprocess.size}; size, mean, std and resizing must be equal"
            what, fix = "the teacher was shown other pixels than the student is", "a teacher with the student's preprocessing"
            raise UsageError(what, why=why, fix=fix)
        self.weight, self.temperature = weight, temperature
        same = teacher.tokenizer.sha256 == tokenizer.sha256
        if not same and teacher.tokenizer.kind != tokenizer.kind:
            why = (
                f"it has a tokenizer of kind {teacher.tokenizer.kind}, the student of kind {tokenizer.kind}: ids do not say what a text was"
            )
            raise UsageError(
                "the teacher reads texts in another way than the student", why=why, fix="a teacher with the student's tokenizer"
            )
        self._reader = None if same else (tokenizer, teacher.tokenizer)
        # In a tuple, so that torch does not register it: a teacher has no trainable parameters and stays in eval mode.
        self._teacher = (teacher.model.eval().requires_grad_(False),)

    def forward(self, model: CLIP, images_nchw: Tensor, ids_nl: Tensor, kept_nk: Tensor | None = None) -> Tensor:
        """Return the dense loss, the mean over the given pairs, in nats. The teacher sees all patches."""
        image_nd, text_nd, scale = model(images_nchw, ids_nl, kept_nk)
        usual = LOSSES[model.config.score_rule](image_nd, text_nd, scale, model.logit_bias)
        teacher = self.opinion([(images_nchw, ids_nl)])
        logits_nn, teacher_nn = scale * (image_nd @ text_nd.T), teacher.scale * (teacher.image_nd @ teacher.text_nd.T)
        return (1 - self.weight) * usual + self.weight * divergence(logits_nn, teacher_nn, self.temperature)

    def share(self, model: CLIP, parts: Sequence[tuple[Tensor, ...]], tile: int | None = None, weigh: tiled.Weigh | None = None) -> Share:
        """Everything is as for `Contrast.share`; `weigh` weighs the usual loss, not the divergence."""
        usual, teacher = super().share(model, parts, tile, weigh), self.opinion(parts)

        def share(image_nd: Tensor, text_nd: Tensor) -> Tensor:
            apart = tiled.divergence(image_nd, text_nd, model.logit_scale, teacher, self.temperature, tile)
            return (1 - self.weight) * usual(image_nd, text_nd) + self.weight * apart

        return share

    @torch.no_grad()
    def opinion(self, parts: Sequence[tuple[Tensor, ...]]) -> tiled.Teacher:
        """Return the teacher's features for the parts of a batch, and its scale."""
        teacher = self._teacher[0].to(parts[0][0].device)
        features = [teacher(images_nchw, self.teacher_ids(ids_nl))[:2] for images_nchw, ids_nl, *_ in parts]
        image_nd, text_nd = (torch.cat(column) for column in zip(*features, strict=True))
        return tiled.Teacher(image_nd, text_nd, teacher.logit_scale.exp())

    def aside(self, tokens: int) -> float:
        """Return the operations of the teacher's forward pass for one pair with a text of `tokens` tokens."""
        config = self._teacher[0].config
        return image_cost(config).forward + text_cost(config, tokens if self._reader is None else None).forward

    def teacher_ids(self, ids_nl: Tensor) -> Tensor:
        """Convert texts to the teacher's vocabulary."""
        if self._reader is None:
            return ids_nl
        student, teacher = self._reader
        return teacher([student.decode(row) for row in ids_nl.tolist()], truncate=True).to(ids_nl.device)


def divergence(logits_nn: Tensor, teacher_nn: Tensor, temperature: float = 1.0) -> Tensor:
    """Return the mean Kullback-Leibler divergence of the student's rows and columns from the teacher's, times the squared temperature.

    In nats; 0 if both say the same. `logits_nn`, `teacher_nn`: scaled similarities, images by texts. `temperature`: above 0; above 1 it
    gives smaller similarities more weight.

    Examples
    --------
    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> float(divergence(logits, logits + 5))
    0.0
    """
    sides = ((logits_nn, teacher_nn), (logits_nn.T, teacher_nn.T))
    softened = ([F.log_softmax(at_least_float32(logits) / temperature, dim=1) for logits in side] for side in sides)
    terms = [F.kl_div(own, other, reduction="batchmean", log_target=True) for own, other in softened]
    return temperature**2 * torch.stack(terms).mean()
