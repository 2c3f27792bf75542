"""The interface of a kind of analysis, and the kinds, discovered by their folders: plans and inputs go in, records come out."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from audit import analyses
from audit.measure.classified.answers import LabelScores
from audit.plans import AnalysisPlan
from audit.records.inputs import TextSet
from audit.types import AnyModel, Dataset, Embeddings, ModelType, Predictions, Probe, Settings, model_type

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Bool, Float


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


class Analysis(Protocol):
    """The module `computation` of an analysis: one kind of question that affects no verdict."""

    PLAN: ClassVar[type[AnalysisPlan]]
    """The class of its plans."""
    FIELD: ClassVar[str]
    """The field of `AuditResult` that holds its records."""
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


@runtime_checkable
class ExternalAnalysis(Protocol):
    """An analysis that also reads external predictions."""

    @staticmethod
    def analyse_external(inputs: ExternalInputs) -> tuple[Any, ...]:
        """Compute the records; none if the file does not contain what the analysis needs."""
        ...


@runtime_checkable
class Precondition(Protocol):
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


def analysis_kinds() -> tuple[Analysis, ...]:
    """The computation of each kind, sorted by name."""
    names = (module.name for module in pkgutil.iter_modules(analyses.__path__) if module.name != "base")
    modules: list[Any] = [import_module(f"{analyses.__name__}.{name}.computation") for name in names]
    return tuple(modules)


def check(probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Check the analyses of a probe before the model sees an image; raises UsageError."""
    for kind, plans in _planned(probe.analyses):
        kind.check(plans, probe, dataset, settings)


def prompts(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Yield every text that the analyses need and what it is for."""
    for kind, own in _planned(plans):
        for plan in own:
            yield from kind.prompts(plan)


def analyse(inputs: AnalysisInputs) -> dict[str, tuple[Any, ...]]:
    """Field of the result -> its records, for every kind that this type of model supports, except preconditions."""
    able = model_type(inputs.model)
    return {
        kind.FIELD: kind.analyse(plans, inputs)
        for kind, plans in _planned(inputs.probe.analyses)
        if able in kind.MODELS and not isinstance(kind, Precondition)
    }


def preconditions(plans: Sequence[AnalysisPlan]) -> tuple[AnalysisPlan, ...]:
    """The plans on which all others depend."""
    return tuple(plan for kind, own in _planned(plans) if isinstance(kind, Precondition) for plan in own)


def check_preconditions(inputs: AnalysisInputs) -> tuple[dict[str, Any], bool]:
    """Field of the result -> its records, for the preconditions of a probe; and whether all are met."""
    records: dict[str, Any] = {}
    met = True
    for kind, plans in _planned(inputs.probe.analyses):
        if isinstance(kind, Precondition):
            records[kind.FIELD] = kind.analyse(plans, inputs)
            met = met and kind.is_met(records[kind.FIELD])
    return records, met


def analyse_external(inputs: ExternalInputs) -> dict[str, tuple[Any, ...]]:
    """Field of the result -> its records, for every kind that reads external predictions."""
    return {kind.FIELD: kind.analyse_external(inputs) for kind in analysis_kinds() if isinstance(kind, ExternalAnalysis)}


def split(plans: Sequence[AnalysisPlan], model: ModelType) -> tuple[tuple[AnalysisPlan, ...], tuple[AnalysisPlan, ...]]:
    """The plans that this type of model supports, and the others."""
    able = [plan for kind, own in _planned(plans) if model in kind.MODELS for plan in own]
    return tuple(plan for plan in plans if plan in able), tuple(plan for plan in plans if plan not in able)


def extra_pictures(plans: Sequence[AnalysisPlan], images: int) -> ExtraPictures:
    """How many images all plans together add to a data set of `images` images."""
    added = [kind.extra_pictures(plan, images) for kind, own in _planned(plans) if isinstance(kind, ExtraPicturesAnalysis) for plan in own]
    return ExtraPictures(sum(extra.changed for extra in added), sum(extra.attacked for extra in added))


def _planned(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[Analysis, list[AnalysisPlan]]]:
    for kind in analysis_kinds() if plans else ():
        if own := [plan for plan in plans if isinstance(plan, kind.PLAN)]:
            yield kind, own
