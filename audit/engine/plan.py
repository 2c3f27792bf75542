"""What an audit would do: a probe, data and a model looked at, a few images timed; facts for a person who is about to wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.analyses.base import kinds
from audit.data.cells.votes import level_counts
from audit.embedding.cache import CacheRoot, EmbeddingCache, image_key
from audit.embedding.embed import decode_policy
from audit.embedding.folders import SharedRoot
from audit.engine.texts import given_texts
from audit.measure.asked.questionnaire import questionnaire
from audit.types import Answerer, Dataset, Encoder, Group, Manner, Note, Probe
from strictio.images.decode import UnreadableImage
from strictio.images.decoders import Decoders

if TYPE_CHECKING:
    from jaxtyping import Int

TIMED, COUNTED = 8, 2000
"""Images that a model is shown to know its pace, and of which it is looked up whether the cache has them."""


@dataclass(frozen=True)
class PlannedModel:
    """A model that can be audited."""

    name: str
    kind: str
    parameters: int
    cached: tuple[int, ...]
    """Images of each probe that need not be embedded; of large data an estimate. Empty of a model that is asked: it embeds nothing."""
    seconds_per_image: float | None
    """None where no image was shown: all are in the cache, or it is asked questions."""
    upload: PlannedUpload | None = None
    """Of a model behind an endpoint, which is not asked anything for a plan."""


@dataclass(frozen=True)
class PlannedUpload:
    """What a model behind an endpoint would be sent, for all probes together."""

    host: str
    local: bool
    confirmed: bool
    """Whether images may go to a host that is not this machine."""
    mode: str
    images: int
    """At most: equal ones are sent once."""
    requests: int
    """At most: without those of repeated tries."""
    kept: int
    """Answers in the log."""
    sent: int
    """Tokens, about."""
    answered: int
    """Tokens, at most."""
    cost: float | None
    currency: str


@dataclass(frozen=True)
class PlannedProbe:
    """A probe, or external predictions, and what they are asked."""

    name: str
    data: str
    images: int
    planned: int
    """Pre-specified questions to the first model."""
    exploratory: int
    """Exploratory comparisons of its answers."""
    groups: Mapping[str, Mapping[str, int]]
    """attribute -> level -> images."""
    looked_at: int = 0
    """Files that were read, not decoded."""
    unreadable: Mapping[str, int] = field(default_factory=dict)
    """reason -> those of them that the audit will leave out."""
    texts: Group = ()
    """Names of the texts about each image, where texts were recorded and no answers."""
    changed: int = 0
    """Changed pictures (corrupted, or with a word printed on them) that are embedded besides, at most."""
    attacked: int = 0
    """Pictures of which gradients are taken, by a model that has them, each a few dozen times."""
    otherwise: tuple[tuple[int, int], ...] = ()
    """The same two counts of further models, where they are asked in another way and the counts differ."""
    repeated: bool = False
    """Whether an earlier probe has the same images: they are embedded once."""


@dataclass(frozen=True)
class SuiteCost:
    """What a suite takes, known before the first image."""

    name: str
    probes: int
    images: int
    """Those that several probes share count once."""
    prompts: int
    """Different texts."""
    planned: int
    exploratory: int

    @property
    def note(self) -> Note:
        """The cost as a note."""
        return Note("suite_cost", asdict(self))


@dataclass(frozen=True)
class AuditPlan:
    """What a run would do."""

    models: tuple[PlannedModel, ...]
    probes: tuple[PlannedProbe, ...]
    gates: tuple[str, ...]
    out: Path | None
    replaces: bool
    """Whether there is an audit that it would replace."""
    junit: Path | None
    suite: SuiteCost | None = None

    @property
    def to_embed(self) -> int:
        """Images to be embedded, by all models together."""
        return sum(map(self._of, self.models))

    @property
    def seconds(self) -> float | None:
        """How long embedding would take; None where a pace is not known."""
        if any(model.seconds_per_image is None and self._of(model) for model in self.models):
            return None
        return sum(self._of(model) * (model.seconds_per_image or 0.0) for model in self.models)

    def _of(self, model: PlannedModel) -> int:
        """Return how many images one model has to embed, or is asked about: such a model is shown no changed pictures."""
        if not model.cached:
            return sum(probe.images for probe in self.probes)
        missing = (probe.images - cached for probe, cached in zip(self.probes, model.cached, strict=True) if not probe.repeated)
        return sum(missing) + sum(probe.changed for probe in self.probes)


def suite_cost(name: str, probes_with_data: Sequence[tuple[Probe, Dataset]]) -> SuiteCost:
    """Return what a suite takes of a model that embeds images."""
    images = {dataset.fingerprint: len(dataset.images) for _, dataset in probes_with_data}
    texts = {text for probe, _ in probes_with_data for text in given_texts(probe).texts}
    claims = [claim for probe, _ in probes_with_data for measurement in probe.measurements for claim in measurement.claims]
    planned = sum(claim.primary for claim in claims)
    return SuiteCost(name, len(probes_with_data), sum(images.values()), len(texts), planned, len(claims) - planned)


def planned_probe(probe: Probe, dataset: Dataset, manners: Sequence[Manner | None] = (None,), seed: int = 0) -> PlannedProbe:
    """Return what a probe asks, and of whom; `manners`: how each model has to be asked, None of one that embeds images."""
    claims = [claim for measurement in probe.measurements for claim in measurement.claims]
    (planned, exploratory), *otherwise = dict.fromkeys(counted_questions(probe, seed, manner) for manner in manners)
    by = (*(claim.by for claim in claims), *(getattr(plan, "by", ()) for plan in probe.analyses))
    names = dict.fromkeys(name for attributes in by for name in attributes if name in dataset.attributes)
    groups = {
        name: counted_levels(dataset.attributes[name], dataset.levels.get(name, ()), several=name in dataset.several) for name in names
    }
    places = _spread(len(dataset.images))
    reasons = Counter(filter(None, (_fault(dataset, row) for row in places)))
    extra = kinds.extra_pictures(probe.analyses, len(dataset.images))
    return PlannedProbe(
        probe.name, dataset.name, len(dataset.images), planned, exploratory, groups, len(places), reasons, changed=extra.changed,
        attacked=extra.attacked, otherwise=tuple(otherwise),
    )  # fmt: skip


def counted_questions(probe: Probe, seed: int, manner: Manner | None) -> tuple[int, int]:
    """Return how many pre-specified questions a probe has, as a model is asked it, and how many exploratory comparisons."""
    expanded = probe if manner is None else questionnaire(probe, seed, manner).probe
    claims = [claim.primary for measurement in expanded.measurements for claim in measurement.claims]
    return sum(claims), len(claims) - sum(claims)


def _fault(dataset: Dataset, row: int) -> str | None:
    """Return why an image cannot be read, as far as its file shows it; it is not decoded."""
    try:
        return None if dataset.images[row] else "empty file"
    except UnreadableImage as error:
        return error.reason


def _spread(total: int) -> range:
    """Return the places of at most `COUNTED` images, evenly spread."""
    return range(0, total, max(-(-total // COUNTED), 1))


def counted_levels(
    column: pd.Series, levels: Group = (), *, several: bool = False, images: Int[np.ndarray, "n"] | None = None
) -> dict[str, int]:
    """Return the images of each level, declared ones first; an image with several values is one of each. `images`: how many a row is."""
    if images is None:
        counted: Mapping[str, int] = level_counts(column, several=several)
    else:
        sums = pd.Series(images).groupby(column.to_numpy(object)).sum()
        counted = {str(level): int(n) for level, n in sums.items()}
    others = sorted((level for level in counted if level not in levels), key=lambda level: -counted[level])
    return {level: counted.get(level, 0) for level in (*levels, *others)}


def planned_model(encoder: Encoder | Answerer, root: CacheRoot, datasets: Sequence[Dataset]) -> PlannedModel:
    """Return what a model has to do for these data, and its pace."""
    record = encoder.record
    if isinstance(encoder, Answerer):
        return PlannedModel(record.name, record.kind, record.parameters, (), None)
    here = isinstance(root, Path) and (root / record.fingerprint[:32] / "image").is_dir()  # looking makes no folder
    kept = here or isinstance(root, SharedRoot)
    cache = EmbeddingCache(root, record.fingerprint, "image", record.dimensions) if kept else ()
    cached, missing = [], []
    for dataset in datasets:
        present, absent = _looked_up(dataset, cache, decode_policy(encoder))
        cached.append(present)
        missing += absent
    return PlannedModel(record.name, record.kind, record.parameters, tuple(cached), _pace(encoder, missing))


def _looked_up(dataset: Dataset, cache: EmbeddingCache | tuple[()], policy: str) -> tuple[int, list[bytes]]:
    """Return how many images the cache has, by so many spread over the data, and a few that it has not."""
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


def _pace(encoder: Encoder, contents: Sequence[bytes]) -> float | None:
    """Return the seconds that an image takes; the first ones, which also warm the model up, are not counted."""
    if not contents:
        return None
    pace = None
    rest = iter(contents)
    with Decoders(1) as decoders:
        while part := list(islice(rest, TIMED)):
            began, images = time.monotonic(), []
            for content in part:
                with suppress(UnreadableImage):  # the audit leaves it out
                    images.append(decoders.decode(content).image)
            if images:
                encoder.encode_images(images)
                pace = (time.monotonic() - began) / len(images)
    return pace
