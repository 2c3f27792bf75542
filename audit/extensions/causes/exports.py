"""The results of ``vlm-audit causes`` on a terminal, and its models as a table."""

from __future__ import annotations

from audit.cli.screen import Screen
from audit.extensions.causes import influence_sentences as words
from audit.extensions.causes import sentences as text
from audit.extensions.causes.record import Causes, DosePoint, ModelOutcome
from reports.exports.markdown import ordinary_spaces
from reports.exports.tables import csv_text
from reports.exports.terminal.lines import lines_of
from reports.text.numbers import number, span

_PIPE = Screen()
_MOST_GROUPS = 12
_COLUMNS = (
    "model", "part", "intervention", "dose", "seed", "outcome", "low", "high", "images", "clusters", "contrast_called", "audit_called",
    "verdict", "capability", "predicted_low", "predicted_high", "inside", "training_s", "audit_s",
)  # fmt: skip


def causes_lines(facts: Causes, screen: Screen = _PIPE) -> str:
    """Return what made the outcome, how sure that is, the doses as a table, where verdicts turn, the interventions and what to do next."""
    blocks = [
        _lines([text.causes_headline(facts)], screen),
        _lines([text.how_sure(facts)], screen),
        _doses(facts),
        _lines([text.turn_sentence(facts, turn) for turn in facts.turns] + [text.null_sentence(facts)], screen),
        _lines(
            ["What would have prevented it:", text.prevention(facts), *(f"- {text.arm_sentence(arm, facts)}" for arm in facts.arms)], screen
        ),
        _influence(facts, screen),
        _lines([text.budget_sentence(facts)], screen),
        _lines(["What to do next:", *(f"- {step}" for step in text.steps(facts))], screen),
    ]
    return ordinary_spaces("\n\n".join("\n".join(block).rstrip() for block in blocks if block))


def _lines(paragraphs: list[str], screen: Screen) -> list[str]:
    return [line for paragraph in paragraphs if paragraph for line in lines_of(paragraph, screen)]


def _influence(facts: Causes, screen: Screen) -> list[str]:
    influence = facts.influence
    if influence is None:
        return []
    groups = [f"- {words.group_effect(group)}" for group in sorted(influence.groups, key=lambda one: -abs(one.difference))]
    more = [f"- {len(groups) - _MOST_GROUPS} more, with smaller changes"] if len(groups) > _MOST_GROUPS else []
    checks = [words.proxy_sentence(influence, check) for check in influence.proxies]
    first = ["What each group of captions does:", words.effects_sentence(facts, influence), *groups[:_MOST_GROUPS], *more]
    return _lines([*first, words.order_sentence(influence), *(f"- {check}" for check in checks)], screen)


def _doses(facts: Causes) -> list[str]:
    rows = [("dose", "models", "mean", "predicted", "audit", "planned"), *(_row(point) for point in facts.points)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _row(point: DosePoint) -> tuple[str, ...]:
    predicted = "unknown" if point.predicted is None else span(point.predicted.low, point.predicted.high, 1)
    called = "-" if point.contrast_called is None else f"{point.contrast_called} of {point.models}"
    dose = f"{point.dose:g}{' (held back)' if point.held_back else ''}"
    return dose, str(point.models), number(point.mean, 1), predicted, f"{point.audit_called} of {point.models}", called


def csv_table(facts: Causes) -> str:
    """Return the table: the outcome with its interval over images, and for a held-back model the prediction."""
    return csv_text(_COLUMNS, [_csv_row(model, facts) for model in facts.models])


def _csv_row(model: ModelOutcome, facts: Causes) -> tuple[object, ...]:
    held = next((held for held in facts.held_back if held.name == model.name), None)
    predicted = held.interval if held else None
    ends = (predicted.low, predicted.high) if predicted else (None, None)
    outcome = (model.outcome.value, model.outcome.low, model.outcome.high, sum(model.images), model.clusters)
    verdicts = (model.contrast_called, model.audit_called, model.verdict, model.capability)
    seconds = facts.seconds.get(model.name, (None, None))
    return (model.name, model.part, model.arm, model.dose, model.seed, *outcome, *verdicts, *ends, held.inside if held else None, *seconds)
