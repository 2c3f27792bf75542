"""Further training on the fitted half, by the trainer's own command: it is started as a program, and its checkpoint is read.

The control is the same training on uncorrected captions, which say what the model already answers: if that leaves as small a gap, the
corrections did not do it. It takes as many trainings as there are controls, so it is made only where it decides the outcome.
"""

from __future__ import annotations

import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.data.changed.subset import part_of
from audit.embedding.cache import MemoryRoot
from audit.embedding.embed import embed_images
from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from audit.extensions.mitigate.fold import largest_difference
from audit.extensions.mitigate.models.editable import editable
from audit.extensions.mitigate.models.rewriting import EditableModel
from audit.extensions.mitigate.question import EmbeddedData, SplitQuestion
from audit.extensions.mitigate.record import FurtherTraining, MapControl
from audit.extensions.mitigate.shown import as_small_p, gap_of_answers
from audit.models import load
from audit.types import Encoder, LabelSet, Predictions
from strictio.folders import Folder
from strictio.weights.contents import read_json
from strictio.weights.weight_names import TO_HUGGING_FACE, to_hugging_face

if TYPE_CHECKING:
    from jaxtyping import Bool
    from torch import Tensor

LOG = logging.getLogger("audit")
METHOD = "finetune"
CONTROLS = 19
"""Trainings on uncorrected captions: the fewest with which p can be .05."""
FEWEST, LARGEST_BATCH = 8, 256
"""Fewest captioned images, and the largest batch unless the settings say otherwise; a batch is at most a quarter of the pairs."""
DEFAULTS = {"optim.lr": "1e-05", "optim.epochs": "10"}
ALLOWED = ("optim.", "loss.", "data.batch", "data.shift", "data.crop", "data.augment", "data.patch_dropout", "data.templates")
"""Beginnings of the settings of the trainer that may be set; the others say which model is trained on what."""
_ERRORS: Mapping[int, type[AuditError]] = {error.exit_code: error for error in (UsageError, DataError, UnsafeError, MachineError)}
_PAIRS = "pairs.jsonl"


@dataclass(frozen=True)
class CaptionedHalf:
    """The images of the fitted half that have a caption."""

    images: Sequence[bytes]
    """Those of the whole data set, encoded, read on demand."""
    rows: Sequence[int]
    """Positions of the captioned ones."""
    captions: Sequence[Sequence[str]]
    groups: Sequence[str]

    @cached_property
    def lines(self) -> bytes:
        """The trainer's table: one line per image."""
        rows = zip(self.rows, self.captions, self.groups, strict=True)
        described = ({"image": f"images/{row}", "caption": list(captions), "group": group} for row, captions, group in rows)
        return "".join(f"{json.dumps(line)}\n" for line in described).encode()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.lines).hexdigest()

    def write(self, folder: Folder) -> None:
        """Write the images and the table."""
        images = folder.folder("images", make=True)
        for row in self.rows:
            images.write(str(row), self.images[row])
        folder.write(_PAIRS, self.lines)


def captioned_half(split: SplitQuestion, data: EmbeddedData, captions: Sequence[Sequence[str]] | None) -> CaptionedHalf:
    """The fitted half with the captions of each image, or with the prompts of the true answers.

    Raises UsageError if the question has no true answers; DataError for too few captioned images.
    """
    asked, attributes = split.question.measurement, data.dataset.attributes
    if captions is None and split.question.truth is None:
        fix = "give captions: --captions FILE"
        raise UsageError("the question has no true answers to train on", where="--method finetune", fix=fix)
    used = split.fit
    if captions is None:
        captions = [_prompts(asked.label_set, truth) for truth in attributes[asked.truth]]
        used = used & attributes[split.question.attribute].isin(list(split.fitted_half.groups)).to_numpy()  # groups are drawn equally often
    rows = [row for row in np.flatnonzero(used).tolist() if captions[row]]
    if len(rows) < FEWEST:
        why = f"a training needs {FEWEST}"
        raise DataError(f"{len(rows)} images of the fitted half have a caption", where="--captions", why=why, fix="caption more images")
    groups = attributes[split.question.attribute].iloc[rows].tolist()
    return CaptionedHalf(data.dataset.images, rows, [captions[row] for row in rows], groups)


