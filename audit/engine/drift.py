"""Measures the effect of lower precision and reduced decoding, by comparing answers for a sample with those in full precision."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.data.changed.subset import stratified
from audit.embedding.cache import CacheRoot
from audit.embedding.embed import embed_images, embed_texts
from audit.encoder import Value
from audit.engine.plan import ProbePlan
from audit.engine.probe_audit import AuditedProbe
from audit.engine.texts import given_texts, texts_to_embed
from audit.measure import predict
from audit.types import UNKNOWN, Encoder, Note, Predictions, Settings

if TYPE_CHECKING:
    from jaxtyping import Float

log = logging.getLogger("audit")
LEAST, MOST, SHARE = 50, 500, 10
"""Size of the sample: a tenth of the images, within these bounds. All of them would take longer than an audit without a shortcut."""


@dataclass(frozen=True)
class SampleAnswers:
    """A model's answers for a sample."""

    vectors: Float[np.ndarray, "n d"]
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""


def answer_sample(encoder: Encoder, plan: ProbePlan, *, cache_root: CacheRoot = None, batch_size: int = 32) -> SampleAnswers | None:
    """Answer the measurements of a probe for a sample of the images; None if there are no images or no measurements."""
    probe, dataset, settings = plan.probe, plan.dataset, plan.settings
    if probe.load is None or not probe.measurements:
        return None
    count = len(dataset.images)
    size = min(count, max(LEAST, min(MOST, count // SHARE)))
    sample = stratified(dataset, size, settings.seed) if size < count else dataset
    embeddings = embed_images(encoder, sample, cache_root, batch_size=batch_size, max_skip=max(settings.max_skip, 0.5))
    reduced = replace(probe, specifications=(), analyses=())
    ordered, private = texts_to_embed(given_texts(reduced).texts, probe.measurements, sample.texts)
    texts = dict(zip(ordered, embed_texts(encoder, ordered, cache_root, private=private), strict=True))
    attributes, row_texts = sample.attributes.iloc[embeddings.rows], None if sample.texts is None else sample.texts.iloc[embeddings.rows]
    answers = {m.name: predict(m, encoder.record, embeddings.vectors, texts, attributes, row_texts) for m in probe.measurements}
    return SampleAnswers(embeddings.vectors, answers)


def with_drift(
    audited: AuditedProbe, full: SampleAnswers | None, used: SampleAnswers | None, shortcut: str, settings: Settings
) -> AuditedProbe:
    """Add notes on how the answers of the audit differ from those in full precision, and log them; unchanged without samples."""
    if full is None or used is None:
        return audited
    notes = tuple(_notes(full, used, shortcut, settings.min_group_size))
    for note in notes:
        log.info("%s: %s", audited.result.model.name, note)
    model = audited.result.model
    return replace(audited, result=replace(audited.result, model=replace(model, notes=(*model.notes, *notes))))


def _notes(full: SampleAnswers, used: SampleAnswers, shortcut: str, min_group_size: int) -> Iterator[Note]:
    if not used.predictions:
        return
    changed = {name: prediction.y_pred != full.predictions[name].y_pred for name, prediction in used.predictions.items()}
    answers = np.concatenate(list(changed.values()))
    if not len(answers):
        return
    drift = embedding_drift(full.vectors, used.vectors)
    values: dict[str, Value] = {
        "shortcut": shortcut,
        "images": len(used.vectors),
        "drift": drift,
        "answers": len(answers),
        "share": float(answers.mean()),
    }
    yield Note("drift", values)
    for attribute in next(iter(used.predictions.values())).attributes.columns:
        shares = _by_group(attribute, changed, used.predictions, min_group_size)
        if len(shares) > 1:
            least, most = (pick(shares, key=lambda group: shares[group][0]) for pick in (min, max))
            named: dict[str, Value] = {f"{which}_{what}": value for which, group in (("most", most), ("least", least)) for what, value in (
                ("group", group), ("share", shares[group][0]), ("answers", shares[group][1]),
            )}  # fmt: skip
            yield Note("drift_by_group", {"attribute": str(attribute), **named})


def _by_group(
    attribute: str, changed: Mapping[str, np.ndarray], predictions: Mapping[str, Predictions], min_group_size: int
) -> dict[str, tuple[float, int]]:
    """The share of changed answers and their number for each group with enough images."""
    pairs = [(predictions[name].attributes[attribute].to_numpy(dtype=str), has_changed) for name, has_changed in changed.items()]
    groups, differ = (np.concatenate(part) for part in zip(*pairs, strict=True))
    images = predictions[max(changed, key=lambda name: len(changed[name]))].attributes[attribute].value_counts()
    return {
        str(group): (float(differ[groups == group].mean()), int((groups == group).sum()))
        for group in np.unique(groups)
        if group != UNKNOWN and images.get(group, 0) >= min_group_size
    }


def embedding_drift(full: Float[np.ndarray, "n d"], used: Float[np.ndarray, "n d"]) -> float:
    """How far directions moved (root mean square), relative to how far the images' own directions are from their mean.

    0: not at all. 0.03 is the effect of decoding a 448 px JPEG at half its size for a CLIP of 224 px. nan: all directions are equal.

    Examples
    --------
    >>> embedding_drift(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[3.0, 0.0], [0.0, 1.0]]))
    0.0
    """
    before, after = (
        embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True) for embeddings in (full.astype(np.float64), used.astype(np.float64))
    )
    moved = np.sqrt(((after - before) ** 2).sum(axis=1).mean())
    spread = np.sqrt(((before - before.mean(axis=0)) ** 2).sum(axis=1).mean())
    return float(moved / spread) if spread else float("nan")


def shortcut_of(dtype: str, decode: str) -> str:
    """The shortcuts in use, for a note; empty without shortcuts.

    Examples
    --------
    >>> shortcut_of("bfloat16", "fast"), shortcut_of("float32", "exact")
    ('bfloat16, --decode fast', '')
    """
    return ", ".join([*([dtype] if dtype in ("bfloat16", "float16") else []), *(["--decode fast"] if decode == "fast" else [])])
