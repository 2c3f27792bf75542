"""What may be asked for: `AuditRequest` and `CompareRequest` carry every option of the commands, checked when they are made.

A string is read as on the command line: where several values may stand, one value is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from audit.api import checks
from audit.api.endpoint_options import HOW, EndpointRequest
from audit.cli.options import (
    above_one,
    error_rate,
    flag,
    fraction,
    names,
    one_of,
    option,
    options,
    path,
    read_share,
    several,
    switch,
    text,
    whole,
)
from audit.errors import UsageError
from audit.gates.options import GATES, GatedRequest
from audit.stages import Stages
from audit.types import Probe, Settings

WHAT, QUESTIONS, UNITS = "what to audit", "further questions", "groups and sampling units"
TABLE, EXTERNAL = "how images and their attributes are read", "external predictions"
RULES, OUTPUT = "statistics", "output"
MODELS, AS_FIRST, SIDES = "for models, which are audited first", "statistics (default: as in the first audit)", "what to compare"
DTYPES, DECODE = ("float32", "bfloat16", "float16"), ("exact", "fast")
Progress = Callable[[int, int], object]
"""Called with the images embedded so far, and their number."""


@dataclass(frozen=True)
class AuditRequest(EndpointRequest, GatedRequest):
    """Everything that an audit may be asked for. The options of ``vlm-audit run``, and what only Python can say."""

    model: tuple[Any, ...] = option(
        several(checks.model), (), WHAT, "weights (ckpt.pt), a folder, hf:ORG/NAME[@REV], open_clip:ARCH,FILE, file.py:CLASS "
        "or api:NAME; repeatable",
        metavar="SPEC", repeatable=True, basic=True,
    )  # fmt: skip
    """Model specs, or objects with the methods of an `Encoder` or an `Answerer`."""
    models: Path | None = option(
        path, None, WHAT, "a text file with a model a line (# begins a comment), after those of --model", metavar="FILE"
    )
    """Read when the request is made: `model` holds what it names."""
    model_args: Any = option(
        checks.model_args, None, WHAT, "what a file of weights does not say: activation=gelu mean=0.5,0.5,0.5 …; about the --model before "
        "it, or before the first about all", metavar="NAME=VALUE",
    )  # fmt: skip
    """Text or a mapping, about all models; or a sequence with one for each."""
    probe: tuple[str | Probe, ...] = option(
        several(checks.probe), (), WHAT, "a probe (--list-probes), or your own file.py, which is run; repeatable", metavar="NAME",
        repeatable=True, basic=True,
    )  # fmt: skip
    suite: str | None = option(
        checks.suite, None, WHAT, "all probes of a suite, with one correction over their questions; people: "
        "fairface, moderation, occupations, taxonomy and traits, of one data set", metavar="NAME", basic=True,
    )  # fmt: skip
    """`probe` then holds its probes."""
    data: Any = option(
        checks.data, None, WHAT, "a folder, a table (CSV, JSON lines, Excel, Parquet), tar shards ({000000..000127}.tar), a URL of them, "
        "or hf:ID; default: what the probe names", metavar="WHERE", basic=True,
    )  # fmt: skip
    """Or a data frame with a column of paths or of pictures, or a `Dataset`."""
    image_root: Path | None = option(
        path, None, TABLE, "with --data: the folder that its paths are relative to, or below (default: that of the table)", metavar="DIR"
    )
    image_column: str | None = option(
        text, None, TABLE, "with --data: the column that names the images (default: file, image, path, …)", metavar="COLUMN"
    )
    attributes_from: Path | None = option(
        path, None, TABLE, "a table with further attributes of the images, joined by identifier (column id, file, image …); compare by "
        "them with --by", metavar="FILE",
    )  # fmt: skip
    baseline_models: Path | None = option(
        path, None, QUESTIONS, "accuracies of other models, to measure effective robustness against (columns model, standard, shifted; "
        "also condition, attribute, group), such as tables/natural_shift.csv", metavar="FILE",
    )  # fmt: skip
    predictions: Any = option(
        checks.predictions, (), EXTERNAL, "audit external predictions (CSV, JSON lines, Excel, Parquet; a folder or 'DIR/*.parquet' in "
        "parts of any size), no model is loaded; repeatable", metavar="FILE", read=Path, repeatable=True, basic=True,
    )  # fmt: skip
    """Or a data frame of them, or a sequence."""
    prediction_column: str | None = option(
        text, None, EXTERNAL, "with --predictions: the column of answers (default: y_pred)", metavar="COLUMN"
    )
    truth_column: str | None = option(
        text, None, EXTERNAL, "with --predictions: the column of true answers (default: y_true)", metavar="COLUMN"
    )
    tags: str | None = option(
        text, None, EXTERNAL, "with --predictions: a column that holds several labels an image (suit|tie, or a list), as vision services "
        "give them", metavar="COLUMN",
    )  # fmt: skip
    texts: tuple[str, ...] | None = option(
        names, None, EXTERNAL, "with --predictions: columns of texts that were written about each image (default: text:NAME, where no "
        "column holds answers): which words are used about whom", metavar="COLUMN,COLUMN",
    )  # fmt: skip
    encoding: str | None = option(
        checks.encoding, None, TABLE, "of a table of text that is not UTF-8, such as latin-1, cp1252 or utf-16", metavar="NAME"
    )
    as_replicates: bool = option(
        switch, False, QUESTIONS, "the models (or files of predictions) are checkpoints or seeds of one: besides each verdict, the gaps of "
        "all of them, and intervals over images and replicates",
    )  # fmt: skip
    attributes: tuple[str, ...] | None = option(
        names,
        None,
        EXTERNAL,
        "with --predictions: columns to slice by (default: text with 2 to 50 levels)",
        metavar="NAME,NAME",
        basic=True,
    )
    outcome: tuple[str, ...] = option(
        several(text), (), EXTERNAL, "with --predictions: labels that count as one thing; NAME:low= where it is bad to get, NAME:high= "
        "where good; repeatable", metavar="NAME=LABEL,LABEL", repeatable=True,
    )  # fmt: skip
    pairs: tuple[str, ...] = option(
        checks.pairs, (), EXTERNAL, "with --predictions: rows that agree on COLUMN and differ in ATTRIBUTE are counterfactual pairs, "
        "compared within each pair (tone=scene); repeatable", metavar="ATTRIBUTE=COLUMN", repeatable=True,
    )  # fmt: skip
    """Or a mapping of attributes to columns."""
    depth: int | None = option(
        whole(1), None, EXTERNAL, "with --predictions: most attributes that an intersection combines (2)", metavar="N", read=int
    )
    bins: tuple[str, ...] = option(
        checks.bins, (), TABLE, "a column of numbers as an attribute: NAME=18,30,60 cuts at these numbers (under 18, 18 to under 30, ...), "
        "NAME=4 into quarters; repeatable", metavar="NAME=EDGES", repeatable=True,
    )  # fmt: skip
    """Or a mapping of names to edges, or to a number of groups."""
    cluster: str | None = option(
        text, None, UNITS, "images that belong together (of one person, say) and count as one sampling unit", metavar="COLUMN"
    )
    nested: tuple[str, ...] | None = option(
        names, None, UNITS, "with --cluster: attributes that all images of a cluster share (the race of a person); two values are refused",
        metavar="NAME,NAME",
    )  # fmt: skip
    weights: str | None = option(
        text, None, UNITS, "a column that says how much each image counts for in a rate, such as survey weights", metavar="COLUMN"
    )
    by: tuple[tuple[str, ...], ...] = option(
        checks.groups, (), UNITS, "ask the pre-specified questions by these groups too (their intersections), exploratory; repeatable",
        metavar="NAME,NAME", repeatable=True,
    )  # fmt: skip
    no_inference: bool = option(switch, False, QUESTIONS, "never ask the model which group a person belongs to: outcomes by group only")
    exclude: Path | tuple[str, ...] | None = option(
        checks.exclusions, None, TABLE, "leave out the images that this text file lists, an identifier a line", metavar="FILE"
    )
    """Or a sequence of identifiers."""
    limit: int | None = option(
        whole(1),
        None,
        TABLE,
        "a stratified sample of N images; such a run is inconclusive and passes no gate",
        metavar="N",
        read=int,
        basic=True,
    )
    what_if: tuple[str, ...] = option(
        several(text), (), QUESTIONS, "what would change if ...: neutral-label, projection, ... or all; repeatable", metavar="METHOD",
        repeatable=True,
    )  # fmt: skip
    include_examples: int | None = option(
        whole(1), None, OUTPUT, "put N small pictures into the report; they may show people (default: none)", metavar="N", read=int
    )
    untrained_control: bool = option(
        switch, False, QUESTIONS, "audit the same architecture with untrained weights as well, as a control", older=("twin",)
    )
    out: Path | None = option(path, None, OUTPUT, "default: audits/<model>--<probe>--<UTC>", metavar="DIR", basic=True)
    """Where the files are written; from Python None writes none."""

    device: str = option(text, "cpu", HOW, "cpu, cuda, cuda:1, mps; several GPUs of this machine: cuda:0,cuda:1, or cuda:all", basic=True)
    dtype: str = option(one_of(*DTYPES), "float32", HOW, "of the weights", choices=DTYPES)
    decode: str = option(one_of(*DECODE), "exact", HOW, "fast: JPEGs are reduced while decoded; the effect is measured", choices=DECODE)
    batch_size: int = option(whole(1), 32, HOW, "halved by itself when memory runs out", metavar="N", read=int)
    max_skip: float = option(fraction, 0.01, HOW, "unreadable images that are tolerated", metavar="FRACTION", read=read_share)
    no_cache: bool = option(switch, False, HOW, "keep no embeddings: nothing is read from their cache, and nothing written")
    verify: bool = option(switch, False, HOW, "read weights and images again, also of files that are unchanged since they were last read")
    cache_root: Path | str | None = option(
        checks.cache_root, None, HOW, "where embeddings are kept: a folder, or a URL (s3://, gs://) that machines share (default: "
        "AUDIT_CACHE_DIR, else ~/.cache/vlm-audit)", metavar="WHERE",
    )  # fmt: skip
    seed: int = option(whole(), 0, RULES, "of the permutation tests and of --limit", metavar="N", read=int)

    alpha: float = option(error_rate, 0.05, RULES, "error rate of tests and intervals", read=read_share)
    tolerance: float = option(fraction, 0.05, RULES, "a gap that would not matter, fixed beforehand", read=read_share)
    ratio_tolerance: float = option(
        above_one, 1.25, RULES, "of shares under 10 %%: the factor between two rates that would not matter, besides", read=float
    )
    min_group_size: int = option(whole(1), 30, RULES, "smaller groups are shown, not judged", metavar="N", read=int)

    fail_on: tuple[str, ...] = option(
        several(text), (), GATES, "exit with 1 if this is shown: 'gap[role.accuracy by gender] > 0.05'; repeatable", metavar="GATE",
        repeatable=True, basic=True,
    )  # fmt: skip

    draws: int = option(whole(99), 9999, None, "Permutation draws; the smallest possible p is 1 / (draws + 1).")
    progress: Progress | None = option(checks.progress, None, None, "Called with the images embedded so far, and their number.")
    stages: Stages | None = option(checks.stages, None, None, "Called with the stage of the run, how much of it is done, and of how much.")
    command: tuple[str, ...] = option(several(text), (), None, "What was typed, for the results.")

    def check_together(self) -> None:
        """Refuse options that are missing, or say nothing about this kind of run."""
        if self.models is not None:
            checks.read_models(self)
        if self.suite is not None:
            checks.take_suite(self)
        self._check_kind(external=bool(self.predictions))
        if self.as_replicates:
            checks.about_replicates(self)
        self._check_columns()
        self.check_endpoint(self.model)
        self.check_gates(self.fail_on, "gap > 0.05")

    def _check_columns(self) -> None:
        if self.tags:
            checks.about_tags(self)
        if self.texts:
            checks.about_texts(self)
        if self.pairs and (self.probe or self.weights):
            what = "--probe: it says itself what its pairs are" if self.probe else "--weights: each pair counts once"
            raise UsageError(f"--pairs cannot be used with {what}", fix="leave one of them out")
        if self.weights:
            checks.about_weights(self)
        for name, column in (("cluster", self.cluster), ("weights", self.weights)):
            if column in {binning.rpartition("=")[0].strip() for binning in self.bins}:
                raise UsageError(f"--bins and --{name} name one column: {column!r}", fix="leave one of them out")

    def _check_kind(self, *, external: bool) -> None:
        for name in () if external else ("model", "probe"):
            if not getattr(self, name):
                raise UsageError(f"--{name} is missing", fix="vlm-audit run --model ckpt.pt --probe fairface")
        if external and self.by and not self.probe:
            raise UsageError("--by requires --probe", fix="with --predictions, give --attributes and --depth")
        with_a_model = (
            "model", "model_args", "data", "image_root", "image_column", "attributes_from", "limit", "include_examples", "what_if",
            "untrained_control", "baseline_models", "max_new_tokens", "suite",
        )  # fmt: skip
        of_answers = ("attributes", "outcome", "pairs", "depth", "prediction_column", "truth_column", "tags", "texts")
        for name in with_a_model if external else of_answers:
            if checks.is_given(getattr(self, name)):
                why = "no model is loaded and no image is read" if external else "the probe says what is asked"
                what = f"{flag(name)} cannot be used {'with' if external else 'without'} --predictions"
                raise UsageError(what, why=why, fix="leave it out")
        if not external:
            checks.about_data(self)

    @property
    def settings(self) -> Settings:
        """What decides a number besides model and data."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})