def uncorrected(half: CaptionedHalf, split: SplitQuestion, data: EmbeddedData) -> CaptionedHalf:
    """The same images with the prompts of the model's own answers."""
    asked = split.question.measurement
    chosen: Bool[np.ndarray, "n"] = np.zeros(len(data.contents), bool)
    chosen[list(half.rows)] = True
    answers = data.task(replace(asked, truth=None)).of(chosen).answers().y_pred
    return replace(half, captions=[_prompts(asked.label_set, answer) for answer in answers])


def _prompts(label_set: LabelSet, answer: str) -> tuple[str, ...]:
    """The prompts of the first label that means an answer; none if no label does."""
    label = next((label for label in label_set.labels if label_set.answers.get(label, label) == answer), None)
    return () if label is None else label_set.prompts[label]


# ---- the trainer ---------------------------------------------------------------------------------------------------------------------


def check_settings(settings: Sequence[str]) -> None:
    """Raise UsageError for a setting that may not be set."""
    for setting in settings:
        if not setting.startswith(ALLOWED) or setting.startswith("loss.teacher") or "=" not in setting:
            what = f"{setting[:80]!r} cannot be set for a further training"
            why = f"it takes section.key=value, beginning with {', '.join(ALLOWED)}"
            raise UsageError(what, where="--train", why=why, fix="for example --train optim.lr=1e-5")


