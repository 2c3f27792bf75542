"""The interface of a kind of analysis, and those that extensions declare: plans and inputs go in, records come out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from audit import extension
from audit.errors import UsageError, nearest
from audit.extension import Analysis, analyses
from audit.measure.classified.answers import LabelScores
from audit.plans import AnalysisPlan, WhatIfPlan
from audit.records.inputs import TextSet
from audit.types import AnyModel, Dataset, Embeddings, ModelType, Predictions, Probe, Settings, model_type

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Bool, Float

LOG = logging.getLogger("audit")


@dataclass(frozen=True)
class AnalysisInputs:
    """Data, embeddings and predictions of an audit whose measurements are done."""

    probe: Probe
    dataset: Dataset
    """The whole data set; `images.rows` says which of its images were read."""
    attributes: pd.DataFrame
    """One row per image that was read."""
    model: AnyModel
    images: Embeddings
    """For an encoder the embeddings; for other models the scores of all questions or labels, which no analysis reads."""
    texts: Mapping[str, Float[np.ndarray, "d"]]
    """All texts that the analyses need, embedded by a dual encoder; empty for other models."""
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""
    settings: Settings
    embed: Callable[[Dataset], Embeddings]
    """Embeds further images (of a changed data set) through the same cache and in the same batches."""
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """prompt -> the text that a generative model wrote about each image that was read; empty for other models."""
    label_scores: LabelScores | None = None
    """The probabilities of an image classifier's own labels; None for other models."""


class Computation(Protocol):
    """The module that answers one kind of question, which affects no verdict."""

    MODELS: ClassVar[tuple[ModelType, ...]]
    """The types of models that it is for."""

    @staticmethod
    def check(plans: Sequence[Any], probe: Probe, dataset: Dataset, settings: Settings) -> None:
        """Check the plans before the model sees an image; raises UsageError."""
        ...

    @staticmethod
    def prompts(plan: Any) -> Iterator[tuple[TextSet, Sequence[str]]]:
        """Yield the texts that a plan needs and what they are for; `texts` of the set is filled in later."""
        ...

    @staticmethod
    def analyse(plans: Sequence[Any], inputs: AnalysisInputs) -> tuple[Any, ...]:
        """Compute the records: one per plan and attribute, or per comparison of this kind."""
        ...


class WhatIfComputation(Protocol):
    """The module that tries what-ifs, after the verdict and independently of it."""

    @staticmethod
    def analyse(plan: WhatIfPlan, inputs: AnalysisInputs, methods: Sequence[str]) -> tuple[Any, ...]:
        """Compute the records of one plan for some methods; `texts` has the prompts of all plans, and predictions are not needed."""
        ...


@dataclass(frozen=True)
class ExternalInputs:
    """External predictions: what a file says about the rows of a data set, besides answers."""

    probe: Probe
    """With the clusters and weights of the file."""
    dataset: Dataset
    attributes: pd.DataFrame
    settings: Settings
    tags: Mapping[str, Bool[np.ndarray, "n"]] | None
    """label -> whether each row has it; None if rows have one answer each."""
    texts: Mapping[str, Sequence[str]] | None
    """name -> the text of each row; None if the file has no texts."""


class ExternalAnalysis(Protocol):
    """An analysis that also reads external predictions: labels that each row has, or texts."""

    @staticmethod
    def analyse_external(inputs: ExternalInputs) -> tuple[Any, ...]:
        """Compute the records."""
        ...


class OfTexts(Protocol):
    """An analysis of texts in a table of predictions."""

    @staticmethod
    def probe_of_texts(probe: Probe | None, texts: Mapping[str, Sequence[str]], attributes: pd.DataFrame, source: str) -> Probe:
        """Return the probe that asks about the texts of a table; raises UsageError if a given probe reads none of them."""
        ...


class Beside(Protocol):
    """The module that completes an analysis by what other models show."""

    @staticmethod
    def read_points(path: Path) -> tuple[Any, ...]:
        """Read a table of other models; raises DataError with the column or line of an error."""
        ...

    @staticmethod
    def with_other_models(audits: Sequence[Any], baselines: Sequence[Any], alpha: float) -> list[Any]:
        """Return the audits of a run (`AuditResult`), their records completed by those of the others, and of a table."""
        ...


@runtime_checkable
class Precondition(Computation, Protocol):
    """An analysis on which all other questions of a probe depend: if it is not met, nothing else is answered."""

    @staticmethod
    def is_met(records: Sequence[Any]) -> bool:
        """Whether the other questions can be answered; `analyse` gets inputs without predictions."""
        ...


class ExtraPictures(NamedTuple):
    """Maximum numbers of images that an encoder sees besides those of the data."""

    changed: int
    attacked: int
    """How many of them need gradients, a few dozen times each."""


@runtime_checkable
class ExtraPicturesAnalysis(Protocol):
    """An analysis that shows the model additional images."""

    @staticmethod
    def extra_pictures(plan: Any, images: int) -> ExtraPictures:
        """How many images a plan adds to a data set of `images` images."""
        ...


