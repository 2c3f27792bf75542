"""Opens and checks everything that a configuration names, before the first step."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from contrastive import distributed
from contrastive.checkpoint.file import Checkpoint, require_both_towers
from contrastive.config import Config, DataConfig, laid_over
from contrastive.data import CaptionedImages, TrainingDataError, open_source
from contrastive.data.captions import TextLengths, text_lengths, texts_of
from contrastive.data.groups import Grouping, read_grouping
from contrastive.data.intervention import describe_pairs, pairs_of
from contrastive.data.order import Stream, Subset, batch_draws, split
from contrastive.data.pairs import PairSet, load_pairs, load_whole
from contrastive.data.reading import Identities, content_groups
from contrastive.data.source import counted
from contrastive.loss import Distillation, FixedWeights, GroupDRO, GroupLoss, Objective, make_objective
from contrastive.model.clip import ModelConfig
from contrastive.model.pieces import AnyTokenizer
from contrastive.model.preprocess import Preprocess
from contrastive.model.presets import preset
from contrastive.model.tokenizer import Tokenizer, clip_tokenizer, train_bpe
from contrastive.training.zero_shot import LabelSet, read_label_set
from strictio.errors import UsageError
from strictio.folders import Folder

URL_BUFFER = 10_000
"""Size of the shuffle buffer for data from a network."""


@dataclass(frozen=True)
class RunInputs:
    """The inputs of a run, which do not change during it."""

    config: Config
    model: ModelConfig
    preprocess: Preprocess
    tokenizer: AnyTokenizer
    pairs: PairSet
    train_rows: NDArray[np.int64]
    held_out: PairSet
    """Evaluation data: `pairs`, or the dataset in ``data.validation``."""
    held_out_rows: NDArray[np.int64]
    """Rows of `held_out` to evaluate."""
    held_out_same: Identities
    """Which of the `held_out_rows` share a picture or a caption."""
    grouping: Grouping
    """Groups and weights of the `train_rows`."""
    data_card: str
    lengths: TextLengths
    """Lengths of the training texts."""
    initial: Checkpoint | None = None
    """Initial model for fine-tuning."""
    teacher: Checkpoint | None = None
    """Model whose similarity matrix the student should match."""
    stream: Stream | Subset | None = None
    """Order of reading shards, or of what ``data.leave_out`` leaves; None: all pairs are shuffled at once."""
    zero_shot: LabelSet | None = None
    """Labelled images for zero-shot evaluation."""
    train_pictures: int | None = None
    """Number of pictures in the `train_rows`, if known: by content, else by name."""
    left_out: tuple[str, ...] = ()
    """Sentences about broken images in ``data.validation`` and `zero_shot` that are left out."""

    _held: list[Folder] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def folder(self) -> Folder:
        """The output folder, held open from its first use; created again if it was removed."""
        if not self._held or self._held[0].is_removed:
            self._held[:] = [Folder.of(Path(self.config.run.out), make=True)]
        return self._held[0]

    @property
    def counts(self) -> tuple[str, str]:
        """A description of the numbers of training and evaluation pairs."""
        held_out = counted(len(self.held_out_rows), len(np.unique(self.held_out_same.image_n)))
        return counted(len(self.train_rows), self.train_pictures), held_out

    @property
    def identity(self) -> dict[str, Any]:
        """Return setting -> value for everything that affects the parameters, including data and initial weights."""
        initial = {"the initial weights (sha256)": self.initial.sha256} if self.initial else {}
        taught = {"the teacher (sha256)": self.teacher.sha256} if self.teacher else {}
        return {**self.config.identity(), "the data (sha256)": self.pairs.sha256, **self.grouping.identity, **initial, **taught}

    def rows(self, step: int) -> NDArray[np.int64]:
        """Rows of a step's batch."""
        return self.draws(step)[0]

    def draws(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of a step's batch, and how often each was drawn before in its epoch."""
        positions, before = self._positions(step)
        return self.train_rows[positions], before

    def batch_groups(self, step: int) -> NDArray[np.int64]:
        """Groups of the pairs of a step's batch; needs ``data.groups``."""
        if self.grouping.groups is None:
            raise ValueError("the pairs have no groups")
        return self.grouping.groups.group_n[self._positions(step)[0]]

    def _positions(self, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        config = self.config
        return batch_draws(config.run.seed, step, self.epoch_draws, config.data.batch, self.stream, self.grouping.sampling)

    @property
    def epoch_draws(self) -> int:
        """Number of draws in an epoch."""
        return self.config.optim.epoch_draws or len(self.train_rows)

    def group_loss(self) -> GroupLoss | None:
        """Create what weighs the loss of pairs by group, in its first state; None: all count alike."""
        groups, weight_g, optim = self.grouping.groups, self.grouping.loss_weight_g, self.config.optim
        if groups is not None and optim.objective == "group_dro":
            return GroupDRO.start(len(groups.names), optim.dro_rate)
        return None if weight_g is None else FixedWeights(weight_g)

    def objective(self, generator: torch.Generator | None = None) -> Objective:
        """Create the objective, initialising its head (if any) from `generator`; `UsageError` if the teacher's preprocessing differs."""
        loss = self.config.loss
        if self.teacher is None:
            return make_objective(loss.kind, self.model, generator)
        return Distillation(self.teacher, self.tokenizer, self.preprocess, weight=loss.weight, temperature=loss.temperature)


class SmallTableError(TrainingDataError):
    """There are fewer training pairs than the batch size; `batch` is a size that they fill a few times, None for a single pair."""

    def __init__(self, pairs: int, needed: int):
        self.batch = max(2, pairs // 4) if pairs > 1 else None
        fix = f"data.batch={self.batch}" if self.batch else "name a table with more pairs"
        super().__init__(f"{pairs} pairs do not fill a batch of {needed}", fix=fix)


def prepare(config: Config, *, quiet: bool = True) -> RunInputs:
    """Open the data, train or read the tokenizer, determine the architecture. Every process of a run must call it.

    `quiet`: without a bar while images are decoded.

    Raises `UsageError` if the configuration names something that does not exist or does not fit; `TrainingDataError` if the data cannot be
    read or do not fill a batch; `DataError`, `UnsafeError` if ``model.init`` or ``loss.teacher`` is not a readable model.
    """
    _check_device(config.run.device)
    check_shares(config, distributed.world_size())
    initial, teacher = _named_models(config)
    architecture = _given(initial, config) if initial else architecture_of(config)
    if config.data.patch_dropout and (kind := architecture.vision.kind) != "vit":
        why = f"this image tower is of kind {kind}"
        raise UsageError("data.patch_dropout needs a vision transformer", why=why, fix="leave it out")
    data, source = config.data, open_source(config.data)
    tokenizer = initial.tokenizer if initial else _tokenizer(source, config, architecture.text.context)
    preprocess = initial.preprocess if initial else Preprocess(architecture.vision.image_size)
    train_rows, held_out_rows, content = _split(source, config)
    train_rows, subset, absent = _left_out(source, train_rows, data)
    if (n := len(train_rows)) < data.batch:
        raise SmallTableError(n, data.batch)
    if 0 < (draws := config.optim.epoch_draws) < data.batch:
        raise UsageError(f"optim.epoch_draws = {draws} does not fill a batch of {data.batch}", fix=f"optim.epoch_draws={data.batch}")
    grouping = read_grouping(source, config, train_rows)
    config = _decided(config, draws or n, source)
    pairs = load_pairs(source, preprocess, tokenizer, data, quiet=quiet or not distributed.rank0())
    left_out: tuple[str, ...] = ()
    measured_on = pairs, held_out_rows, Identities.of(source, held_out_rows, content)
    if data.validation:
        measured_on, left_out = _validation(data.validation, (preprocess, tokenizer), data)
    label_set = read_label_set(data.zero_shot, preprocess, tokenizer, data) if data.zero_shot else None
    left_out += label_set.left_out if label_set else ()
    lengths = text_lengths(source, tokenizer, data.templates)
    held_out = "" if data.validation or not len(held_out_rows) else counted(len(held_out_rows), len(np.unique(content[held_out_rows])))
    sentences = *absent, *grouping.sentences, *(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in left_out)
    if rank := config.optim.lora_rank:
        sentences = (*sentences, f"Only additions of rank {rank} to its weights were trained (LoRA), and merged into them.")
    card = " ".join([_card(source, pairs, held_out, lengths, initial, teacher), *sentences])
    model = replace(architecture, text=replace(architecture.text, vocab_size=tokenizer.vocab_size))
    order = _stream(source, train_rows, data) or (subset if grouping.sampling is None else None)
    pictures = len(np.unique(content[train_rows])) if data.held_out else getattr(source, "pictures", None)
    trained_on = config, model, preprocess, tokenizer, pairs, train_rows
    return RunInputs(*trained_on, *measured_on, grouping, card, lengths, initial, teacher, order, label_set, pictures, left_out)


def _validation(
    name: str, transforms: tuple[Preprocess, AnyTokenizer], data: DataConfig
) -> tuple[tuple[PairSet, NDArray[np.int64], Identities], tuple[str, ...]]:
    """Load ``data.validation``; return its pairs, the rows to evaluate, which of these share a picture or caption, and what is left out."""
    data = replace(
        data,
        train=name,
        validation=None,
        intervention=None,
        counterfactual=None,
        leave_out=None,
        groups=(),
        group_pattern=None,
        weight=None,
        upsampling=(),
        balance_within=(),
    )
    source = open_source(data)
    pairs, rows, left_out = load_whole("validation", source, transforms, data, np.arange(len(source)))
    return (pairs, rows, Identities.of(source, rows, content_groups(source, data.workers))), left_out


def _split(source: CaptionedImages, config: Config) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return training rows, held-out rows, and the groups that were kept together."""
    share = config.data.held_out
    groups = content_groups(source, config.data.workers) if share else np.arange(len(source))
    train_rows, held_out_rows = split(config.run.seed, groups, share)
    if round(share * len(source)) and not len(held_out_rows):
        why = f"{len(source)} pairs are of {len(np.unique(groups))} images, and the pairs of one stay together"
        raise TrainingDataError("no image can be held out of training", why=why, fix="a larger data.held_out, or a file as data.validation")
    return train_rows, held_out_rows, groups


def _left_out(
    source: CaptionedImages, rows: NDArray[np.int64], data: DataConfig
) -> tuple[NDArray[np.int64], Subset | None, tuple[str, ...]]:
    """Return the training rows less those of ``data.leave_out``, their place among all, and a sentence for the data card."""
    if data.leave_out is None:
        return rows, None, ()
    left = np.flatnonzero(~pairs_of(source, data.leave_out)[rows])
    group = describe_pairs(data.leave_out.where, data.leave_out.words)
    sentence = f"Left out of training on purpose: {len(rows) - len(left)} of {len(rows)} pairs, those with {group}."
    return rows[left], Subset(left, len(rows)), (sentence,)


def _stream(source: CaptionedImages, rows: NDArray[np.int64], data: DataConfig) -> Stream | None:
    """Return the order of reading shards one after another; None if all pairs are shuffled."""
    buffer = data.shuffle_buffer if data.shuffle_buffer is not None else URL_BUFFER if "://" in data.train else 0
    if not buffer:
        return None
    sizes: tuple[int, ...] | None = getattr(source, "sizes", None)
    if sizes is None:
        raise UsageError("data.shuffle_buffer is for tar shards", why=f"data.train is {data.train!r}", fix="leave it out")
    counts, _ = np.histogram(rows, np.concatenate([[0], np.cumsum(sizes)]))  # of the training pairs, which keep their order
    return Stream(tuple(map(int, counts)), buffer)


def _decided(config: Config, n: int, source: CaptionedImages) -> Config:
    """Return the configuration with values that depend on the data and the device filled in.

    ``data.captions`` stays None for data without text files, and runs recorded before that setting existed have None: such a run on text
    files, whose captions were their lines, is never resumed with others.
    """
    precision, optim, unit = config.run.precision, config.optim, getattr(source, "caption_unit", None)
    if config.data.captions and not (unit or config.data.validation):
        why = f"data.train is {config.data.train!r}"
        raise UsageError("data.captions is for .txt files in tar shards or next to images", why=why, fix="leave it out")
    if precision == "auto":
        half = distributed.own_device(config.run.device).type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        precision = "bf16" if half else "fp32"
    if optim.epochs:
        optim = replace(optim, steps=optim.epochs * (n // config.data.batch), epochs=0)
    return replace(
        config, data=replace(config.data, captions=unit or config.data.captions), optim=optim, run=replace(config.run, precision=precision)
    )


def _named_models(config: Config) -> tuple[Checkpoint | None, Checkpoint | None]:
    if not (config.model.init or config.loss.teacher):
        return None, None
    from contrastive.formats.initial import read_model  # other programs' files: imported only if one is used
    from contrastive.formats.positions import resized

    initial = resized(read_model(config.model.init, config.model.words), config.model.changes) if config.model.init else None
    teacher = read_model(config.loss.teacher) if config.loss.teacher else None
    if teacher:
        require_both_towers(teacher)
    return initial, teacher


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=distributed.own_device(device))
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"run.device cannot be {device!r} here", why=str(error).splitlines()[0][:200], fix="run.device=cpu") from error


def check_shares(config: Config, size: int) -> None:
    """Raise `UsageError`, suggesting a batch size, if `size` processes cannot share the batch evenly or in the configured parts."""
    batch, parts, share = config.data.batch, config.optim.accumulate, config.data.batch // size
    if batch % size:
        fix = f"data.batch={max(size, share * size)}, or other processes"
        raise UsageError(f"{size} processes cannot share a batch of {batch} evenly", fix=fix)
    if parts > share:
        raise UsageError(f"{share} pairs a process cannot be taken in {parts} parts", fix=f"optim.accumulate={share}")


def _given(initial: Checkpoint, config: Config) -> ModelConfig:
    rule = initial.config.score_rule
    if config.loss.contrastive and rule != config.loss.kind:
        raise UsageError(f"the initial model scores by {rule}, loss.kind is {config.loss.kind}", fix=f"loss.kind={rule}")
    if not config.loss.contrastive and initial.config.text.pooling == "last":
        why = "the text head needs a vocabulary with an end of text, and SigLIP's texts are padded instead"
        raise UsageError(f"loss.kind = {config.loss.kind!r} cannot train this model", why=why, fix=f"loss.kind={rule}")
    return initial.config


def architecture_of(config: Config) -> ModelConfig:
    """Return the preset with its changes and the loss's score rule; raises `UsageError`."""
    plain = laid_over(preset(config.model.preset or "").to_dict(), config.model.changes)
    try:
        model = ModelConfig.from_dict({**plain, "score_rule": "sigmoid" if config.loss.kind == "sigmoid" else "softmax"})
    except UsageError as error:
        raise UsageError(error.what.replace("config", "model", 1), why=error.why, fix=error.fix) from error
    if model.text.pooling == "last":
        why = "it needs a tokenizer that pads, which only an initial model has"
        raise UsageError("model.text.pooling cannot be 'last' for a preset", why=why, fix="model.init=FOLDER of a SigLIP model")
    return model


def _tokenizer(source: CaptionedImages, config: Config, context: int) -> Tokenizer:
    if config.data.tokenizer == "clip":
        return clip_tokenizer(context)
    texts = (text for index in range(len(source)) for text in texts_of(source, index, config.data.templates))
    return train_bpe(texts, config.data.vocabulary, context)


def _card(source: CaptionedImages, pairs: PairSet, held_out: str, lengths: TextLengths, *models: Checkpoint | None) -> str:
    initial, teacher = models
    sentences, unknown = [source.card], "Of its own training data nothing is known."
    if teacher:
        sentences.append(f"It learned from a teacher with sha256 {teacher.sha256[:16]} as well. That one: {teacher.data_card or unknown}")
    if initial:
        before = f"It went on from the weights with sha256 {initial.sha256[:16]} (step {initial.step}). Those: "
        sentences += [before + (initial.data_card or unknown), *(note for note in initial.notes if note.startswith("Interpolated"))]
    if lengths.cut:
        sentences.append(lengths.sentence)
    if held_out:
        sentences.append(f"{held_out} were held out of training.")
    if pairs.replaced:
        one = len(pairs.replaced) == 1
        sentences.append(f"{len(pairs.replaced)} unreadable image{' was' if one else 's were'} replaced by a neighbouring pair.")
    return " ".join(sentences)
