"""One audit from start to end, on one screen: data and a model in, facts out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audit.embed import embed_images, embed_texts
from audit.measure.zero_shot import predict
from audit.results import AuditResult, DataRecord, MeasurementRecord, ProbeRecord
from audit.statistics.findings import conclude, findings
from audit.statistics.paired import paired_findings
from audit.statistics.specification import specification_curve
from audit.types import Dataset, Embeddings, Encoder, Measurement, Predictions, Probe, Settings

if TYPE_CHECKING:
    import pandas as pd
    from jaxtyping import Float

NEAR_TIE_MARGIN = 0.01
"""A decision whose two best answers are closer than this in probability is a near-tie: wording or rounding could turn it."""


@dataclass(frozen=True)
class Audited:
    """What `audit` returns: the facts, and the predictions that they rest on."""

    result: AuditResult
    predictions: Mapping[str, Predictions]
    """measurement -> predictions."""


def audit(
    encoder: Encoder, probe: Probe, dataset: Dataset, settings: Settings, *, cache_root: Path | None = None, batch_size: int = 32
) -> Audited:
    """Return every finding of `probe` about `encoder` on `dataset`.

    Raises
    ------
    DataError
        If too many images are unreadable, or no group can be compared.
    """
    embeddings = embed_images(encoder, dataset, cache_root, batch_size=batch_size, max_skip=settings.max_skip)
    attributes = dataset.attributes.iloc[embeddings.rows]
    texts = _text_vectors(encoder, _measurements(probe), cache_root)

    def answer(measurement: Measurement) -> Predictions:
        return predict(measurement, encoder.record, embeddings.vectors, texts, attributes)

    predictions = {measurement.name: answer(measurement) for measurement in probe.measurements}
    raw = [finding for m in probe.measurements for finding in findings(m, predictions[m.name], dataset.levels, settings)]
    concluded, verdict, reason = conclude(raw, settings, limited=dataset.limited, excluded=_excluded(dataset, embeddings))
    curves = [
        specification_curve(plan, [answer(point.measurement) for point in plan.specifications], dataset.levels, settings)
        for plan in probe.specifications
    ]
    result = AuditResult(
        model=encoder.record,
        probe=ProbeRecord(probe.name, probe.question, probe.source, probe.licence, probe.limits, probe.not_tested),
        data=_data_record(dataset, embeddings, attributes),
        measurements=tuple(_measurement_record(m, predictions[m.name]) for m in probe.measurements),
        findings=concluded,
        paired=paired_findings(probe.paired, predictions, settings),
        specifications=tuple(curves),
        published=probe.published,
        verdict=verdict,
        verdict_reason=reason,
        warnings=_warnings(dataset, embeddings, predictions),
    )
    return Audited(result, predictions)


def _measurements(probe: Probe) -> Iterable[Measurement]:
    yield from probe.measurements
    for plan in probe.specifications:
        yield from (point.measurement for point in plan.specifications)


def _text_vectors(encoder: Encoder, measurements: Iterable[Measurement], cache_root: Path | None) -> dict[str, Float[np.ndarray, "d"]]:
    """Return every prompt's embedding; each distinct text is embedded once."""
    texts = sorted({text for m in measurements for prompts in m.label_set.prompts.values() for text in prompts})
    return dict(zip(texts, embed_texts(encoder, texts, cache_root), strict=True))


def _excluded(dataset: Dataset, embeddings: Embeddings) -> str | None:
    """Return what was left out, in words, or None."""
    exclusions = (*dataset.exclusions, *embeddings.exclusions)
    return "; ".join(f"{exclusion.count} images left out ({exclusion.reason})" for exclusion in exclusions) or None


def _data_record(dataset: Dataset, embeddings: Embeddings, attributes: pd.DataFrame) -> DataRecord:
    # Counted by reason and group, without the names of files: those are for the terminal and the log.
    exclusions = tuple(replace(exclusion, examples=()) for exclusion in (*dataset.exclusions, *embeddings.exclusions))
    return DataRecord(
        name=dataset.name,
        source=dataset.source,
        licence=dataset.licence,
        fingerprint=dataset.fingerprint,
        listed=len(embeddings.rows) + sum(exclusion.count for exclusion in exclusions),
        used=len(embeddings.rows),
        limited=dataset.limited,
        groups={name: _level_counts(attributes[name], levels) for name, levels in dataset.levels.items()},
        exclusions=exclusions,
        conversions=embeddings.conversions,
        notes=dataset.notes,
    )


def _level_counts(column: pd.Series, levels: tuple[str, ...]) -> dict[str, int]:
    """Count each level in declared order; a declared level that no image has counts 0."""
    counts = column.value_counts()
    present = [*levels, *(level for level in counts.index if level not in levels)]
    return {level: int(counts.get(level, 0)) for level in present}


def _measurement_record(measurement: Measurement, predictions: Predictions) -> MeasurementRecord:
    answers, counts = np.unique(predictions.y_pred, return_counts=True)
    counted = dict(zip(answers.tolist(), counts.tolist(), strict=True))
    return MeasurementRecord(
        name=measurement.name,
        question=measurement.question,
        preset=measurement.preset,
        labels=measurement.label_set.labels,
        prompts=measurement.label_set.prompts,
        answers=measurement.label_set.answers,
        combine=measurement.label_set.combine,
        truth=measurement.truth,
        outcomes=measurement.outcomes,
        near_tie_margin=NEAR_TIE_MARGIN,
        near_ties=_near_ties(predictions),
        mean_margin=float(np.mean(predictions.margin)) if len(predictions.margin) else 0.0,
        answer_counts={answer: counted.get(answer, 0) for answer in predictions.answers},
    )


def _near_ties(predictions: Predictions) -> float:
    """Return the share of decisions that are near-ties; 0 where every true answer is unknown and nothing was decided."""
    return float(np.mean(predictions.margin < NEAR_TIE_MARGIN)) if len(predictions.margin) else 0.0


def _warnings(dataset: Dataset, embeddings: Embeddings, predictions: Mapping[str, Predictions]) -> tuple[str, ...]:
    """Return what a reader must know before trusting a number."""
    used = len(embeddings.rows)
    warnings = []
    if dataset.limited:
        warnings.append(f"LIMITED RUN: {used} images were sampled with --limit; such a run can conclude nothing but 'inconclusive'.")
    for name, prediction in predictions.items():
        if (near_ties := _near_ties(prediction)) > 0.5:
            warnings.append(f"'{name}': {near_ties:.0%} of the decisions are near-ties; the model hardly tells these labels apart.")
        if len(prediction.y_pred) < used:
            warnings.append(f"'{name}': {used - len(prediction.y_pred)} images whose true answer is unknown were not scored.")
    return tuple(warnings)
