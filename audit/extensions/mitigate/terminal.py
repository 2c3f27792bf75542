"""Mitigations on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from audit.cli.screen import Screen
from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.record import Mitigation, Outcome
from reports.exports.markdown import ordinary_spaces
from reports.exports.terminal.changes import change_gate_lines
from reports.exports.terminal.lines import after_sign, lines_of
from reports.text.notes import sentence
from reports.text.numbers import number, p_phrase

SIGNS: Mapping[Outcome, tuple[str, str]] = {"better": ("↓", "teal"), "no change shown": ("?", "amber"), "worse": ("▲", "red")}
"""The icons of `page/icons.html` as characters, and their colours."""
_PIPE = Screen()


def mitigation_lines(facts: Mitigation, screen: Screen = _PIPE) -> str:
    """Return the outcome with its reasons, the cost, the controls, the gates, the other methods, and what to do next."""
    said = text.outcome_sentence(facts)
    first = f"{text.OUTCOMES[facts.outcome]}. {said.headline}"
    shown = [*filter(None, [text.gap_sentence(facts)]), text.capability(facts), *text.controls(facts)]
    paragraphs = [shown, _others(facts), list(filter(None, [text.earlier(facts)])), _next_steps(facts)]
    blocks = [
        [*after_sign(*SIGNS[facts.outcome], first, screen, whole=True), *_lines(said.why, screen)],
        *change_gate_lines(facts.compared, screen),
        *(_lines(paragraph, screen) for paragraph in paragraphs),
    ]
    return ordinary_spaces("\n\n".join("\n".join(block).rstrip() for block in blocks if block))


def _lines(paragraphs: Sequence[str], screen: Screen) -> list[str]:
    return [line for paragraph in paragraphs for line in lines_of(paragraph, screen)]


def _next_steps(facts: Mitigation) -> list[str]:
    return ["What to do next:", *(f"- {step}" for step in text.mitigation_steps(facts))]


def _others(facts: Mitigation) -> list[str]:
    rows = [
        f"{text.method_name(tried.method)}: gap {number(tried.gap.before.value, 1)} → {number(tried.gap.after.value, 1)}, "
        f"{p_phrase(tried.gap.p_adjusted, 'adjusted p')}"
        for tried in facts.tried
        if tried.method != facts.plan.method
    ]
    rows += [f"{text.method_name(refused.method)}: not tried ({sentence(refused.why)})" for refused in facts.refused]
    return ["Other methods, not exported:", *rows] if rows else []
