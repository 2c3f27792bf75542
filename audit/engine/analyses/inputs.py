"""What an analysis works on: the images of an audit with all that the model said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from audit.plans import AnalysisPlan
from audit.records.inputs import TextSet
from audit.types import Answerer, Dataset, Embeddings, Encoder, Predictions, Probe, Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from jaxtyping import Float


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
    """A module of this package: one kind of question that decides no verdict."""

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
