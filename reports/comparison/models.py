"""The section "Models": what was compared, and what the checkpoints say about their training."""

from __future__ import annotations

from dataclasses import dataclass

from audit.naming import natural_order
from audit.records.comparison import Comparisons, Side
from reports.provenance import written_date
from reports.table import Row, Table
from reports.text import phrases
from reports.text.comparison import axis_of, step_number
from reports.text.numbers import count, short_hash, upper_first

_STEP = "Step"
_COLUMNS = ("Model", "Side", _STEP, "Own verdicts", "Audited", "Folder", "sha256")


@dataclass(frozen=True)
class ModelsView:
    """The models of a page."""

    table: Table
    ends: tuple[Side, ...]
    """The first model and those compared with it, without files of answers."""


def view(comparisons: Comparisons) -> ModelsView:
    """Return every model of a page."""
    axis = axis_of(comparisons)
    columns = tuple(upper_first(axis) if axis and column == _STEP else column for column in _COLUMNS)
    rows = tuple(
        Row((side.name, role, _step(side), _verdicts(side), written_date(side.created), side.directory, _hash(side)))
        for side, role in _roles(comparisons)
    )
    ends = tuple(side for side, role in _roles(comparisons) if role != "between" and not phrases.answers_only(side.model))
    return ModelsView(Table("Models", "What was compared", columns, rows, kind="wrapped"), ends)


def _roles(comparisons: Comparisons) -> list[tuple[Side, str]]:
    """Return each side with its role: before, after, or between the ends of a series."""
    last = len(comparisons.sides) - 1
    of = ("before" if i == 0 else "after" if not comparisons.series or i == last else "between" for i in range(last + 1))
    return list(zip(comparisons.sides, of, strict=True))


def _hash(side: Side) -> str:
    """Return the start of the sha256 and what it belongs to: weights, or a file of answers, for which no model was loaded."""
    return f"{short_hash(side.model.sha256)} ({'file of answers' if phrases.answers_only(side.model) else 'weights'})"


def _step(side: Side) -> str:
    if side.position is not None:
        return step_number(side.position)
    return "unknown" if side.model.step is None else count(side.model.step)


def _verdicts(side: Side) -> str:
    return "; ".join(f"{probe}: {side.verdicts[probe]}" for probe in natural_order(side.verdicts))
