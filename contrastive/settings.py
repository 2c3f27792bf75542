"""The settings of a training run, one class a table of its TOML file: what they mean, their defaults, what they may be."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from strictio.errors import UsageError
from strictio.schema import record

PositiveInt = Annotated[StrictInt, Field(ge=1)]
NotNegativeInt = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictFloat, Field(gt=0)]
NotNegative = Annotated[StrictFloat, Field(ge=0)]
UpToHalf = Annotated[StrictFloat, Field(ge=0, le=0.5)]
BelowOne = Annotated[StrictFloat, Field(ge=0, lt=1)]
Transform = StrictStr | Mapping[StrictStr, Any]
"""The name of a transform of torchvision's v2, or a table with `name` and its parameters."""


_SEPARATORS = {"\\t": "\t", "tab": "\t"}
"""What a tab is called where it cannot be typed: on a command line."""


@record
class DataConfig:
    """Images and captions, and how they are read and augmented."""

    train: StrictStr
    """``emoji``, ``shapes``; a table (CSV, JSON lines, Excel) whose image paths are relative to its own folder; a folder of images with
    ``.txt`` beside them, of tar shards, of Parquet, or by ``save_to_disk``; a ``.tar`` or ``.parquet`` file; several tar shards, here
    (``shards/*.tar``) or at URLs (``https://HOST/{000..127}.tar``, ``s3://``, ``gs://``, ``az://``, ``hf://``); or on the hub:
    ``hf:ORG/NAME[@REVISION][:CONFIG[/SPLIT]][#FIRST_N]`` (with ``#N`` only the first N rows are fetched)."""
    shuffle_buffer: NotNegativeInt | None = None
    """Of tar shards: pairs that are shuffled at a time while the shards are read one after another, in another order each epoch; 0: all
    pairs are shuffled. None: 0 for files, 10,000 for URLs."""
    spool_gib: Positive = 8.0
    """Most disk for shards that were fetched from URLs; it must hold a few of them."""
    batch: Annotated[StrictInt, Field(ge=2)] = 256
    shift: Annotated[StrictInt, Field(ge=0, le=64)] = 0
    """Each image moves by up to so many pixels, either way in both directions, anew each epoch; its edge is repeated."""
    held_out: UpToHalf = 0.0
    """Share of the pairs that training never sees: loss and recall on them are logged at the end. Pairs of one image (the same file, or the
    same bytes) are on one side."""
    validation: StrictStr | None = None
    """Data of their own to measure loss and recall on, in place of held-out pairs; written as `train`, with the same columns."""
    zero_shot: StrictStr | None = None
    """A TOML file: labelled images and the words of the labels, which the model is asked for when it is measured
    (`contrastive.training.zero_shot`)."""
    templates: tuple[StrictStr, ...] = ("{caption}",)
    """Put around a caption; one is drawn for a pair each epoch. ``{caption}`` is the caption, ``{a caption}`` the same with its article."""
    skew: Literal["none", "misnamed-women"] = "none"
    """What is planted in the captions on purpose (emoji only; `contrastive.data.emoji`). The checkpoint's data card says it in words."""
    withhold: StrictBool = False
    """Leave out 60 of the 300 combinations of occupation, gender and tone, to ask for unseen ones (`contrastive.data.emoji.withheld`)."""
    crop: Annotated[StrictFloat, Field(gt=0, le=1)] | None = None
    """A random square crop (the paper's): the smallest share of the largest square's area that it may keep; None: the centre, always."""
    augment: tuple[Transform, ...] = ()
    """Transforms of ``torchvision.transforms.v2``, in their order and after `crop`: ``["RandAugment"]``, or with their own parameters
    ``[{name = "RandomResizedCrop", scale = [0.9, 1.0], interpolation = "bicubic"}, {name = "ColorJitter", brightness = 0.4}]``. What they
    draw is decided by seed, epoch and pair. Such images are decoded anew each time."""
    max_broken: UpToHalf = 0.01
    """Largest share of broken pairs that a neighbour may stand in for; with more the run stops and names them."""
    memory_gib: NotNegative = 8.0
    """Most memory for decoded images; a larger set is decoded as it is needed."""
    workers: PositiveInt = 2
    """Threads that decode."""
    prefetch: NotNegativeInt = 2
    """Batches made ready in advance."""
    tokenizer: Literal["own", "clip"] = "own"
    """``own``: a byte-pair vocabulary trained on the captions. ``clip``: CLIP's 49,408 entries from the installed open_clip_torch."""
    vocabulary: StrictInt = 2048
    """Entries of the own vocabulary."""
    patch_dropout: BelowOne = 0.0
    """Share of its patches that a vision transformer does not see of each image, drawn anew each step; never its class token (FLIP)."""
    image_column: StrictStr = "image"
    caption_column: StrictStr = "caption"
    images: StrictStr | None = None
    """Folder of a table's images: relative paths begin there, absolute ones must lie in it. None: the table's own."""
    separator: StrictStr | None = None
    """Between the cells of a CSV file; None: what its header shows (a comma, a semicolon or a tab)."""
    encoding: StrictStr | None = None
    """Of a table of lines (CSV, JSON lines), such as ``latin-1``, ``cp1252`` or ``utf-16``; None: UTF-8."""

    def __post_init__(self) -> None:
        _find_home(self, "train", "validation", "zero_shot", "images")
        _require(_is_name(self.train), "data.train", "the name of data: it is empty or holds a NUL character")
        if self.validation is not None:
            _require(_is_name(self.validation), "data.validation", "the name of data: it is empty or holds a NUL character")
            _require(self.held_out == 0, "data.held_out", "0 where data.validation names what to measure on")
        if self.images is not None:
            _require(_is_name(self.images), "data.images", "the name of a folder: it is empty or holds a NUL character")
        if self.separator is not None:
            object.__setattr__(self, "separator", _SEPARATORS.get(self.separator, self.separator))
            usable = len(self.separator) == 1 and self.separator not in '"\r\n\0'
            _require(usable, "data.separator", 'one character, such as "," or "\\t"')
        _require(self.encoding is None or _is_encoding(self.encoding), "data.encoding", "that of a text, such as latin-1, cp1252 or utf-16")
        for entry in self.augment:
            named = isinstance(entry, str) or isinstance(entry.get("name"), str)
            _require(named, "data.augment", 'names of transforms, or tables such as {name = "RandAugment", num_ops = 2}')
        _require(bool(self.templates), "data.templates", "at least one template")
        for template in self.templates:
            slots = template.count("{caption}") + template.count("{a caption}")
            _require(slots == 1 == template.count("{"), "data.templates", "templates with {caption} or {a caption} exactly once")


