"""The first screen of a mitigation: the outcome in a word and a sentence, what it cost, and the groups before and after in one chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.record import Mitigation
from reports.comparison.context import ComparisonContext
from reports.comparison.verdict import DrawnChange, drawn_change


@dataclass(frozen=True)
class MitigationScreen:
    """The first screen."""

    outcome: str
    word: str
    headline: str
    why: Sequence[str]
    """The reasons that the headline does not give."""
    removed: str
    cost: str
    cost_label: str
    cautions: Sequence[str]
    """What is left of the gap, and that the data were used before."""
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    steps: Sequence[str]
    """What to do next."""
    chart: DrawnChange | None


def view(facts: Mitigation, context: ComparisonContext) -> MitigationScreen:
    """Return the first screen; its chart has the groups of the question or, if the model is worse, of what became worse."""
    said = text.outcome_sentence(facts)
    drawn = text.leading_change(facts)
    return MitigationScreen(
        outcome=facts.outcome,
        word=text.OUTCOMES[facts.outcome],
        headline=said.headline,
        why=said.why,
        removed=text.removed_sentence(facts),
        cost=text.cost_sentence(facts),
        cost_label=text.cost_label(facts),
        cautions=tuple(filter(None, (text.remaining(facts), text.earlier(facts)))),
        tiles=text.tiles(facts),
        steps=text.mitigation_steps(facts),
        chart=None if drawn is None else drawn_change(drawn, context),
    )
