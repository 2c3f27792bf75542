"""The models of a causes run as CSV: one row per model."""

from __future__ import annotations

from audit.records.causes import Causes, ModelOutcome
from reports.exports.tables import csv_text

_COLUMNS = (
    "model", "part", "intervention", "dose", "seed", "outcome", "low", "high", "images", "clusters", "contrast_called", "audit_called",
    "verdict", "capability", "predicted_low", "predicted_high", "inside", "training_s", "audit_s",
)  # fmt: skip


def csv_table(facts: Causes) -> str:
    """Return the table: the outcome with its interval over images, and for a held-back model the prediction."""
    return csv_text(_COLUMNS, [_row(model, facts) for model in facts.models])


def _row(model: ModelOutcome, facts: Causes) -> tuple[object, ...]:
    held = next((held for held in facts.held_back if held.name == model.name), None)
    predicted = held.interval if held else None
    ends = (predicted.low, predicted.high) if predicted else (None, None)
    outcome = (model.outcome.value, model.outcome.low, model.outcome.high, sum(model.images), model.clusters)
    verdicts = (model.contrast_called, model.audit_called, model.verdict, model.capability)
    seconds = facts.seconds.get(model.name, (None, None))
    return (model.name, model.part, model.arm, model.dose, model.seed, *outcome, *verdicts, *ends, held.inside if held else None, *seconds)