@record
class OptimConfig:
    """AdamW and its schedule."""

    steps: NotNegativeInt = 0
    """This or `epochs`."""
    lr: Positive = field(kw_only=True)
    """Peak learning rate."""
    epochs: NotNegativeInt = 0
    """Passes over the pairs to train on, in place of `steps`: so many times the batches that they fill."""
    warmup: NotNegativeInt = 0
    """Steps until the peak."""
    schedule: Literal["cosine", "constant", "wsd"] = "cosine"
    """After the warm-up: half a cosine down to 0; the peak to the end; or the peak, and a line to 0 in the last `cooldown` steps."""
    cooldown: NotNegativeInt = 0
    """Last steps in which the rate falls (wsd only)."""
    betas: tuple[BelowOne, BelowOne] | None = None
    """None: the paper's, (0.9, 0.98), or (0.9, 0.999) with a ResNet."""
    eps: Positive | None = None
    """None: the paper's, 1e-6, or 1e-8 with a ResNet."""
    weight_decay: NotNegative = 0.1
    clip: NotNegative = 1.0
    """Longest gradient; a longer one is scaled down to it. 0: none is."""
    accumulate: PositiveInt = 1
    """Parts that each process takes its share of a batch in. The gradient is that of the whole batch; memory is that of a part."""
    ema: BelowOne = 0.0
    """Decay of the running average of the weights, which is saved beside them; 0: none."""
    skip: NotNegativeInt = 3
    """Steps in a row that may be left out because loss or gradient is not finite; one more ends the run."""
    multipliers: Mapping[StrictStr, NotNegative] = field(default_factory=dict)
    """Regular expression -> factor of the learning rate for the parameters whose name it finds; the first that fits counts. 0 locks
    them: ``{"^visual" = 0}`` trains a text tower for a given image tower (LiT)."""

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0):
            which = "both" if self.steps else "neither"
            raise UsageError("optim needs the setting 'steps' or 'epochs'", why=f"it has {which}", fix="for example optim.steps=300")
        _require(self.cooldown == 0 or self.schedule == "wsd", "optim.cooldown", '0 unless optim.schedule = "wsd"')
        if self.steps:  # of epochs, it is known once the data are
            if self.warmup > self.steps:
                why = f"it is {self.warmup:,}, and the run takes {self.steps:,} steps"
                raise UsageError("optim.warmup must be between 0 and optim.steps", why=why, fix=f"optim.warmup={self.steps // 10}")
            _require(0 <= self.cooldown <= self.steps - self.warmup, "optim.cooldown", "between 0 and optim.steps - optim.warmup")
        for pattern in self.multipliers:
            try:
                re.compile(pattern)
            except re.error:
                _require(False, f"optim.multipliers {pattern[:80]!r}", "a regular expression")


