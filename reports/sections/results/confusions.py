"""What the model confuses, for the leading finding: answers by group and true answer or, without truth, the top answers by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from audit.results import Finding
from audit.statistics.counts import Crosstab, crosstab
from audit.types import UNKNOWN
from reports.charts.grids import share_shade
from reports.context import AuditContext
from reports.text import phrases
from reports.text.numbers import count, number

MOST_ANSWERS, MOST_ROWS = 7, 8
"""Columns of the matrix, and its rows: the two groups of the finding, then others while there is room."""
MOST_CONFUSIONS = 5
"""With more true answers, the most frequent confusions of both groups."""


@dataclass(frozen=True)
class ConfusionRow:
    """The answers to the images of one group and true answer, as shares of the row."""

    group: str
    """Empty if it is that of the row above."""
    truth: str
    """Empty without truth."""
    n: str
    cells: tuple[tuple[str, str], ...]
    """Share in percent and shade; the shade only repeats how frequent a wrong answer is."""
    faint: bool


@dataclass(frozen=True)
class Confusions:
    """The matrix of one finding."""

    title: str
    note: str
    columns: tuple[str, ...]
    """Headings of the cells."""
    has_truth: bool
    rows: tuple[ConfusionRow, ...]


def confusions(finding: Finding, context: AuditContext) -> Confusions | None:
    """Return the matrix of a finding; None if its counts are unknown, or if images are weighted and counts would contradict rates."""
    audit, fewest = context.audit, max(context.results.settings.min_group_size, 2)
    record = next((record for record in audit.counts if record.measurement == finding.measurement), None)
    if record is None or audit.data.weights is not None or not record.cells or not {*finding.attributes} <= {*record.attributes}:
        return None
    table = crosstab(record, *finding.attributes)
    groups = [code for code in _in_order(finding, table) if table.n[code].sum()]
    by = phrases.attributes(finding.attributes)
    if not record.truth:
        return _answers(finding, context, table, groups, fewest)
    if len(_known(table.answers)) <= MOST_ANSWERS:
        return _matrix(table, groups, f"What the model confuses, by {by}", fewest)
    return _most_frequent(table, groups[:2], f"What the model confuses most often, by {by}", fewest)


def _in_order(finding: Finding, table: Crosstab) -> Iterator[int]:
    """Yield the codes of the groups: the two of the finding, the worse first, then the others as the data order them."""
    named = [" × ".join(group) for group in phrases.leading_groups(finding)]
    known = [" × ".join(cell.group) for cell in finding.by_group if cell.status != "unknown"]
    return (table.levels.index(name) for name in dict.fromkeys([*named, *known]) if name in table.levels)


def _known(names: Sequence[str]) -> list[int]:
    return [code for code, name in enumerate(names) if name != UNKNOWN]


def _matrix(table: Crosstab, groups: Sequence[int], title: str, fewest: int) -> Confusions:
    truths, answers = _known(table.truths), _known(table.answers)
    names = tuple(table.answers[code] for code in answers)
    rows, shown = list[ConfusionRow](), 0
    for code in groups:
        block = [truth for truth in truths if table.n[code, truth].sum()]
        if shown >= 2 and len(rows) + len(block) > MOST_ROWS:
            break
        shown += 1
        for truth in block:
            group = table.levels[code] if truth == block[0] else ""
            rows.append(_row(group, table.truths[truth], table.n[code, truth, answers], names, fewest))
    note = f"Each row is 100 %: what images of one group and true answer get as an answer. {_left_out(shown, len(groups))}"
    return Confusions(title, note.strip(), names, True, tuple(rows))


def _row(group: str, truth: str, counted: np.ndarray, names: Sequence[str], fewest: int) -> ConfusionRow:
    """Return a row of counts that add up to its images; `names` are the answers, of which the right one is bold rather than shaded."""
    total = int(counted.sum())
    shares = [float(images / total) for images in counted]
    shades = ["" if not truth else "right" if name == truth else share_shade(share) for name, share in zip(names, shares, strict=True)]
    cells = [(number(share, 1), shade) for share, shade in zip(shares, shades, strict=True)]
    return ConfusionRow(group, truth, count(total), tuple(cells), total < fewest)


def _answers(finding: Finding, context: AuditContext, table: Crosstab, groups: Sequence[int], fewest: int) -> Confusions:
    """Return the shares of the answers in each group: those of the finding's outcome, then the most frequent, then all others together."""
    counts = table.n.sum(axis=1)
    measurement = next((record for record in context.audit.measurements if record.name == finding.measurement), None)
    outcome = measurement.outcomes.get(finding.outcome or "", ()) if measurement else ()
    frequent = sorted(range(len(table.answers)), key=lambda code: (table.answers[code] not in outcome, -counts[:, code].sum()))
    most = MOST_ANSWERS if len(frequent) > MOST_ANSWERS + 1 else len(frequent)  # a single other answer takes no more room by name
    shown, others = frequent[:most], frequent[most:]
    names = (*(table.answers[code] for code in shown), *((f"{count(len(others))} others",) if others else ()))
    summed = [np.append(counts[code, shown], [counts[code, others].sum()] if others else []) for code in groups[:MOST_ROWS]]
    rows = [_row(table.levels[code], "", counted, names, fewest) for code, counted in zip(groups, summed, strict=False)]
    note = f"Each row is 100 %: what images of one group get as an answer. {_left_out(len(rows), len(groups))}"
    title = f"What the model answers, by {phrases.attributes(finding.attributes)}"
    return Confusions(title, note.strip(), names, False, tuple(rows))


def _most_frequent(table: Crosstab, groups: Sequence[int], title: str, fewest: int) -> Confusions:
    """Return the true answers that both groups of the finding are most often wrong about, with the answer they are taken for."""
    rows = list[ConfusionRow]()
    for code in groups:
        wrong = [
            (int(table.n[code, truth, answer]), truth, answer)
            for truth in _known(table.truths)
            for answer in _known(table.answers)
            if table.answers[answer] != table.truths[truth] and table.n[code, truth, answer]
        ]
        wrong.sort(key=lambda confusion: -confusion[0])
        for rank, (images, truth, answer) in enumerate(wrong[:MOST_CONFUSIONS]):
            total = int(table.n[code, truth].sum())
            cells = ((table.answers[answer], ""), (number(images / total, 1), share_shade(images / total)))
            rows.append(ConfusionRow("" if rank else table.levels[code], table.truths[truth], count(total), cells, total < fewest))
    note = "n: images of the group with this true answer; share: how many of them get the wrong answer. results.json has all answers."
    return Confusions(title, note, ("Taken for", "Share"), True, tuple(rows))


def _left_out(shown: int, groups: int) -> str:
    return f"{count(groups - shown)} further groups are in results.json." if shown < groups else ""
