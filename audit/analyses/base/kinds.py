"""Kinds of analysis: the interface of one, and every kind found in its folder. Plans and inputs in, records out."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from audit import analyses
from audit.plans import AnalysisPlan
from audit.records.inputs import TextSet
from audit.types import Answerer, Dataset, Embeddings, Encoder, Predictions, Probe, Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Bool, Float


@dataclass(frozen=True)
class AnalysisInputs:
    """An audit whose measurements are answered."""

    probe: Probe
    dataset: Dataset
    """All of it; `images.rows` says which of its images were read."""
    attributes: pd.DataFrame
    """A row for each image that was read."""
    model: Encoder | Answerer
    images: Embeddings
    """Of an encoder the embeddings; of a generative model the scores of all questions, which no analysis reads."""
    texts: Mapping[str, Float[np.ndarray, "d"]]
    """Every text that the analyses asked for, as a dual encoder embeds it; empty for a generative model."""
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""
    settings: Settings
    embed: Callable[[Dataset], Embeddings]
    """Embeds further images (of a changed data set) through the same cache and in the same batches."""
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """prompt -> what a generative model wrote about each image that was read; empty for a dual encoder."""


class Analysis(Protocol):
    """The module `computation` of an analysis: one kind of question that decides no verdict."""

    PLAN: ClassVar[type[AnalysisPlan]]
    """The class of its plans."""
    FIELD: ClassVar[str]
    """The field of `AuditResult` that holds what it finds."""
    GENERATIVE: ClassVar[bool]
    """Whether it is asked of generative models, and not of dual encoders."""

    @staticmethod
    def check(plans: Sequence[Any], probe: Probe, dataset: Dataset, settings: Settings) -> None:
        """Refuse what is wrong with the plans before a model sees an image; UsageError."""
        ...

    @staticmethod
    def prompts(plan: Any) -> Iterator[tuple[TextSet, Sequence[str]]]:
        """Give the texts that a plan needs, with what they are for; `places` of the set is filled in later."""
        ...

    @staticmethod
    def analyse(plans: Sequence[Any], inputs: AnalysisInputs) -> tuple[Any, ...]:
        """Return what is found, one record a plan and attribute (or whatever the kind compares)."""
        ...


@dataclass(frozen=True)
class ExternalInputs:
    """External predictions: what a file says of the rows of a data set, besides answers."""

    probe: Probe
    """With the clusters and weights of the file."""
    dataset: Dataset
    attributes: pd.DataFrame
    settings: Settings
    tags: Mapping[str, Bool[np.ndarray, "n"]] | None
    """label -> whether each row has it; None where rows have one answer each."""
    texts: Mapping[str, Sequence[str]] | None
    """name -> the text of each row; None where no texts were recorded."""


@runtime_checkable
class ExternalAnalysis(Protocol):
    """An analysis that also reads external predictions."""

    @staticmethod
    def analyse_external(inputs: ExternalInputs) -> tuple[Any, ...]:
        """Return the records; none where the file does not hold what the analysis reads."""
        ...


class ExtraPictures(NamedTuple):
    """Pictures that an encoder is shown besides those of the data, at most."""

    changed: int
    attacked: int
    """Of which it gives gradients, a few dozen times each."""


@runtime_checkable
class ExtraPicturesAnalysis(Protocol):
    """An analysis that shows the model further pictures."""

    @staticmethod
    def extra_pictures(plan: Any, images: int) -> ExtraPictures:
        """Return how many pictures a plan adds to so many images."""
        ...


def analysis_kinds() -> tuple[Analysis, ...]:
    """Return the computation of each kind, in the order of their names."""
    names = (module.name for module in pkgutil.iter_modules(analyses.__path__) if module.name != "base")
    modules: list[Any] = [import_module(f"{analyses.__name__}.{name}.computation") for name in names]
    return tuple(modules)


def check(probe: Probe, dataset: Dataset, settings: Settings) -> None:
    """Refuse what is wrong with the analyses of a probe before a model sees an image; UsageError."""
    for kind, plans in _planned(probe.analyses):
        kind.check(plans, probe, dataset, settings)


def prompts(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[TextSet, Sequence[str]]]:
    """Give every text that the analyses need, with what it is for."""
    for kind, own in _planned(plans):
        for plan in own:
            yield from kind.prompts(plan)


def analyse(inputs: AnalysisInputs, *, generative: bool = False) -> dict[str, tuple[Any, ...]]:
    """Return field of the result -> its records, of every kind that this kind of model can be asked."""
    return {kind.FIELD: kind.analyse(plans, inputs) for kind, plans in _planned(inputs.probe.analyses) if kind.GENERATIVE is generative}


def analyse_external(inputs: ExternalInputs) -> dict[str, tuple[Any, ...]]:
    """Return field of the result -> its records, of every kind that reads external predictions."""
    return {kind.FIELD: kind.analyse_external(inputs) for kind in analysis_kinds() if isinstance(kind, ExternalAnalysis)}


def split(plans: Sequence[AnalysisPlan], *, generative: bool) -> tuple[tuple[AnalysisPlan, ...], tuple[AnalysisPlan, ...]]:
    """Return the plans that this kind of model can be asked, and the others."""
    able = [plan for kind, own in _planned(plans) if kind.GENERATIVE is generative for plan in own]
    return tuple(plan for plan in plans if plan in able), tuple(plan for plan in plans if plan not in able)


def extra_pictures(plans: Sequence[AnalysisPlan], images: int) -> ExtraPictures:
    """Return how many pictures all plans together add to so many images."""
    added = [kind.extra_pictures(plan, images) for kind, own in _planned(plans) if isinstance(kind, ExtraPicturesAnalysis) for plan in own]
    return ExtraPictures(sum(extra.changed for extra in added), sum(extra.attacked for extra in added))


def _planned(plans: Sequence[AnalysisPlan]) -> Iterator[tuple[Analysis, list[AnalysisPlan]]]:
    for kind in analysis_kinds() if plans else ():
        if own := [plan for plan in plans if isinstance(plan, kind.PLAN)]:
            yield kind, own