@record
class LossConfig:
    """The loss, and a teacher."""

    kind: Literal["softmax", "sigmoid", "caption", "caption-both", "bag-of-words"] = "softmax"
    """``softmax`` and ``sigmoid`` compare every image with every text of the batch; the model scores by the same rule. ``caption`` says the
    text word by word, given the image (``caption-both``: backwards too, as VirTex does), ``bag-of-words`` which words it has. These three
    have a head of their own (`contrastive.loss`) and teach the image tower alone: such a model has no text tower to be audited by."""
    teacher: StrictStr | None = None
    """A checkpoint (any that ``model.init`` may name) whose matrix of similarities the student's is to be like."""
    weight: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """Of the divergence from the teacher; the usual loss has the rest."""
    temperature: Positive = 1.0
    """Divides teacher's and student's logits in the divergence."""
    tile: PositiveInt | None = None
    """Rows of the matrix of logits that are held at a time; None: as many as the device takes easily. Never changes the result."""

    def __post_init__(self) -> None:
        _find_home(self, "teacher")
        _require(0 < self.temperature < float("inf"), "loss.temperature", "above 0")
        usual = (self.weight, self.temperature) == (0.5, 1.0)
        _require(usual or self.teacher is not None, "loss.teacher", "given where loss.weight or loss.temperature is")
        _require(self.teacher is None or self.contrastive, "loss.kind", "softmax or sigmoid with a teacher, who compares images with texts")

    @property
    def contrastive(self) -> bool:  # texts are compared with images, so that both towers are taught
        return self.kind in ("softmax", "sigmoid")


@record
class RunConfig:
    """Where, on what, and how often the state is written."""

    out: StrictStr
    """Folder for ``ckpt.pt`` and ``log.jsonl``. Here, and wherever else a file or folder is named, ``~`` is the home folder."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    device: StrictStr = "cpu"
    """``cpu``, ``cuda`` (each process takes its own GPU)."""
    dist: Literal["ddp", "fsdp2"] = "ddp"
    """How several processes (torchrun) share the model: each has all of it, or it is sharded. Alone it has no effect."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the towers' matrix products; weights, features and loss stay fp32. fp16 scales the loss so that gradients do not vanish. ``auto``:
    bf16 on a GPU that computes in it, else fp32."""
    recompute: StrictBool = False
    """Transformer blocks and ResNet bottlenecks keep their input only and run again backwards: less memory, a third more time."""
    compile: StrictBool = False
    """``torch.compile`` of the towers."""
    save_every: PositiveInt = 100
    """Steps between two writes of the state: what a kill can cost."""
    keep_every: NotNegativeInt = 0
    """Steps between two checkpoints that stay, ``step-000100.pt`` beside ``ckpt.pt``, for `audit.compare --series`; 0: none. The first is
    the one before any step. With a stable phase (wsd, constant) they hold the optimiser's state too, three times the size."""
    keep_last: NotNegativeInt = 0
    """Most of those checkpoints that stay, the newest; 0: all."""
    eval_every: NotNegativeInt = 0
    """Steps between two measurements (held-out pairs, ``data.zero_shot``), which are logged; 0: at the end only."""
    best_by: StrictStr | None = None
    """A measure, such as ``loss``, ``image_to_text_recall@1`` or ``zero_shot_accuracy``: the best model so far stays as ``best.pt``."""
    patience: NotNegativeInt = 0
    """Measurements without a better one of `best_by` after which the run ends; 0: it goes on to its last step."""
    resume: StrictStr | None = None
    """A state of another run to go on from: a ``ckpt.pt`` of an unfinished one, a ``step-000100.pt`` of a wsd or constant run, a folder of
    shards. Only the end may be another (`optim.steps`, `optim.schedule`, `optim.cooldown`), such as a cooldown from an older step; the
    result is to the bit that of a run which had this end from the beginning, or it is refused."""
    sharded: StrictBool = False
    """Each process writes its own part of the state, a folder ``shards/step-...`` (the two newest are kept), so that none ever holds all of
    it; at the end they are put together as ``ckpt.pt``, as ``python -m contrastive.unshard`` does with those of any step."""
    log_every: PositiveInt = 10
    wandb: StrictStr | None = None
    """Project of Weights & Biases that gets the curves too (extra ``[wandb]``); TensorBoard's are always written where it is installed."""
    kg_co2e_per_kwh: NotNegative | None = None
    """Of the electricity here. None: nothing is said of emissions, as where no counter measures the energy."""

    def __post_init__(self) -> None:
        _find_home(self, "out", "resume")
        _require(_is_name(self.out), "run.out", "the name of a folder: it is empty or holds a NUL character")
        _require(self.best_by is None or self.eval_every > 0, "run.eval_every", "above 0 where run.best_by names a measure")
        _require(not self.patience or self.best_by is not None, "run.best_by", "given where run.patience is")
        _require(re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device) is not None, "run.device", "cpu, cuda, cuda:N or mps")