def check(probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the analyses of a probe before the model sees an image; raises UsageError. Logs which plans no extension answers."""
    answered = [plan for _, _, plans in _planned(probe.analyses) for plan in plans]
    if probe.analyses and not answered and not probe.measurements:
        what = f"no extension that is installed answers the questions of the probe {probe.name!r}"
        raise UsageError(what, why=f"they are {type(probe.analyses[0]).__name__}s", fix="install vlm-audit again, with all of it")
    for plan in probe.analyses:
        if plan not in answered and plan.required:
            what = f"no extension that is installed answers the question on which all others of the probe {probe.name!r} depend"
            raise UsageError(what, why=f"it is a {type(plan).__name__}: {plan.question}", fix="install vlm-audit again, with all of it")
        if plan not in answered:
            LOG.warning("not asked, since no extension that is installed answers a %s: %s", type(plan).__name__, plan.question)
    for _, kind, plans in _planned(probe.analyses):
        kind.check(plans, probe, dataset, settings)


def prompts(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield every text that the analyses need and what it is for."""
    for _, kind, own in _planned(plans):
        for plan in own:
            yield from kind.prompts(plan)


def analyse(inputs: AnalysisInputs) -> dict[str, tuple[Any, ...]]:
    """Field of the results -> its records, for every kind that this type of model supports, except preconditions."""
    able = model_type(inputs.model)
    return {
        key: kind.analyse(plans, inputs)
        for key, kind, plans in _planned(inputs.probe.analyses)
        if able in kind.MODELS and not isinstance(kind, Precondition)
    }


def preconditions(plans: Sequence[AnalysisPlan]) -> tuple[AnalysisPlan, ...]:
    """The plans on which all others depend."""
    return tuple(plan for _, kind, own in _planned(plans) if isinstance(kind, Precondition) for plan in own)


def check_preconditions(inputs: AnalysisInputs) -> tuple[dict[str, tuple[Any, ...]], bool]:
    """Field of the results -> its records, for the preconditions of a probe; and whether all are met."""
    records: dict[str, tuple[Any, ...]] = {}
    met = True
    for key, kind, plans in _planned(inputs.probe.analyses):
        if isinstance(kind, Precondition):
            records[key] = kind.analyse(plans, inputs)
            met = met and kind.is_met(records[key])
    return records, met


def analyse_external(inputs: ExternalInputs) -> dict[str, tuple[Any, ...]]:
    """Field of the results -> its records, for every kind that reads what the table has besides answers."""
    present = {"tags": inputs.tags, "texts": inputs.texts}
    readers = ((declared.field, import_module(declared.computation)) for declared in analyses() if present.get(declared.reads) is not None)
    return {key: computation.analyse_external(inputs) for key, computation in readers}


def probe_of_texts(probe: Probe | None, texts: Mapping[str, Sequence[str]], attributes: pd.DataFrame, source: str) -> Probe:
    """Return the probe that asks about the texts of a table; raises UsageError if no extension reads texts."""
    readers: list[Any] = [import_module(declared.computation) for declared in analyses() if declared.reads == "texts"]
    if not readers:
        raise UsageError(f"{source} holds texts, which no extension that is installed reads", fix="install vlm-audit again, with all of it")
    made: Probe = readers[0].probe_of_texts(probe, texts, attributes, source)
    return made


def read_points(path: Path | None) -> dict[str, tuple[Any, ...]]:
    """Field of the results -> what a table says about other models, for each analysis that is completed by it."""
    return {one.field: import_module(one.beside).read_points(path) if path is not None else () for one in analyses() if one.beside}


def with_other_models(audits: Sequence[Any], points: Mapping[str, tuple[Any, ...]], alpha: float) -> list[Any]:
    """Return the audits (`AuditResult`) of a run, their records completed by what other models show."""
    for declared in analyses():
        if declared.beside and any(audit.analyses[declared.field] for audit in audits):
            audits = import_module(declared.beside).with_other_models(audits, points[declared.field], alpha)
    return list(audits)


def any_beside(audits: Sequence[Any]) -> bool:
    """Whether an audit has records that other models complete."""
    return any(audit.analyses[declared.field] for declared in analyses() if declared.beside for audit in audits)


def what_if_analysis() -> Analysis:
    """The analysis that `--what-if` asks for; raises UsageError if no extension that is installed has one."""
    if (declared := extension.what_ifs()) is None:
        fix = "; ".join([*extension.find().left_out, "install vlm-audit again, with all of it"])
        raise UsageError("no extension that is installed tries what-ifs", where="--what-if", fix=fix)
    return declared


def chosen_methods(names: Sequence[str]) -> tuple[str, ...]:
    """The requested methods of what-ifs in display order; ``all`` means every one. Raises UsageError if one is unknown."""
    if not names:
        return ()
    known = tuple(what_if_analysis().methods)
    for name in names:
        if name != "all" and name not in known:
            raise UsageError(f"no what-if {name!r}", where="--what-if", fix=nearest(name, (*known, "all")))
    return known if "all" in names else tuple(name for name in known if name in names)


def split(plans: Sequence[AnalysisPlan], model: ModelType) -> tuple[tuple[AnalysisPlan, ...], tuple[AnalysisPlan, ...]]:
    """The plans that this type of model supports, and the others."""
    able = [plan for _, kind, own in _planned(plans) if model in kind.MODELS for plan in own]
    return tuple(plan for plan in plans if plan in able), tuple(plan for plan in plans if plan not in able)


def extra_pictures(plans: Sequence[AnalysisPlan], images: int) -> ExtraPictures:
    """How many images all plans together add to a data set of `images` images."""
    added = [
        kind.extra_pictures(plan, images) for _, kind, own in _planned(plans) if isinstance(kind, ExtraPicturesAnalysis) for plan in own
    ]
    return ExtraPictures(sum(extra.changed for extra in added), sum(extra.attacked for extra in added))


def _planned(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[str, Any, list[AnalysisPlan]]]:
    """Yield the field, the computation and the plans of each kind of analysis that is planned; no other is imported."""
    for declared in analyses() if plans else ():
        if own := [plan for plan in plans if declared.plan in _names(type(plan))]:
            yield declared.field, import_module(declared.computation), own


def _names(plan: type[AnalysisPlan]) -> set[str]:
    """The names of a class and its bases, as a declaration writes them."""
    return {f"{base.__module__}:{base.__qualname__}" for base in plan.__mro__}