def _as_in_audit(name: str, section: str | None, help: str | None = None) -> Any:  # noqa: A002 - argparse's word
    """Return the field of `AuditRequest` without its default: what is not given stays as in the first audit, or as audits have it."""
    like, _ = options(AuditRequest)[name]
    return field(default=() if like.repeatable else None, metadata={"option": replace(like, section=section, help=help or like.help)})


@dataclass(frozen=True)
class CompareRequest(GatedRequest):
    """Everything that a comparison may be asked for. The options of ``vlm-audit compare``, and what only Python can say."""

    sides: tuple[Any, ...] = option(
        several(checks.side), (), SIDES, "the directory of a finished audit, or a model as audit.run takes it", metavar="SIDE",
        repeatable=True, basic=True,
    )  # fmt: skip
    """Or `Audit` objects, or models as objects. Everything is compared with the first."""
    series: bool = option(switch, False, SIDES, "checkpoints of one run: curves over their steps (recognised by itself from 3)", basic=True)
    out: Path | None = option(path, None, SIDES, "default: audits/<before>-against-<after>--comparison--<UTC>", metavar="DIR", basic=True)
    """Where the files are written, those of the audits below it; from Python None writes none."""

    probe: tuple[str | Probe, ...] = _as_in_audit(
        "probe", MODELS, "a probe (vlm-audit probes), or your own file.py, which is run; repeatable"
    )
    data: Any = _as_in_audit("data", MODELS)
    image_root: Path | None = _as_in_audit("image_root", MODELS)
    image_column: str | None = _as_in_audit("image_column", MODELS)
    encoding: str | None = _as_in_audit("encoding", MODELS)
    model_args: Any = _as_in_audit("model_args", MODELS, "what a file of weights does not say")
    limit: int | None = _as_in_audit("limit", MODELS, "a stratified sample of N images; such a comparison is inconclusive")
    device: str | None = _as_in_audit("device", MODELS)
    dtype: str | None = _as_in_audit("dtype", MODELS)
    decode: str | None = _as_in_audit("decode", MODELS)
    batch_size: int | None = _as_in_audit("batch_size", MODELS)
    max_skip: float | None = _as_in_audit("max_skip", MODELS)

    seed: int | None = _as_in_audit("seed", AS_FIRST, "of the random draws")
    alpha: float | None = _as_in_audit("alpha", AS_FIRST)
    tolerance: float | None = _as_in_audit("tolerance", AS_FIRST, "a change that would not matter, fixed beforehand")
    ratio_tolerance: float | None = _as_in_audit("ratio_tolerance", MODELS)
    min_group_size: int | None = _as_in_audit("min_group_size", AS_FIRST)

    fail_on: tuple[str, ...] = _as_in_audit(
        "fail_on", GATES, "exit with 1 if this is shown: 'change[role.accuracy by gender] > 0.02'; repeatable"
    )

    no_cache: bool = option(switch, False, MODELS, options(AuditRequest)["no_cache"][0].help)
    verify: bool = option(switch, False, MODELS, options(AuditRequest)["verify"][0].help)
    cache_root: Path | str | None = _as_in_audit("cache_root", MODELS)
    progress: Progress | None = _as_in_audit("progress", None)
    stages: Stages | None = _as_in_audit("stages", None)
    command: tuple[str, ...] = option(several(text), (), None, "What was typed, for the results.")

    def check_together(self) -> None:
        """Refuse options about gates without a gate."""
        self.check_gates(self.fail_on, "change > 0.02")

    def audit_options(self) -> dict[str, Any]:
        """Return the options that an audit of a model gets, as they were given."""
        own = ("out", "command", "fail_on", *options(GatedRequest))
        shared = [name for name in options(CompareRequest) if name in options(AuditRequest) and name not in own]
        return {name: value for name in shared if checks.is_given(value := getattr(self, name))}

    def settings(self, first: Settings) -> Settings:
        """Return the settings of the first audit, with what was given in their place."""
        overrides = {name: value for name in ("seed", "alpha", "tolerance", "min_group_size") if (value := getattr(self, name)) is not None}
        return replace(first, **overrides)
