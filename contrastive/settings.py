"""The settings of a training run, with one class per TOML table: meanings, defaults and allowed values."""

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
"""The name of a transform in torchvision's v2, or a table with `name` and its parameters."""


_SEPARATORS = {"\\t": "\t", "tab": "\t"}
"""Names for a tab on a command line."""


@record
class InterventionConfig:
    """Captions that are changed on purpose; a ``data.skew`` completes `where` and `words`."""

    kind: Literal["rename", "add", "relabel", "withhold"] = "rename"
    """``rename``: `words` in the captions are replaced. ``add``: the same, but the pair keeps its own captions as well. ``relabel``: the
    caption is the text in `column`. ``withhold``: the pair is left out."""
    share: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """The dose: share of the eligible pairs that are changed. Those changed at 0.25 are among those changed at 0.5."""
    where: Mapping[StrictStr, StrictStr | list[StrictStr]] = field(default_factory=dict)
    """Column -> value, or list of values: only such pairs are eligible, for example ``where = {gender = "woman"}``. Columns as in
    `groups`, but not those of `group_pattern`; also ``name`` (emoji)."""
    words: Mapping[StrictStr, StrictStr] = field(default_factory=dict)
    """Words in the captions -> what replaces them: whole words, as written, such as ``words = {"woman judge" = "student"}``."""
    column: StrictStr | None = None
    """For ``relabel``: the column with the other caption."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """Determines which pairs are changed."""

    def __post_init__(self) -> None:
        _require((self.column is None) == (self.kind != "relabel"), "data.intervention.column", 'set with kind = "relabel", and only then')
        _require(all(map(str.strip, self.words)), "data.intervention.words", "words and what replaces them; a word is blank")


@record
class CounterfactualConfig:
    """Captions that are added with words swapped, such as man and woman."""

    swap: tuple[tuple[StrictStr, StrictStr], ...]
    """Pairs of words, each of them once: ``[["man", "woman"], ["boy", "girl"]]``. Whole words are swapped, also with a capital first letter
    and in capitals."""
    share: Annotated[StrictFloat, Field(ge=0, le=1)] = 1.0
    """Share of the pairs whose captions have one of the words that get such captions besides their own. One of a pair's captions is drawn
    per epoch, so with 1, half of the draws are swapped. Those changed at 0.25 are among those changed at 0.5."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    """Determines which pairs are changed."""

    def __post_init__(self) -> None:
        words = [word.lower() for pair in self.swap for word in pair]
        _require(bool(words) and all(map(str.strip, words)), "data.counterfactual.swap", 'pairs of words, such as [["man", "woman"]]')
        twice = sorted({word for word in words if words.count(word) > 1})
        named = ", ".join(twice[:3])[:80]
        _require(not twice, "data.counterfactual.swap", f"pairs of words, each of them once; more than once: {named}")


@record
class LeaveOutConfig:
    """Pairs that the model is not trained on."""

    where: Mapping[StrictStr, StrictStr | list[StrictStr]] = field(default_factory=dict)
    """Column -> value, or list of values, as in an intervention: only such pairs."""
    words: tuple[StrictStr, ...] = ()
    """Whole words, as written: only pairs with one of them in a caption, after all changes of the captions."""

    def __post_init__(self) -> None:
        _require(bool(self.where or self.words), "data.leave_out", 'where = {gender = "woman"}, words = ["judge"], or both')
        _require(all(map(str.strip, self.words)), "data.leave_out.words", "words; one is blank")


@record
class DataConfig:
    """Images and captions, and how they are read and augmented."""

    train: StrictStr
    """``emoji``, ``shapes``; a table (CSV, JSON lines, Excel) with image paths relative to its folder; a folder of images with
    ``.txt`` files, of tar shards, of Parquet, or by ``save_to_disk``; a ``.tar`` or ``.parquet`` file; several tar shards, local
    (``shards/*.tar``) or at URLs (``https://HOST/{000..127}.tar``, ``s3://``, ``gs://``, ``az://``, ``hf://``); or on the hub:
    ``hf:ORG/NAME[@REVISION][:CONFIG[/SPLIT]][#FIRST_N]`` (with ``#N`` only the first N rows are fetched)."""
    shuffle_buffer: NotNegativeInt | None = None
    """For tar shards: size of the shuffle buffer, in pairs, while shards are read one after another, in a new order each epoch; 0: shuffle
    all pairs. None: 0 for files, 10,000 for URLs."""
    spool_gib: Positive = 8.0
    """Maximum disk space for shards from URLs; it must hold a few of them."""
    batch: Annotated[StrictInt, Field(ge=2)] = 256
    shift: Annotated[StrictInt, Field(ge=0, le=64)] = 0
    """Maximum random shift of each image in pixels, in both directions, new each epoch; edge pixels are repeated."""
    held_out: UpToHalf = 0.0
    """Share of pairs excluded from training: loss and recall on them are logged at the end. Pairs of one image (the same file, or the
    same bytes) are on the same side."""
    validation: StrictStr | None = None
    """Separate data for loss and recall, instead of held-out pairs; specified like `train`, with the same columns."""
    zero_shot: StrictStr | None = None
    """A TOML file with labelled images and label texts for zero-shot evaluation
    (`contrastive.training.zero_shot`)."""
    templates: tuple[StrictStr, ...] = ("{caption}",)
    """Templates for captions; one is drawn per pair and epoch. ``{caption}`` is the caption, ``{a caption}`` adds its article."""
    skew: Literal["none", "misnamed-women"] = "none"
    """A bias to plant in the captions (emoji only; `contrastive.data.emoji`), as an `intervention`. The checkpoint's data card describes
    it."""
    intervention: InterventionConfig | None = None
    """The table ``[data.intervention]``: captions of a share of the pairs that are changed on purpose."""
    counterfactual: CounterfactualConfig | None = None
    """The table ``[data.counterfactual]``: captions that are added with words swapped, after a skew or an intervention."""
    leave_out: LeaveOutConfig | None = None
    """The table ``[data.leave_out]``: pairs that are not trained on. Vocabulary, held-out pairs, initial weights, and the order and
    random shifts of the other pairs stay those of a run with them, so that two runs differ in these pairs only (with a shuffle buffer or
    `optim.sampling`, also in the order). With `optim.steps`, the number of steps stays the same: other pairs are drawn a little more."""
    withhold: StrictBool = False
    """Leave out 60 of the 300 combinations of occupation, gender and tone, to test unseen ones (`contrastive.data.emoji.withheld`)."""
    crop: Annotated[StrictFloat, Field(gt=0, le=1)] | None = None
    """A random square crop, as in the paper: its minimum share of the largest square's area; None: always the centre."""
    augment: tuple[Transform, ...] = ()
    """Transforms from ``torchvision.transforms.v2``, applied in order after `crop`: ``["RandAugment"]``, or with their own parameters
    ``[{name = "RandomResizedCrop", scale = [0.9, 1.0], interpolation = "bicubic"}, {name = "ColorJitter", brightness = 0.4}]``. Their
    random draws depend on seed, epoch and pair. Such images are decoded again each time."""
    max_broken: UpToHalf = 0.01
    """Maximum share of broken pairs to be replaced by a neighbour; with more, the run stops and names them."""
    memory_gib: NotNegative = 8.0
    """Maximum memory for decoded images, which the processes of one machine share; larger datasets are decoded on demand. All images are
    decoded before the first step; with 0, training begins at once."""
    workers: PositiveInt = 2
    """Number of decoding threads."""
    prefetch: NotNegativeInt = 2
    """Number of batches prepared in advance."""
    fix_text: StrictBool = False
    """Repair captions with ``ftfy``, as OpenAI's code and open_clip do: wrong decodings, curly quotes, ligatures."""
    tokenizer: Literal["own", "clip"] = "own"
    """``own``: a byte-pair vocabulary trained on the captions. ``clip``: CLIP's 49,408 entries from the installed open_clip_torch."""
    vocabulary: StrictInt = 2048
    """Size of the ``own`` vocabulary."""
    patch_dropout: BelowOne = 0.0
    """Share of patches of each image hidden from a vision transformer, drawn for each step; never the class token (FLIP)."""
    captions: Literal["file", "lines"] | None = None
    """How ``.txt`` files (in tar shards, or next to images) are read. ``file``: each is one caption, as in webdataset. ``lines``: each
    of its lines is a caption, and one is drawn per epoch. None: ``file``."""
    image_column: StrictStr = "image"
    caption_column: StrictStr = "caption"
    images: StrictStr | None = None
    """Folder of a table's images: base of relative paths; absolute paths must be inside it. None: the table's folder."""
    groups: tuple[StrictStr, ...] = ()
    """Columns whose values are the groups of the pairs; several are combined (``woman × dark``). For `optim.sampling`, `optim.loss_weights`
    and `optim.objective`. Columns of a table or of `datasets`; keys of the ``.json`` file next to an image in tar shards; named groups of
    `group_pattern`; ``role``, ``gender``, ``tone`` (emoji); ``colour``, ``shape``, ``count``, ``size`` (shapes). Pairs without a value are
    the group ``(none)``."""
    group_pattern: StrictStr | None = None
    """Regular expression that is searched in the name of a pair (the path of its image, in a tar shard without its suffix); its named
    groups can be used in `groups`: ``(?P<gender>woman|man)/``."""
    weight: StrictStr | None = None
    """Column with the weight of each pair, a number of at least 0, for ``optim.sampling = "weighted"``; named as in `groups`."""
    upsampling: tuple[NotNegative, ...] = ()
    """For several names of tar shards in `train`, separated by ``::``: factor for each of them, by which the pairs of its shards are drawn
    more often, such as ``[1.0, 3.0]`` (open_clip: ``--train-data-upsampling-factors``)."""
    balance_within: tuple[StrictStr, ...] = ()
    """Columns, such as an occupation: the groups have the shares in ``optim.target_shares`` within each of their values as well (the second
    moments of M4, `contrastive.data.raking`); named as in `groups`. Pairs without a value are not restricted."""
    separator: StrictStr | None = None
    """Separator of a CSV file; None: detected in its header (comma, semicolon or tab)."""
    encoding: StrictStr | None = None
    """Encoding of a text table (CSV, JSON lines), such as ``latin-1``, ``cp1252`` or ``utf-16``; None: UTF-8."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data that are read besides images and captions: not those that `group_pattern` supplies."""
        supplied = re.compile(self.group_pattern or "").groupindex
        wanted = [name for name in (*self.groups, self.weight, *self.balance_within) if name not in supplied]
        wanted += [*self.intervention.where, self.intervention.column] if self.intervention else []
        wanted += self.leave_out.where if self.leave_out else ()
        return tuple(dict.fromkeys(name for name in wanted if name))

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
        _check_group_columns(self)
        for entry in self.augment:
            named = isinstance(entry, str) or isinstance(entry.get("name"), str)
            _require(named, "data.augment", 'names of transforms, or tables such as {name = "RandAugment", num_ops = 2}')
        _require(bool(self.templates), "data.templates", "at least one template")
        for template in self.templates:
            slots = template.count("{caption}") + template.count("{a caption}")
            _require(slots == 1 == template.count("{"), "data.templates", "templates with {caption} or {a caption} exactly once")


def _check_group_columns(data: DataConfig) -> None:
    _require(len(set(data.groups)) == len(data.groups) and all(data.groups), "data.groups", "names of columns, each of them once")
    if data.group_pattern is None:
        return
    try:
        named = re.compile(data.group_pattern).groupindex
    except re.error:
        named = {}
    _require(bool(named), "data.group_pattern", "a regular expression with a named group, such as (?P<gender>woman|man)/")
    used = [name for name in named if name in (*data.groups, data.weight, *data.balance_within)]
    _require(bool(used), "data.groups", f"one or more of the named groups of data.group_pattern: {', '.join(named)}")


@record
class OptimConfig:
    """What is drawn, AdamW, and its schedule."""

    steps: NotNegativeInt = 0
    """Number of steps; set this or `epochs`."""
    lr: Positive = field(kw_only=True)
    """Peak learning rate."""
    epochs: NotNegativeInt = 0
    """Passes over the training pairs, instead of `steps`; incomplete batches are dropped."""
    sampling: Literal["natural", "balanced", "weighted", "resampled"] = "natural"
    """How often each training pair is drawn in an epoch. ``natural``: equally often. ``balanced``: every group of ``data.groups`` equally
    often. ``weighted``: in proportion to ``data.weight`` or, with `target_shares`, to weights that give groups these shares. Counts are
    exact up to rounding, new in each epoch (docs/training.md). ``resampled``: with replacement, in proportion to ``data.weight`` if it is
    set (open_clip: ``--dataset-resampled``)."""
    epoch_draws: NotNegativeInt = 0
    """Number of draws in an epoch (open_clip: ``--train-num-samples``); 0: the number of training pairs. With fewer, an epoch has another
    part of the pairs each time."""
    target_shares: Mapping[StrictStr, Annotated[StrictFloat, Field(ge=0, le=1)]] = field(default_factory=dict)
    """With ``sampling = "weighted"``: group -> share of the draws of the groups named here, with sum 1: ``{woman = 0.5, man = 0.5}``. Pairs
    of other groups keep their weight. The weights are the nearest to ``data.weight`` (or to 1) with these shares."""
    objective: Literal["mean", "group_dro"] = "mean"
    """What is minimised. ``mean``: the mean loss of the pairs. ``group_dro``: a mean of the losses of the groups, with learned weights that
    grow for groups with a large loss (`contrastive.loss.by_group`). With ``loss.kind`` softmax or sigmoid."""
    dro_rate: Positive = 0.01
    """How fast group DRO changes the weights of the groups."""
    loss_weights: Mapping[StrictStr, NotNegative] = field(default_factory=dict)
    """Group -> weight of the loss of its pairs; 1 for groups that are not named, and only the ratios matter:
    ``{"woman × dark" = 2.0}``. With ``loss.kind`` softmax or sigmoid."""
    warmup: NotNegativeInt = 0
    """Steps until the peak learning rate."""
    schedule: Literal["cosine", "constant", "wsd"] = "cosine"
    """After the warm-up: half a cosine down to 0; constant; or constant with a linear decay to 0 in the last `cooldown` steps."""
    cooldown: NotNegativeInt = 0
    """Number of final steps in which the rate decays (wsd only)."""
    betas: tuple[BelowOne, BelowOne] | None = None
    """None: the paper's, (0.9, 0.98), or (0.9, 0.999) with a ResNet."""
    eps: Positive | None = None
    """None: the paper's, 1e-6, or 1e-8 with a ResNet."""
    weight_decay: NotNegative = 0.1
    decay_positions: StrictBool = False
    """Whether weight decay applies to position embeddings, as in open_clip's trainer. It never applies to gains, biases, the class
    embedding, logit scale and bias."""
    clip: NotNegative = 1.0
    """Maximum gradient norm; larger gradients are scaled down. 0: no clipping."""
    accumulate: PositiveInt = 1
    """Number of micro-batches per process and step. The gradient is that of the whole batch; memory is that of one part."""
    ema: BelowOne = 0.0
    """Decay of the running average of the weights, which is saved with them; 0: no average."""
    lora_rank: NotNegativeInt = 0
    """Rank of low-rank additions (LoRA) to the linear maps in the blocks of both towers (query, key, value, output, MLP), which are trained
    instead of all weights of ``model.init``; 0: all weights are trained. In files they are merged into the weights."""
    lora_alpha: Positive = 8.0
    """The additions are multiplied by ``lora_alpha / lora_rank``."""
    skip: NotNegativeInt = 3
    """Maximum number of consecutive steps skipped because of a non-finite loss or gradient; one more ends the run."""
    multipliers: Mapping[StrictStr, NotNegative] = field(default_factory=dict)
    """Regular expression -> learning-rate factor for parameters whose names match; the first match counts. 0 locks
    them: ``{"^visual" = 0}`` trains a text tower for an existing image tower (LiT)."""

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0):
            which = "both" if self.steps else "neither"
            raise UsageError("optim needs the setting 'steps' or 'epochs'", why=f"it has {which}", fix="for example optim.steps=300")
        shares = sum(self.target_shares.values())
        _require(not self.target_shares or abs(shares - 1) < 1e-6, "optim.target_shares", f"shares with sum 1; it is {shares:g}")
        _require(not self.target_shares or self.sampling == "weighted", "optim.sampling", '"weighted" where optim.target_shares is set')
        _require(self.cooldown == 0 or self.schedule == "wsd", "optim.cooldown", '0 unless optim.schedule = "wsd"')
        if self.steps:  # with epochs, it is known once the data are
            if self.warmup > self.steps:
                why = f"it is {self.warmup:,}, and the run takes {self.steps:,} steps"
                raise UsageError("optim.warmup must be between 0 and optim.steps", why=why, fix=f"optim.warmup={self.steps // 10}")
            _require(0 <= self.cooldown <= self.steps - self.warmup, "optim.cooldown", "between 0 and optim.steps - optim.warmup")
        _require(self.lora_rank > 0 or self.lora_alpha == 8.0, "optim.lora_rank", "above 0 where optim.lora_alpha is set")
        _require(
            not (self.lora_rank and self.ema), "optim.ema", "0 with optim.lora_rank: an average of additions is not that of the weights"
        )
        for pattern in self.multipliers:
            try:
                re.compile(pattern)
            except re.error:
                _require(False, f"optim.multipliers {pattern[:80]!r}", "a regular expression")


@record
class LossConfig:
    """The loss, and a teacher."""

    kind: Literal["softmax", "sigmoid", "caption", "caption-both", "bag-of-words"] = "softmax"
    """``softmax`` and ``sigmoid`` compare every image with every text of the batch; the model scores by the same rule. ``caption`` predicts
    the text word by word from the image (``caption-both``: also backwards, as in VirTex), ``bag-of-words`` its set of words. These three
    have an extra head (`contrastive.loss`) and train only the image tower, so such a model cannot be audited."""
    teacher: StrictStr | None = None
    """A checkpoint (as in ``model.init``) whose similarity matrix the student should match."""
    weight: Annotated[StrictFloat, Field(ge=0, le=1)] = 0.5
    """Weight of the divergence from the teacher; the usual loss has the remaining weight."""
    temperature: Positive = 1.0
    """Divides the teacher's and the student's logits in the divergence."""
    tile: PositiveInt | None = None
    """Rows of the logit matrix in memory at a time; None: chosen for the device. Does not change the result."""

    def __post_init__(self) -> None:
        _find_home(self, "teacher")
        _require(0 < self.temperature < float("inf"), "loss.temperature", "above 0")
        usual = (self.weight, self.temperature) == (0.5, 1.0)
        _require(usual or self.teacher is not None, "loss.teacher", "given where loss.weight or loss.temperature is")
        _require(self.teacher is None or self.contrastive, "loss.kind", "softmax or sigmoid with a teacher, who compares images with texts")

    @property
    def contrastive(self) -> bool:  # texts are compared with images, so that both towers are trained
        return self.kind in ("softmax", "sigmoid")


@record
class RunConfig:
    """Output folder, device, and how often the state is written."""

    out: StrictStr
    """Folder for ``ckpt.pt`` and ``log.jsonl``. In all settings for files and folders, ``~`` is the home folder."""
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    device: StrictStr = "cpu"
    """``cpu`` or ``cuda`` (one GPU per process)."""
    dist: Literal["ddp", "fsdp2"] = "ddp"
    """How several processes (torchrun) share the model: replicated or sharded. No effect in a single process."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the towers' matrix products; weights, features and loss stay fp32. fp16 scales the loss to avoid underflow of gradients.
    ``auto``: bf16 on GPUs that support it, else fp32."""
    recompute: StrictBool = False
    """Activation checkpointing of transformer blocks and ResNet bottlenecks: less memory, a third more time."""
    compile: StrictBool = False
    """``torch.compile`` of the towers."""
    save_every: PositiveInt = 100
    """Steps between two saves of the state, which a kill can lose."""
    keep_every: NotNegativeInt = 0
    """Steps between two checkpoints to keep, ``step-000100.pt`` next to ``ckpt.pt``, for `audit.compare --series`; 0: none. The first is
    from before any step. With a stable phase (wsd, constant) they include optimiser state, at three times the size."""
    keep_last: NotNegativeInt = 0
    """Number of those checkpoints to keep, the newest; 0: all."""
    eval_every: NotNegativeInt = 0
    """Steps between two evaluations (held-out pairs, ``data.zero_shot``), which are logged; 0: only at the end."""
    best_by: StrictStr | None = None
    """A measure, such as ``loss``, ``image_to_text_recall@1`` or ``zero_shot_accuracy``: the best model so far is kept as ``best.pt``."""
    patience: NotNegativeInt = 0
    """Number of evaluations without improvement of `best_by` after which the run ends; 0: never."""
    resume: StrictStr | None = None
    """State of another run to continue from: the ``ckpt.pt`` of an unfinished run, a ``step-000100.pt`` of a wsd or constant run, a
    folder of shards. Only the end may differ (`optim.steps`, `optim.schedule`, `optim.cooldown`), for a cooldown from an older step. The
    result is bit-identical to a run with this end from the beginning, or it is refused."""
    sharded: StrictBool = False
    """Each process writes its own part of the state to a folder ``shards/step-...`` (the two newest are kept), so that none ever holds
    all of it. At the end they are merged into ``ckpt.pt``; ``python -m contrastive.unshard`` does the same for any step."""
    log_every: PositiveInt = 10
    wandb: StrictStr | None = None
    """Weights & Biases project for the curves (extra ``[wandb]``); TensorBoard curves are always written if it is installed."""
    kg_co2e_per_kwh: NotNegative | None = None
    """Carbon intensity of the local electricity. None: emissions are not reported, nor are they if energy cannot be measured."""

    def __post_init__(self) -> None:
        _find_home(self, "out", "resume")
        _require(_is_name(self.out), "run.out", "the name of a folder: it is empty or holds a NUL character")
        _require(self.best_by is None or self.eval_every > 0, "run.eval_every", "above 0 where run.best_by names a measure")
        _require(not self.patience or self.best_by is not None, "run.best_by", "given where run.patience is")
        _require(re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device) is not None, "run.device", "cpu, cuda, cuda:N or mps")


@record
class ModelSource:
    """Architecture and initial weights: a preset or a checkpoint."""

    preset: StrictStr | None = None
    """A name in `contrastive.model.presets`; its weights are initialised from the seed."""
    init: StrictStr | None = None
    """A model to continue from, with its architecture, weights, tokenizer and preprocessing: a ``ckpt.pt``; an OpenAI archive, an open_clip
    or Lightning checkpoint, a plain state dict; a folder of a `CLIPModel`, of a SigLIP or SigLIP 2 of fixed resolution (`SiglipModel`), or
    in open_clip's layout."""
    stated: Mapping[StrictStr, Any] = field(default_factory=dict)
    """Facts missing from another program's file, by the names of `overrides.ModelOverrides`: ``stated.activation = "gelu"``,
    ``stated.text_head_width = 16``, ``stated.mean = [0.5, 0.5, 0.5]``."""
    initialization: Literal["paper", "open_clip"] = "paper"
    """Distribution of a preset's initial weights: ``paper``, or that of open_clip's models, which leave the blocks of a vision transformer
    and some biases at torch's defaults."""
    changes: Mapping[StrictStr, Any] = field(default_factory=dict)
    """Changes to the preset, nested as in `contrastive.model.architecture.ModelConfig`; validated when the model is built. Next to `init`
    only ``vision.image_size`` and ``text.context``: position embeddings are interpolated, as in open_clip (images: bicubic, antialiased;
    texts: linear)."""

    def __post_init__(self) -> None:
        if (self.preset is None) == (self.init is None):
            neither = self.preset is None
            why = f"it has {'neither' if neither else 'both'}"
            fix = 'write preset = "..." under [model]' if neither else "remove preset, or remove init"
            raise UsageError("model needs the setting 'preset' or 'init'", why=why, fix=fix)
        _find_home(self, "init")
        for name, value in self.stated.items():
            parts = value if isinstance(value, list) else [value]
            simple = all(isinstance(part, str | int | float) for part in parts)
            _require(simple, f"model.stated.{name[:80]}", "a word, a number, true or false, or a list of numbers")
        if self.init is None and self.stated:
            raise UsageError("model has the setting 'stated' without 'init'", why="a preset leaves nothing to state", fix="leave it out")
        if self.init is not None and self.initialization != "paper":
            why = "its weights are those of model.init"
            raise UsageError("model has the setting 'initialization' beside 'init'", why=why, fix="leave it out")
        for name in _fixed(self.changes) if self.init is not None else ():
            why = "the checkpoint says what the model is; only vision.image_size and text.context can be changed"
            raise UsageError(f"model has the setting {name!r} beside 'init'", why=why, fix="leave it out")

    @property
    def name(self) -> str:
        return self.preset or f"from {self.init}"

    @property
    def words(self) -> dict[str, str]:
        """The specified facts, in the format of `ModelOverrides.from_words`."""
        return {name: _word(value) for name, value in self.stated.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return the table of the TOML file."""
        if self.preset:
            drawn = {} if self.initialization == "paper" else {"initialization": self.initialization}  # older runs do not state it
            return {"preset": self.preset, **drawn, **self.changes}
        return {"init": self.init, **({"stated": self.words} if self.stated else {}), **self.changes}


def _fixed(changes: Mapping[str, Any]) -> list[str]:
    """Return the changes that cannot be made to an initial model, whose position embeddings can be interpolated."""
    free = {"vision": {"image_size"}, "text": {"context"}}
    return [table for table, values in changes.items() if not isinstance(values, Mapping) or set(values) - free.get(table, set())]


def _word(value: object) -> str:
    """Return a TOML value as a string.

    >>> _word(True), _word(16), _word([0.5, 0.5, 0.5]), _word("gelu")
    ('true', '16', '0.5,0.5,0.5', 'gelu')
    """
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _find_home(settings: object, *names: str) -> None:
    """Expand the home folder in settings that name a file; a shell does so only at the beginning of an argument."""
    for name in names:
        if (value := getattr(settings, name)) is not None:
            object.__setattr__(settings, name, os.path.expanduser(value))  # noqa: PTH111  # otherwise keeps names as written


def _is_name(text: str) -> bool:
    return bool(text.strip()) and "\0" not in text


def _is_encoding(name: str) -> bool:
    try:
        return isinstance("a".encode(name), bytes)
    except (LookupError, ValueError):  # unknown, or not a text encoding: hex, rot13
        return False


def _require(holds: bool, name: str, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} must be {expected}")
