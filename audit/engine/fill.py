"""The part of an audit that needs a model, without any statistics: fills the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from audit.analyses.base import kinds
from audit.data.changed.subset import part_of
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_texts
from audit.embedding.engines.local import Engine, KeptCounts, embed_here
from audit.embedding.engines.parts import WHOLE, Part
from audit.embedding.engines.receipts import Receipt, excluded, leave
from audit.engine.askable import check_askable
from audit.engine.texts import given_texts, texts_to_embed
from audit.engine.written import texts_for
from audit.errors import UsageError
from audit.measure.asked.interview import interview
from audit.stages import Stages, silent
from audit.types import Answerer, Dataset, Encoder, Probe, Settings


@dataclass(frozen=True)
class FillPlan:
    """How to fill a cache."""

    cache_root: CacheRoot = None
    part: Part = WHOLE
    engine: Engine = embed_here
    batch_size: int = 32
    what_ifs: tuple[str, ...] = ()
    stages: Stages = silent


@dataclass(frozen=True)
class Filled:
    """What the cache has for one model and one probe."""

    probe: str
    texts: int
    """Number of embedded texts; the first part embeds those that do not belong to rows."""
    whole: bool
    """Whether the cache stored everything."""
    receipt: Receipt


def embed_probe(encoder: Encoder | Answerer, probe: Probe, dataset: Dataset, settings: Settings, plan: FillPlan) -> Filled:
    """Embed what an audit of `encoder` with `probe` would embed for a part of the data, and leave a receipt.

    Images that an analysis changes depending on the answers are embedded in the audit. In a part any share may be
    unreadable: whether it is too large is decided for the whole. Raises errors as `audit.engine.audit`; UsageError if an engine other than
    the local one is used with a generative model.
    """
    methods = check_askable(encoder, probe, dataset, settings, plan.what_ifs)
    piece = dataset if plan.part == WHOLE else part_of(dataset, plan.part.rows(dataset.attributes.index).tolist())
    if isinstance(encoder, Answerer):
        kept, texts = _asked(encoder, probe, piece, settings, plan), 0
    else:
        kept, texts = _images(encoder, piece, settings, plan), _texts(encoder, probe, piece, methods, plan)
    receipt = Receipt(
        encoder.record.name, dataset.name, dataset.fingerprint, plan.part.number, plan.part.of, len(piece.images), kept.embedded,
        kept.computed, excluded(kept.exclusions),
    )  # fmt: skip
    if kept.whole and len(dataset.images):
        leave(receipt, plan.cache_root, encoder.record)
    return Filled(probe.name, texts, kept.whole, receipt)


def _images(encoder: Encoder, piece: Dataset, settings: Settings, plan: FillPlan) -> KeptCounts:
    if not len(piece.images):  # more parts than images, or a probe without images
        return KeptCounts(0, 0, (), True)
    images = partial(plan.stages, "images")
    images(0, len(piece.images))
    how: dict[str, Any] = {"batch_size": plan.batch_size, "max_skip": None, "progress": images}
    if plan.part == WHOLE:
        how["max_skip"] = settings.max_skip
    return plan.engine(encoder, piece, plan.cache_root, **how)


def _texts(encoder: Encoder, probe: Probe, piece: Dataset, methods: Sequence[str], plan: FillPlan) -> int:
    probe_texts = given_texts(probe, probe.what_ifs if methods else ()).texts if plan.part.number == 1 else ()
    ordered, private = texts_to_embed(probe_texts, probe.measurements, piece.texts)
    texts = partial(plan.stages, "texts")
    texts(0, len(ordered))
    embed_texts(encoder, ordered, plan.cache_root, progress=texts, private=private)
    return len(ordered)


def _asked(model: Answerer, probe: Probe, piece: Dataset, settings: Settings, plan: FillPlan) -> KeptCounts:
    """Ask a generative model the questions of a probe, and let it write the texts that its analyses need."""
    if plan.engine is not embed_here:
        why = "a model that is asked questions uses more than one machine only behind a server, or in parts"
        raise UsageError(f"{model.record.name} is not an encoder, which --engine ray needs", why=why, fix="--engine local --part 1/2")
    if not len(piece.images):
        return KeptCounts(0, 0, (), True)
    how: dict[str, Any] = {"cache_root": plan.cache_root, "batch_size": plan.batch_size, "progress": partial(plan.stages, "images")}
    if plan.part != WHOLE:
        settings = replace(settings, max_skip=1.0)
    plans, _ = kinds.split(probe.analyses, generative=True)
    written = texts_for(model, probe, plans, piece, settings, **how)
    scores = [interview(model, probe, piece, settings, **how).scores] if probe.measurements else []
    seen = [*([written.images] if written else []), *scores]
    return KeptCounts(len(seen[-1].rows), sum(embeddings.computed for embeddings in seen), seen[-1].exclusions, True)
