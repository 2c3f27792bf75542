"""The part of an audit that needs a model, without any statistics: fills the cache."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

from audit.analyses import kinds
from audit.data.changed.subset import part_of
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_texts
from audit.embedding.parts import WHOLE, Part, Receipt, excluded, leave
from audit.engine.plan import ProbePlan
from audit.engine.texts import given_texts, texts_to_embed
from audit.engine.written import texts_for
from audit.extensions.scale.engine import Engine, KeptCounts, embed_here
from audit.measure.asked.interview import interview
from audit.stages import Stages, silent
from audit.types import Answerer, AnyModel, Dataset, ImageEncoder, Probe, Settings, TextEncoder


@dataclass(frozen=True)
class Filling:
    """How to fill a cache."""

    cache_root: CacheRoot = None
    part: Part = WHOLE
    engine: Engine = embed_here
    batch_size: int = 32
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


def embed_probe(encoder: AnyModel, plan: ProbePlan, how: Filling) -> Filled:
    """Embed what an audit with this plan would embed for a part of the data, and leave a receipt.

    Images that an analysis changes depending on the answers are embedded in the audit. In a part any share may be unreadable: whether it
    is too large is decided for the whole. Raises errors as `ask_probe`.
    """
    probe, dataset = plan.probe, plan.dataset
    piece = dataset if how.part == WHOLE else part_of(dataset, how.part.rows(dataset.attributes.index).tolist())
    if isinstance(encoder, Answerer):
        kept, texts = _asked(encoder, probe, piece, plan.settings, how), 0
    else:
        kept = KeptCounts(0, 0, (), True)
        if len(piece.images):  # none in some parts, and in a probe of texts
            kept = _images(cast("ImageEncoder", encoder), piece, plan.settings, how)
        texts = _texts(encoder, plan, piece, how) if isinstance(encoder, TextEncoder) else 0
    receipt = Receipt(
        encoder.record.name, dataset.name, dataset.fingerprint, how.part.number, how.part.of, len(piece.images), kept.embedded,
        kept.computed, excluded(kept.exclusions),
    )  # fmt: skip
    if kept.whole and len(dataset.images):
        leave(receipt, how.cache_root, encoder.record)
    return Filled(probe.name, texts, kept.whole, receipt)


def _images(encoder: ImageEncoder, piece: Dataset, settings: Settings, how: Filling) -> KeptCounts:
    images = partial(how.stages, "images")
    images(0, len(piece.images))
    max_skip = settings.max_skip if how.part == WHOLE else None
    return how.engine(encoder, piece, how.cache_root, batch_size=how.batch_size, max_skip=max_skip, progress=images)


def _texts(encoder: TextEncoder, plan: ProbePlan, piece: Dataset, how: Filling) -> int:
    probe_texts = given_texts(plan.probe, plan.what_ifs).texts if how.part.number == 1 else ()
    ordered, private = texts_to_embed(probe_texts, plan.probe.measurements, piece.texts)
    texts = partial(how.stages, "texts")
    texts(0, len(ordered))
    embed_texts(encoder, ordered, how.cache_root, progress=texts, private=private)
    return len(ordered)


def _asked(model: Answerer, probe: Probe, piece: Dataset, settings: Settings, how: Filling) -> KeptCounts:
    """Ask a generative model the questions of a probe, and let it write the texts that its analyses need."""
    if not len(piece.images):
        return KeptCounts(0, 0, (), True)
    asking: dict[str, Any] = {"cache_root": how.cache_root, "batch_size": how.batch_size, "progress": partial(how.stages, "images")}
    if how.part != WHOLE:
        settings = replace(settings, max_skip=1.0)
    plans, _ = kinds.split(probe.analyses, "generative")
    written = texts_for(model, probe, plans, piece, settings, **asking)
    scores = [interview(model, probe, piece, settings, **asking).scores] if probe.measurements else []
    seen = [*([written.images] if written else []), *scores]
    return KeptCounts(len(seen[-1].rows), sum(embeddings.computed for embeddings in seen), seen[-1].exclusions, True)
