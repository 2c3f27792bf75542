"""The options of an audit: those of ``vlm-audit run``, and those only available from Python."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import ClassVar, Literal

from audit.cli.logs import LogFormat
from audit.errors import DataError, UnsafeError, UsageError
from audit.options.declared import HOW, OF_READERS, OUTPUT, READ_BY_OTHERS, ModelsRequest, OutputsRequest, ReadersRequest
from audit.options.gates import GATES, GatedRequest
from audit.options.kinds import (
    AboveOne,
    Bins,
    CacheRoot,
    Columns,
    Count,
    Data,
    Draws,
    Encoding,
    ErrorRate,
    Exclusions,
    FilePath,
    Fraction,
    Groups,
    LabelMapFile,
    LanguageCode,
    Model,
    ModelArgs,
    ModelName,
    Names,
    Ordered,
    Pairs,
    Prediction,
    ProbeName,
    Progress,
    Several,
    StagesOf,
    SuiteName,
    Switch,
    Text,
    Whole,
    is_frame,
    is_hugging_face,
)
from audit.options.schema import MORE_SPECS, check_model_names, flag, is_given, option
from audit.types import Settings
from strictio.files import read_text

WHAT, QUESTIONS, UNITS = "what to audit", "further questions", "groups and sampling units"
TABLE, EXTERNAL = "how images and their attributes are read", "external predictions"
RULES = "statistics"
Dtype = Literal["float32", "bfloat16", "float16"]
Decode = Literal["exact", "fast"]
WITH_A_MODEL = (
    "model", "model_args", "label_map", "data", "split", "image_root", "image_column", "attributes_from", "limit", "include_examples",
    "harmless", "what_if", "untrained_control", "baseline_models", "max_new_tokens", "suite", "language",
)  # fmt: skip
OF_ANSWERS = ("outcome", "score", "pairs", "depth", "prediction_column", "truth_column", "tags", "texts", "independent")
READING = (*OF_READERS, "join", "on")
"""Options that say how predictions in a file are read."""

_CODE = re.compile(r".+\.py(:.*)?", re.DOTALL)
"""A model spec that names a Python file."""
_PROBE_FOR_DATA = "for images with your own labels: --probe zeroshot; vlm-audit probes lists all probes"


class AuditRequest(ModelsRequest, GatedRequest, ReadersRequest, OutputsRequest):
    """All options of an audit: those of ``vlm-audit run``, and those only available from Python."""

    NEEDED: ClassVar[tuple[str, ...]] = ("model", "probe")
    """Options without which a probe cannot be run."""
    EXAMPLE: ClassVar[str] = "vlm-audit run --model ckpt.pt --probe fairface"

    model: Several[Model] = option(
        (), WHAT, f"weights (ckpt.pt), a folder, hf:ORG/NAME[@REV], open_clip:ARCH,FILE{MORE_SPECS}, "
        "file.py:CLASS; repeatable",
        metavar="SPEC", basic=True,
    )  # fmt: skip
    """Model specs; objects with the methods of an `Encoder`, an `Answerer` or an image classifier; or dual encoders of transformers with
    their processors, each as ``(model, processor)``."""
    models: FilePath | None = option(
        None, WHAT, "a text file with one model per line (# begins a comment), after those of --model", metavar="FILE"
    )
    """Read when the request is created: `model` then has the models in it."""
    model_args: ModelArgs = option(
        None, WHAT, "settings that a file of weights lacks: activation=gelu mean=0.5,0.5,0.5 …; for the --model before it, or for all if "
        "before the first", metavar="NAME=VALUE",
    )  # fmt: skip
    """Text or a mapping, for all models; or a sequence with one for each."""
    label_map: LabelMapFile = option(
        None, WHAT, "for an image classifier: a CSV or TOML table of its labels and the answers of the probe that they mean "
        "(columns label, answer); equal names need none", metavar="FILE",
    )  # fmt: skip
    """Or a mapping of labels to answers."""
    name: Several[ModelName] = option(
        (), WHAT, "what to call a model on the page, on the terminal and in the files; repeatable: one for each --model or "
        "--predictions, in their order", metavar="NAME",
    )  # fmt: skip
    probe: Several[ProbeName] = option(
        (), WHAT, "a probe (--list-probes), or your own file.py, which is run; repeatable", metavar="NAME", basic=True
    )
    suite: SuiteName | None = option(
        None, WHAT, "all probes of a suite, with one correction over their questions; people: fairface, moderation, occupations, taxonomy "
        "and traits, of one data set", metavar="NAME", basic=True,
    )  # fmt: skip
    """`probe` then has its probes."""
    data: Data = option(
        None, WHAT, "a folder, a table (CSV, JSON lines, Excel, Parquet), tar shards ({000000..000127}.tar), a URL of them, or hf:ID; "
        "default: what the probe names", metavar="WHERE", basic=True,
    )  # fmt: skip
    """Or a data frame or a `datasets.Dataset` with a column of paths or of images, or a `Dataset`."""

    split: Names = option(
        (), WHAT, "with --data: the splits of a folder that has train, val, test … (default: all that can be read)", metavar="NAME,NAME"
    )
    image_root: FilePath | None = option(
        None,
        TABLE,
        "with --data: the folder that its paths are relative to, or below (default: that of the table); paths with .. are "
        "relative to the table, and may lead anywhere below it",
        metavar="DIR",
    )
    image_column: Text | None = option(
        None, TABLE, "with --data: the column that names the images (default: file, image, path, …)", metavar="COLUMN"
    )
    column: Columns = option(
        (), TABLE, "the column of the table that an attribute is read from, as in gender='Gender '; case, spaces and a unit "
        "in brackets need none; repeatable", metavar="NAME=COLUMN",
    )  # fmt: skip
    """Or a mapping of attributes to columns."""
    attributes_from: FilePath | None = option(
        None, TABLE, "a table with further attributes of the images, joined by identifier (column id, file, image …); compare by them "
        "with --by", metavar="FILE",
    )  # fmt: skip
    encoding: Encoding | None = option(
        None, TABLE, "encoding of a text table that is not UTF-8, such as latin-1, cp1252 or utf-16", metavar="NAME"
    )
    bins: Bins = option(
        (), TABLE, "a column of numbers as an attribute: NAME=18,30,60 cuts at these numbers (under 18, 18 to under 30, ...), NAME=4 into "
        "quarters; repeatable", metavar="NAME=EDGES",
    )  # fmt: skip
    """Or a mapping of names to edges, or to a number of groups."""
    exclude: Exclusions | None = option(
        None, TABLE, "leave out the images that this text file lists, one identifier per line", metavar="FILE"
    )
    """Or a sequence of identifiers."""
    limit: Count | None = option(
        None, TABLE, "a stratified sample of N images; such a run is inconclusive and passes no gate", metavar="N", basic=True
    )

    predictions: Several[Prediction] = option(
        (), EXTERNAL, f"audit external predictions (CSV, JSON lines, Excel, Parquet{READ_BY_OTHERS}; a folder "
        "or 'DIR/*.parquet' in parts of any size), no model is loaded; repeatable", metavar="FILE", basic=True,
    )  # fmt: skip
    """Or a data frame of them, or a sequence."""
    prediction_column: Text | None = option(None, EXTERNAL, "with --predictions: the column of answers (default: y_pred)", metavar="COLUMN")
    truth_column: Text | None = option(None, EXTERNAL, "with --predictions: the column of true answers (default: y_true)", metavar="COLUMN")
    outcome: Several[Text] = option(
        (), EXTERNAL, "with --predictions: labels that count as one outcome; NAME:low= if it is harmful, NAME:high= if desirable; "
        "repeatable", metavar="NAME=LABEL,LABEL",
    )  # fmt: skip
    score: Names = option(
        (), EXTERNAL, "with --predictions: labels whose scores (columns score:LABEL) are compared between groups without a threshold, as "
        "planned questions: which group scores higher, and how often", metavar="LABEL,LABEL",
    )  # fmt: skip
    pairs: Pairs = option(
        (), EXTERNAL, "with --predictions: rows that agree on COLUMN and differ in ATTRIBUTE are counterfactual pairs, compared within "
        "each pair (tone=scene); repeatable", metavar="ATTRIBUTE=COLUMN",
    )  # fmt: skip
    """Or a mapping of attributes to columns."""
    depth: Count | None = option(None, EXTERNAL, "with --predictions: most attributes in an intersection (default: 2)", metavar="N")
    tags: Text | None = option(
        None, EXTERNAL, "with --predictions: a column with several labels per image (suit|tie, or a list), as returned by vision services",
        metavar="COLUMN",
    )  # fmt: skip
    texts: Names | None = option(
        None, EXTERNAL, "with --predictions: columns of texts that were written about each image (default: text:NAME, where no column "
        "holds answers): which words are used about whom", metavar="COLUMN,COLUMN",
    )  # fmt: skip
    join: FilePath | None = option(
        None, EXTERNAL, "with --predictions: a table with the groups of the samples, one row per sample, if the predictions lack them",
        metavar="FILE",
    )  # fmt: skip
    on: Text | None = option(
        None, EXTERNAL, "with --join: the column of that table that identifies a sample; doc_id may be the row's position", metavar="COLUMN"
    )

    attributes: Names | None = option(
        None, UNITS, "compare by these attributes alone, each planned question by each of them (default: those of the probe; without a "
        "probe, text columns with 2 to 50 levels that may be groups)", metavar="NAME,NAME", basic=True,
    )  # fmt: skip
    by: Groups = option(
        (), UNITS, "ask the planned questions by these groups too (their intersections), exploratory; repeatable",
        metavar="NAME,NAME",
    )  # fmt: skip
    ordered: Ordered = option(
        (), UNITS, "an attribute whose levels are ordered: each planned rate by it is also tested for a trend; all levels from the "
        "lowest to the highest, or the name alone for the order of the data; repeatable", metavar="NAME=LEVEL,LEVEL",
    )  # fmt: skip
    """Or a mapping of attributes to levels."""
    cluster: Text | None = option(
        None, UNITS, "images that belong together (of one person, say) and count as one sampling unit", metavar="COLUMN"
    )
    independent: Switch = option(
        False, UNITS, "with --predictions: every row is a sampling unit, although a column of the file looks as if rows belonged together"
    )
    nested: Names | None = option(
        None, UNITS, "with --cluster: attributes that all images of a cluster share (the race of a person); two values are refused",
        metavar="NAME,NAME",
    )  # fmt: skip
    weights: Text | None = option(None, UNITS, "a column with the weight of each image in a rate, such as survey weights", metavar="COLUMN")

    no_inference: Switch = option(False, QUESTIONS, "never ask the model which group a person belongs to: outcomes by group only")
    harmless: Switch = option(
        False, QUESTIONS, "robustness: eight kinds of corruption with our own milder parameters, at the size of the image, in place of "
        "the fifteen of ImageNet-C",
    )  # fmt: skip
    language: LanguageCode | None = option(
        None, QUESTIONS, "ask in another language: ar, de, es, fr, it, pt, zh (text_only, occupations); no difference is reported unless "
        "the model understands it", metavar="CODE",
    )  # fmt: skip
    what_if: Several[Text] = option(
        (), QUESTIONS, "what would change if ...: neutral-label, projection, ... or all; repeatable", metavar="METHOD"
    )
    untrained_control: Switch = option(False, QUESTIONS, "audit the same architecture with untrained weights as well, as a control")
    as_replicates: Switch = option(
        False, QUESTIONS, "the models (or files of predictions) are checkpoints or seeds of one: besides each verdict, the gaps of all of "
        "them, and intervals over images and replicates",
    )  # fmt: skip
    baseline_models: FilePath | None = option(
        None, QUESTIONS, "accuracies of other models, to measure effective robustness against (columns model, standard, shifted; also "
        "condition, attribute, group), such as tables/natural_shift.csv", metavar="FILE",
    )  # fmt: skip

    lock: FilePath | None = option(
        None, RULES, "the plan lock that vlm-audit plan wrote: its gates apply, and every deviation from it is reported and exploratory",
        metavar="FILE",
    )  # fmt: skip
    alpha: ErrorRate = option(0.05, RULES, "error rate of tests and intervals")
    tolerance: Fraction = option(0.05, RULES, "the largest gap that is negligible; a plan lock shows that it was set before the run")
    ratio_tolerance: AboveOne = option(1.25, RULES, "for answers and errors rarer than 10 %%: the largest negligible ratio, too")
    min_group_size: Count = option(30, RULES, "smaller groups are shown but not compared", metavar="N")
    seed: Whole = option(0, RULES, "random seed of the permutation tests and of --limit", metavar="N")

    out: FilePath | None = option(None, OUTPUT, "default: audits/<model>--<probe>--<UTC>", metavar="DIR", basic=True)
    """Directory of the output files; from Python, None writes none."""
    include_examples: Count | None = option(
        None, OUTPUT, "show N small pictures in the report; they may show people (default: none)", metavar="N"
    )
    log_format: LogFormat = option("text", OUTPUT, "form of the log on stderr and in run.log; json: one object per line")

    device: Text = option("cpu", HOW, "cpu, cuda, cuda:1, mps; several GPUs of this machine: cuda:0,cuda:1, or cuda:all", basic=True)
    dtype: Dtype = option("float32", HOW, "data type of the weights")
    decode: Decode = option("exact", HOW, "fast: JPEGs are reduced while decoded; the effect is measured")
    batch_size: Count = option(32, HOW, "images per batch; halved when memory runs out", metavar="N")
    max_skip: Fraction = option(0.01, HOW, "the largest share of unreadable images that is tolerated", metavar="FRACTION")
    no_cache: Switch = option(False, HOW, "neither read nor write the cache of embeddings")
    verify: Switch = option(False, HOW, "read all weights and images again, even from files that have not changed")
    cache_root: CacheRoot | None = option(
        None, HOW, "where embeddings are kept: a folder, or a URL (s3://, gs://) that machines share (default: AUDIT_CACHE_DIR, else "
        "~/.cache/vlm-audit)", metavar="WHERE",
    )  # fmt: skip

    fail_on: Several[Text] = option(
        (), GATES, "exit with 1 if this is shown: 'gap[role.accuracy by gender] > 0.05'; repeatable", metavar="GATE", basic=True
    )

    draws: Draws = option(9999, None, "Permutation draws; the smallest possible p is 1 / (draws + 1).")
    progress: Progress | None = option(None, None, "Called with the number of images embedded so far, and the total.")
    stages: StagesOf | None = option(None, None, "Called with the stage of the run, the steps done, and their total.")
    command: Several[Text] = option((), None, "The command line, for the results.")

    def check_combination(self) -> None:
        """Raise UsageError for options that are missing, or that do not apply to this kind of run."""
        if self.models is not None:
            self._read_models(self.models)
        if self.suite is not None:
            self._take_suite(self.suite)
        self._check_kind(external=bool(self.predictions))
        self._check_reading(external=bool(self.predictions))
        sources, what = (self.predictions, "table") if self.predictions else (self.model, "model")
        check_model_names(self.name, len(sources), what)
        if self.as_replicates:
            self._check_replicates()
        self._check_columns()
        self.check_models(self.model)
        if self.lock is not None and self.allow_undecided:
            why = "a plan lock does not have it, and it would let a locked gate pass without an answer"
            raise UsageError("--allow-undecided cannot be used with --lock", why=why, fix="leave it out")
        if self.lock is None:  # whose gates are applied, too
            self.check_gates(self.fail_on, "gap > 0.05")

    def _read_models(self, path: Path) -> None:
        """Add the models of a file, without duplicates, after those of `model`.

        The file has one model spec per line; ``#`` starts a comment. Raises DataError if it cannot be read, or names none; UnsafeError
        if it names a Python file.
        """
        if self.predictions or self.model_args:
            other = "--predictions" if self.predictions else "--model-args"
            raise UsageError(f"--models cannot be used with {other}", fix="name the models with --model")
        try:
            lines = [line.partition("#")[0].strip() for line in read_text(path, encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise DataError(f"cannot read the models in {str(path)!r}", why=why, fix="give a text file with one model per line") from error
        if not (models := tuple(dict.fromkeys(filter(None, lines)))):
            raise DataError(f"{str(path)!r} names no model", fix="write one model on each line, as --model takes it")
        if code := [model for model in models if _CODE.fullmatch(model)]:
            why = "a Python file is code, and only code that you name yourself is run"
            raise UnsafeError(f"{path.name} names code: {code[0][:80]!r}", where="--models", why=why, fix="name it with --model")
        self._settle(model=(*self.model, *models), models=None)

    def _take_suite(self, name: str) -> None:
        import probes

        suite = probes.SUITES[name]
        if self.probe not in ((), suite):
            why = "a suite is corrected as a whole, with the questions it was planned with"
            raise UsageError("--suite cannot be used with --probe", why=why, fix="leave one of them out")
        self._settle(probe=suite)

    def _check_kind(self, *, external: bool) -> None:
        for name in () if external else self.NEEDED:
            if not getattr(self, name):
                own_data = name == "probe" and self.data is not None
                raise UsageError(f"--{name} is missing", fix=_PROBE_FOR_DATA if own_data else self.EXAMPLE)
        if external and self.by and not self.probe:
            raise UsageError("--by requires --probe", fix="with --predictions, give --attributes and --depth")
        for name in WITH_A_MODEL if external else OF_ANSWERS:
            if is_given(getattr(self, name)):
                why = "no model is loaded and no image is read" if external else "the probe defines the questions"
                what = f"{flag(name)} cannot be used {'with' if external else 'without'} --predictions"
                raise UsageError(what, why=why, fix="leave it out")
        if not external:
            self._check_data()

    def _check_reading(self, *, external: bool) -> None:
        if not external and (names := [name for name in READING if is_given(getattr(self, name))]):
            what = f"{flag(names[0])} cannot be used without --predictions"
            raise UsageError(what, why="it says how predictions are read", fix="leave it out")
        if (self.join is None) != (self.on is None):
            raise UsageError("--join and --on belong together", fix="--join data.csv --on id")

    def _check_data(self) -> None:
        names = [name for name in ("encoding", "split", "image_root", "image_column", "column") if is_given(getattr(self, name))]
        held = names[:1] not in (["encoding"], ["split"]) and (is_frame(self.data) or is_hugging_face(self.data))
        if names and not (isinstance(self.data, str) or held):
            where = "without --data" if self.data is None else f"with data of type {type(self.data).__name__}"
            raise UsageError(f"{flag(names[0])} cannot be used {where}", why="it says how files are read", fix="leave it out")
        if self.image_root is not None and not self.image_root.is_dir():
            raise UsageError(f"no folder {str(self.image_root)!r}", where="--image-root", fix="name the folder that the images are in")

    def _check_replicates(self) -> None:
        """Raise UsageError for replicates that are given twice, or for a single one."""
        replicates = [str(source) if isinstance(source, str | Path) else id(source) for source in (*self.model, *self.predictions)]
        if twice := [replicate for replicate in replicates if replicates.count(replicate) > 1]:
            named = "one object" if isinstance(twice[0], int) else repr(twice[0])
            raise UsageError(f"{named} is given twice", where="--as-replicates", fix="give each replicate once: another seed, another step")
        if len(self.model) == 1:
            why = "how far replicates lie apart takes two of them"
            raise UsageError("--as-replicates with one --model", why=why, fix="--model a.pt --model b.pt --as-replicates")

    def _check_columns(self) -> None:
        if self.tags:
            one_answer = ("probe", "score", "pairs", "prediction_column", "truth_column", "weights")
            self._refuse("--tags", one_answer, "an image has several labels, none of them the answer")
        if self.texts:
            about_answers = ("outcome", "score", "ordered", "pairs", "depth", "by", "prediction_column", "truth_column", "tags", "fail_on")
            self._refuse("--texts", about_answers, "a text is not one of several answers")
        if self.score and self.probe:
            raise UsageError("--score cannot be used with --probe", why="the probe defines the questions", fix="leave one of them out")
        if self.pairs and (self.probe or self.weights):
            what = "--probe: it says itself what its pairs are" if self.probe else "--weights: each pair counts once"
            raise UsageError(f"--pairs cannot be used with {what}", fix="leave one of them out")
        if self.independent and self.cluster:
            why = "rows of one cluster are not independent"
            raise UsageError("--independent cannot be used with --cluster", why=why, fix="leave one of them out")
        if self.weights:
            self._check_weights()
        for name, column in (("cluster", self.cluster), ("weights", self.weights)):
            if column in {binning.rpartition("=")[0].strip() for binning in self.bins}:
                raise UsageError(f"--bins and --{name} name one column: {column!r}", fix="leave one of them out")

    def _refuse(self, what: str, others: tuple[str, ...], why: str) -> None:
        if names := [name for name in others if is_given(getattr(self, name))]:
            raise UsageError(f"{what} cannot be used with {flag(names[0])}", why=why, fix="leave it out")

    def _check_weights(self) -> None:
        """Raise UsageError if the column of weights has another role, too."""
        if self.weights == self.cluster or self.weights in {*(self.attributes or ()), *(name for by in self.by for name in by)}:
            other = "--cluster" if self.weights == self.cluster else "--attributes" if self.attributes else "--by"
            what = f"--weights and {other} name one column: {self.weights!r}"
            raise UsageError(what, fix="weights are numbers, the others names; give two")
        if self.what_if:
            raise UsageError("--what-if cannot be used with --weights", why="what-ifs count every image once", fix="leave one of them out")

    @property
    def settings(self) -> Settings:
        """Everything that affects the numbers besides model and data."""
        return Settings(**{field.name: getattr(self, field.name) for field in fields(Settings)})