@record
class ModelSource:
    """Where the architecture and the first weights come from: a preset, or a checkpoint."""

    preset: StrictStr | None = None
    """A name in `contrastive.model.presets`; its weights are drawn by the seed."""
    init: StrictStr | None = None
    """A model to go on from: architecture, weights, tokenizer and preprocessing are its own. A ``ckpt.pt``; OpenAI's archive, open_clip's
    or Lightning's checkpoint, flat weights; a folder of a `CLIPModel` or in open_clip's layout."""
    stated: Mapping[StrictStr, Any] = field(default_factory=dict)
    """What a file of another program does not say, by the names of `overrides.ModelOverrides`: ``stated.activation = "gelu"``,
    ``stated.text_head_width = 16``, ``stated.mean = [0.5, 0.5, 0.5]``."""
    changes: Mapping[StrictStr, Any] = field(default_factory=dict)
    """Settings of `contrastive.model.architecture.ModelConfig` laid over the preset, nested as there; checked when the model is made."""

    def __post_init__(self) -> None:
        if (self.preset is None) == (self.init is None):
            which = "neither" if self.preset is None else "both"
            raise UsageError("model needs the setting 'preset' or 'init'", why=f"it has {which}", fix='write preset = "..." under [model]')
        _find_home(self, "init")
        for name, value in self.stated.items():
            parts = value if isinstance(value, list) else [value]
            simple = all(isinstance(part, str | int | float) for part in parts)
            _require(simple, f"model.stated.{name[:80]}", "a word, a number, true or false, or a list of numbers")
        if self.init is None and self.stated:
            raise UsageError("model has the setting 'stated' without 'init'", why="a preset leaves nothing to state", fix="leave it out")
        if self.init is not None and self.changes:
            why = "the checkpoint says what the model is"
            raise UsageError(f"model has the setting {next(iter(self.changes))!r} beside 'init'", why=why, fix="leave it out")

    @property
    def name(self) -> str:
        return self.preset or f"from {self.init}"

    @property
    def words(self) -> dict[str, str]:
        """What was stated, as `ModelOverrides.from_words` reads it."""
        return {name: _word(value) for name, value in self.stated.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the table of the TOML file."""
        if self.preset:
            return {"preset": self.preset, **self.changes}
        return {"init": self.init, **({"stated": self.words} if self.stated else {})}


def _word(value: object) -> str:
    """Return a value of TOML as a word.

    >>> _word(True), _word(16), _word([0.5, 0.5, 0.5]), _word("gelu")
    ('true', '16', '0.5,0.5,0.5', 'gelu')
    """
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find_home(settings: object, *names: str) -> None:
    """Write out the home folder in settings that name a file; a shell does so only where a word begins with ``~``."""
    for name in names:
        if (value := getattr(settings, name)) is not None:
            object.__setattr__(settings, name, os.path.expanduser(value))  # noqa: PTH111  # a name stays as it is written otherwise


def _is_name(text: str) -> bool:
    return bool(text.strip()) and "\0" not in text


def _is_encoding(name: str) -> bool:
    try:
        return isinstance("a".encode(name), bytes)
    except (LookupError, ValueError):  # unknown, or not of text: hex, rot13
        return False


def _require(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} must be {expected}")
