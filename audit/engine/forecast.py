"""What an audit would do: inspects a probe, data and a model, and times a few images, for users who are about to wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd

from audit.analyses import kinds
from audit.data.cells.votes import level_counts
from audit.embedding.cache import CacheRoot, EmbeddingCache, image_key
from audit.embedding.embed import decode_policy
from audit.embedding.folders import SharedRoot
from audit.engine.plan import ProbePlan
from audit.engine.texts import given_texts
from audit.measure.asked.questionnaire import questionnaire
from audit.statistics.effects import asked_effects
from audit.types import Answerer, AnyModel, Dataset, Group, ImageEncoder, Manner, Note, Probe
from strictio.images.decode import UnreadableImage
from strictio.images.decoders import Decoders

if TYPE_CHECKING:
    from jaxtyping import Int

TIMED, COUNTED = 8, 2000
"""Number of images to time a model with, and maximum number of images to look up in the cache."""


@dataclass(frozen=True)
class ModelForecast:
    """A model that can be audited."""

    name: str
    kind: str
    parameters: int
    cached: tuple[int, ...]
    """Images of each probe that are cached; an estimate for large data. Empty for a generative model, which embeds nothing."""
    seconds_per_image: float | None
    """None if no image was timed: all are cached, or the model is generative."""
    said: tuple[tuple[str, str], ...] = ()
    """Head and text of each line that its kind adds, for a model that is asked over a network."""


@dataclass(frozen=True)
class ProbeForecast:
    """A probe, or external predictions, with the number of questions."""

    name: str
    data: str
    images: int
    planned: int
    """Number of planned questions for the first model."""
    exploratory: int
    """Number of exploratory comparisons of its answers."""
    groups: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images."""
    looked_at: int = 0
    """Number of files that were read, without decoding them."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """reason -> number of those that the audit will leave out."""
    texts: Group = ()
    """Names of the texts about each image, if there are texts instead of answers."""
    changed: int = 0
    """Maximum number of changed images (corrupted, or with a printed word) to embed in addition."""
    attacked: int = 0
    """Number of images that need gradients, a few dozen times each, if the model supports them."""
    otherwise: tuple[tuple[int, int], ...] = ()
    """The same two counts for further models, if they are prompted differently and the counts differ."""
    shared: int = 0
    """Number of images that an earlier probe has as well, which are embedded once."""


@dataclass(frozen=True)
class SuiteCost:
    """The cost of a suite, known before the first image."""

    name: str
    probes: int
    images: int
    """Images that several probes share count once."""
    prompts: int
    """Number of distinct texts."""
    planned: int
    exploratory: int

    @property
    def note(self) -> Note:
        """The cost as a note."""
        return Note("suite_cost", asdict(self))


@dataclass(frozen=True)
class AuditForecast:
    """What a run would do."""

    models: tuple[ModelForecast, ...]
    probes: tuple[ProbeForecast, ...]
    gates: tuple[str, ...]
    out: Path | None
    replaces: bool
    """Whether it would replace an existing audit."""
    junit: Path | None
    suite: SuiteCost | None = None

    @property
    def to_embed(self) -> int:
        """Number of images to embed, over all models."""
        return sum(map(self._of, self.models))

    @property
    def seconds(self) -> float | None:
        """Duration of embedding; None if the speed is unknown."""
        if any(model.seconds_per_image is None and self._of(model) for model in self.models):
            return None
        return sum(self._of(model) * (model.seconds_per_image or 0.0) for model in self.models)

    def _of(self, model: ModelForecast) -> int:
        """Number of images that one model has to embed or is asked about: generative models see no changed images."""
        own = [probe.images - probe.shared for probe in self.probes]
        if not model.cached:
            return sum(own)
        # Of the images of a probe, those that are its own are cached as often as the others.
        missing = (n - round(n * cached / probe.images) for n, cached, probe in zip(own, model.cached, self.probes, strict=True) if n)
        return sum(missing) + sum(probe.changed for probe in self.probes)


def suite_cost(name: str, plans: Sequence[ProbePlan]) -> SuiteCost:
    """The cost of a suite for a model that embeds images."""
    datasets = [plan.dataset for plan in plans]
    images = sum(len(dataset.images) for dataset in datasets) - sum(shared_images(datasets))
    texts = {text for plan in plans for text in given_texts(plan.probe).texts}
    planned, exploratory = map(sum, zip(*(_counted(plan.probe) for plan in plans), strict=True))
    return SuiteCost(name, len(plans), images, len(texts), planned, exploratory)


def shared_images(datasets: Sequence[Dataset]) -> tuple[int, ...]:
    """Number of images of each data set that an earlier one has as well: those with the same identifier, if a few of them are equal."""
    shared = []
    for position, dataset in enumerate(datasets):
        ids = dataset.attributes.index
        seen = np.zeros(len(ids), bool)
        for earlier in datasets[:position]:
            places = earlier.attributes.index.get_indexer(ids)
            rows = np.flatnonzero(places >= 0)
            compared = rows[:: max(len(rows) // TIMED, 1)][:TIMED]
            if len(rows) and all(_content(dataset, row) == _content(earlier, places[row]) for row in compared):
                seen[rows] = True
        shared.append(int(seen.sum()))
    return tuple(shared)


def _content(dataset: Dataset, row: int) -> bytes | str:
    try:
        return dataset.images[int(row)]
    except UnreadableImage as error:
        return error.reason


def forecast_probe(plan: ProbePlan, manners: Sequence[Manner | None] = (None,)) -> ProbeForecast:
    """Number of questions and images of a probe; `manners`: how each model must be prompted, None for one that embeds images."""
    probe, dataset = plan.probe, plan.dataset
    claims = [claim for measurement in probe.measurements for claim in measurement.claims]
    (planned, exploratory), *otherwise = dict.fromkeys(counted_questions(probe, plan.settings.seed, manner) for manner in manners)
    by = (*(claim.by for claim in claims), *(getattr(plan, "by", ()) for plan in probe.analyses))
    names = dict.fromkeys(name for attributes in by for name in attributes if name in dataset.attributes)
    groups = {
        name: counted_levels(dataset.attributes[name], dataset.levels.get(name, ()), several=name in dataset.several) for name in names
    }
    places = _spread(len(dataset.images))
    reasons = Counter(filter(None, (_fault(dataset, row) for row in places)))
    extra = kinds.extra_pictures(probe.analyses, len(dataset.images))
    return ProbeForecast(
        probe.name, dataset.name, len(dataset.images), planned, exploratory, groups, len(places), reasons, changed=extra.changed,
        attacked=extra.attacked, otherwise=tuple(otherwise),
    )  # fmt: skip


def counted_questions(probe: Probe, seed: int, manner: Manner | None) -> tuple[int, int]:
    """Number of planned questions of a probe, in its form for the model, and of exploratory comparisons."""
    expanded = probe if manner is None else questionnaire(probe, seed, manner).probe
    return _counted(expanded)


def _counted(probe: Probe) -> tuple[int, int]:
    """Number of planned questions, of rates, scores and trends, and of exploratory comparisons of rates."""
    claims = [claim.primary for measurement in probe.measurements for claim in measurement.claims]
    effects = [effect.primary for measurement in probe.measurements for _, effect in asked_effects(measurement)]
    return sum(claims) + sum(effects), len(claims) - sum(claims)


def _fault(dataset: Dataset, row: int) -> str | None:
    """Why an image cannot be read, as far as its file shows it without decoding."""
    try:
        return None if dataset.images[row] else "empty file"
    except UnreadableImage as error:
        return error.reason


def _spread(total: int) -> range:
    """Indices of at most `COUNTED` images, evenly spread."""
    return range(0, total, max(-(-total // COUNTED), 1))


def counted_levels(
    column: pd.Series, levels: Group = (), *, several: bool = False, images: Int[np.ndarray, "n"] | None = None
) -> dict[str, int]:
    """Number of images of each level, declared ones first; an image with several values counts for each. `images`: number per row."""
    if images is None:
        counted: Mapping[str, int] = level_counts(column, several=several)
    else:
        sums = pd.Series(images).groupby(column.to_numpy(object)).sum()
        counted = {str(level): int(n) for level, n in sums.items()}
    others = sorted((level for level in counted if level not in levels), key=lambda level: -counted[level])
    return {level: counted.get(level, 0) for level in (*levels, *others)}


def forecast_model(encoder: AnyModel, root: CacheRoot, datasets: Sequence[Dataset]) -> ModelForecast:
    """What a model has to do for these data, and its speed."""
    record = encoder.record
    if isinstance(encoder, Answerer):
        return ModelForecast(record.name, record.kind, record.parameters, (), None)
    here = isinstance(root, Path) and (root / record.fingerprint[:32] / "image").is_dir()  # looking must not create a folder
    kept = here or isinstance(root, SharedRoot)
    cache = EmbeddingCache(root, record.fingerprint, "image", record.dimensions) if kept else ()
    cached, missing = [], []
    for dataset in datasets:
        present, absent = _looked_up(dataset, cache, decode_policy(encoder))
        cached.append(present)
        missing += absent
    return ModelForecast(record.name, record.kind, record.parameters, tuple(cached), _pace(cast("ImageEncoder", encoder), missing))


def _looked_up(dataset: Dataset, cache: EmbeddingCache | tuple[()], policy: str) -> tuple[int, list[bytes]]:
    """Number of cached images, estimated from some that are spread over the data, and the contents of a few uncached ones."""
    total, present = len(dataset.images), 0
    absent: list[bytes] = []
    places = _spread(total) if cache != () else range(min(total, 2 * TIMED))
    for row in places:
        try:
            content = dataset.images[row]
        except UnreadableImage:
            continue
        if cache != () and image_key(content, policy) in cache:
            present += 1
        elif len(absent) < 2 * TIMED:
            absent.append(content)
    return round(present * total / max(len(places), 1)), absent


def _pace(encoder: ImageEncoder, contents: Sequence[bytes]) -> float | None:
    """Seconds per image; the first ones, which also warm up the model, are not timed."""
    if not contents:
        return None
    pace = None
    rest = iter(contents)
    with Decoders(1) as decoders:
        while part := list(islice(rest, TIMED)):
            began, images = time.monotonic(), []
            for content in part:
                with suppress(UnreadableImage):  # the audit will skip it
                    images.append(decoders.decode(content).image)
            if images:
                encoder.encode_images(images)
                pace = (time.monotonic() - began) / len(images)
    return pace