def planned_training(half: CaptionedHalf, given: Sequence[str], rule: str, *, table: bool, image: bool) -> FurtherTraining:
    """The training with all its settings: those `given` replace the defaults.

    `rule`: the model's score rule. `table`: whether the captions are from one; else groups are drawn equally often. `image`: whether the
    image tower is trained, too.
    """
    settings = {"data.batch": str(max(2, min(LARGEST_BATCH, len(half.rows) // 4))), **DEFAULTS, "loss.kind": rule}
    if not table:
        settings |= {"data.groups": '["group"]', "optim.sampling": "balanced"}
    if not image:
        settings["optim.multipliers"] = '{"^visual" = 0}'
    own = {name.strip(): value.strip() for name, _, value in (setting.partition("=") for setting in given)}
    if "optim.steps" in own:
        del settings["optim.epochs"]
    ordered = tuple(f"{name}={value}" for name, value in (settings | own).items())
    return FurtherTraining("table" if table else "true answers", len(half.rows), half.sha256, ordered, CONTROLS)


@dataclass(frozen=True)
class Trainer:
    """Trains a model further, from its own weights."""

    folder: Folder
    """Of temporary files."""
    model: str
    """A copy of the model, in the form it came in."""
    settings: Sequence[str]
    device: str

    def trained(self, name: str, half: CaptionedHalf, seed: int) -> Path:
        """Train, and return the checkpoint; raises the trainer's own error."""
        _refuse_siglip(Path(self.model))
        folder = self.folder.folder(name, make=True)
        half.write(folder)
        folder.write("run.toml", self._configuration(folder.path, seed).encode())
        command = [sys.executable, "-P", "-m", "contrastive.train", str(folder.path / "run.toml"), *self.settings, "--quiet"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603  # our own program
        if done.returncode:
            raise _error(done.returncode, done.stderr)
        return folder.path / "out" / "ckpt.pt"

    def _configuration(self, folder: Path, seed: int) -> str:
        model, table, out, device = (json.dumps(text) for text in (self.model, str(folder / _PAIRS), str(folder / "out"), self.device))
        run = f"out = {out}\nseed = {seed}\ndevice = {device}\n"
        return f"[model]\ninit = {model}\n[data]\ntrain = {table}\n[optim]\n[loss]\n[run]\n{run}"


def _refuse_siglip(model: Path) -> None:
    configuration = model / "config.json"
    if configuration.is_file() and read_json(configuration).get("model_type") == "siglip":
        why = "its own image processor rounds pixels otherwise than the trainer, so what is written could not be verified"
        fix = "train it with vlm-audit train (model.init, loss.kind=sigmoid) and audit the ckpt.pt"
        raise DataError("a model of type 'siglip' cannot be trained here", where="--method finetune", why=why, fix=fix)


def _error(code: int, printed: str) -> AuditError:
    """The trainer's error, as it was printed."""
    lines = printed[max(0, printed.rfind("error: ")) :].strip().splitlines() or ["no message"]
    parts = dict(line.split(": ", 1) for line in lines if line.startswith(("error: ", "why: ", "fix: ")))
    what = f"the model could not be trained: {parts.get('error', lines[-1])}"
    return _ERRORS.get(code, AuditError)(what, where="--method finetune", why=parts.get("why"), fix=parts.get("fix"))


# ---- the trained model ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FineTuned:
    """A model that was trained further, and what its control takes."""

    checkpoint: Path
    trainer: Trainer
    half: CaptionedHalf
    split: SplitQuestion
    data: EmbeddedData
    batch_size: int

    @property
    def rank(self) -> None:
        return None

    def tensors(self, model: EditableModel) -> dict[str, Tensor]:
        """The weights that changed, in the dtypes of the model's own files; raises DataError if one has no place there."""
        own, trained = model.tensors, editable(str(self.checkpoint)).tensors
        if TO_HUGGING_FACE["visual.proj"] in own:
            trained = to_hugging_face(trained)
        named = {name if name in own else f"text.{name}": tensor for name, tensor in trained.items()}
        if missing := [name for name in named if name not in own]:
            raise DataError(f"the trained weight {missing[0]!r} has no place in the model's files")
        stored = {name: tensor.reshape(own[name].shape).to(own[name].dtype) for name, tensor in named.items()}
        return {name: tensor for name, tensor in stored.items() if not tensor.equal(own[name])}

    def difference(self, original: Encoder, written: Encoder, texts: Sequence[str]) -> float:
        return largest_difference(self._encoder(self.checkpoint), written, np.eye(original.record.dimensions), (), texts)

    def write_beside(self, folder: Folder) -> None:
        pass

    def controls(self) -> tuple[MapControl, ...]:
        """The same training on uncorrected captions, with other seeds."""
        LOG.info("training %d times on uncorrected captions, as a control", CONTROLS)
        half, target = uncorrected(self.half, self.split, self.data), self.split.shown.target
        observed = gap_of_answers(self._answers(self.checkpoint), target)
        seeds = [target.settings.seed + 1 + number for number in range(CONTROLS)]
        gaps = tuple(gap_of_answers(self._answers(self.trainer.trained(f"control {seed}", half, seed)), target) for seed in seeds)
        return (MapControl("uncorrected captions", gaps, as_small_p(gaps, observed)),)

    def _answers(self, checkpoint: Path) -> Predictions:
        """The answers of a trained model on the shown half, from the images."""
        encoder, task = self._encoder(checkpoint), self.split.shown.task
        shown = part_of(self.data.dataset, np.flatnonzero(~self.split.fit).tolist())
        images = embed_images(encoder, shown, MemoryRoot(), batch_size=self.batch_size).vectors
        texts = dict(zip(task.text_embeddings, encoder.encode_texts(list(task.text_embeddings)), strict=True))
        return replace(task, record=encoder.record, image_embeddings=images, text_embeddings=texts).answers()

    def _encoder(self, checkpoint: Path) -> Encoder:
        encoder = load(str(checkpoint), device=self.trainer.device)
        assert isinstance(encoder, Encoder)  # noqa: S101  (it was trained from one)
        return encoder
