"""Mitigations on a terminal."""

from __future__ import annotations

from audit.cli.screen import Screen
from audit.records.mitigation import Mitigation
from reports.exports.terminal.lines import lines_of
from reports.text import mitigation as text
from reports.text.notes import sentence

_PIPE = Screen()


def mitigation_lines(facts: Mitigation, screen: Screen = _PIPE) -> str:
    """Return the outcome with its reasons, the cost, the controls, and the other methods."""
    said = text.outcome_sentence(facts)
    first = [f"{text.OUTCOMES[facts.outcome]}. {said.headline}", *said.why]
    blocks = [first, [*filter(None, [text.gap_sentence(facts)]), text.capability(facts), *text.controls(facts)], _others(facts)]
    if (note := text.earlier(facts)) is not None:
        blocks.append([note])
    return "\n\n".join("\n".join(line for entry in block for line in lines_of(entry, screen)) for block in blocks if block)


def _others(facts: Mitigation) -> list[str]:
    rows = [
        f"{tried.method}: gap {100 * tried.gap.before.value:.1f} -> {100 * tried.gap.after.value:.1f}, "
        f"adjusted p {tried.gap.p_adjusted:.2g}"
        for tried in facts.tried
        if tried.method != facts.plan.method
    ]
    rows += [f"{refused.method}: not tried ({sentence(refused.why)})" for refused in facts.refused]
    return ["Other methods, not exported:", *rows] if rows else []
