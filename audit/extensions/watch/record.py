"""A watch over growing predictions: its state and its results, both in `watch.json`.

The plan is fixed at the first look. Everything else follows from the plan and the rows, in the order in which they were used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from audit.records.base import Timing, record
from audit.records.file import File

SCHEMA_VERSION = "2"
WATCH = "watch.json"
FIRST_SHARE = 0.8
"""Part of the probability of a false alarm that the groups of the first look have; the rest is for groups that arrive later."""
MOST_LATE = 20
"""Late groups that a question compares."""


@record
class WatchedQuestion:
    """A gap that is watched."""

    id: str
    """As of a finding: ``predictions/accuracy/gender``."""
    measurement: str
    metric: str
    attribute: str
    outcome: str | None
    """Name of the outcome; None for the accuracy."""
    labels: tuple[str, ...]
    """Answers that are the outcome; empty for the accuracy."""
    groups: tuple[str, ...]
    """Groups of the first look."""

    @property
    def tests(self) -> int:
        """One-sided tests: one per ordered pair of groups of the first look."""
        return len(self.groups) * (len(self.groups) - 1)


@record
class WatchColumns:
    """How rows are read, as in the options of `vlm-audit run --predictions`."""

    attributes: tuple[str, ...]
    prediction: str | None
    truth: str | None
    cluster: str | None
    bins: tuple[str, ...]
    encoding: str | None


@record
class WatchPlan:
    """Everything that was fixed at the first look."""

    source: str
    """Name of the file or folder."""
    alpha: float
    """Probability of a false alarm about any of the gaps, however often one looks."""
    tolerance: float
    """An alarm says that a gap exceeds it."""
    outcomes: tuple[str, ...]
    """The options --outcome."""
    columns: WatchColumns
    questions: tuple[WatchedQuestion, ...]
    created: str
    """UTC, ISO 8601."""

    @property
    def log_threshold(self) -> float:
        """Natural logarithm of the wealth at which a test raises the alarm (Ville, and a union bound over all tests).

        The number of tests of the groups of the first look, over their part of alpha.
        """
        return math.log(sum(question.tests for question in self.questions) / (FIRST_SHARE * self.alpha))

    def late_stake(self, question: WatchedQuestion, place: int) -> float:
        """Wealth with which each test of a late group begins, `place` being 1 for the first late group of the question.

        A stake below 1 is a smaller part of alpha at the same threshold. The questions have equal parts of what the first look leaves, and
        of that the groups 1/2, 1/6, 1/12, ..., which sum to 1. A group's tests are those with all groups before it, in both directions.
        """
        alpha = (1 - FIRST_SHARE) * self.alpha / len(self.questions) / (place * (place + 1))
        tests = 2 * (len(question.groups) + place - 1)
        return min(1.0, alpha / tests * math.exp(self.log_threshold))


@record
class UsedRows:
    """Rows of one file that were used at one look: those after the rows used before."""

    file: str
    start: int
    stop: int
    sha256: str
    """Of their identifiers, attributes, true answers and answers."""


@record
class Look:
    """When a look was taken, and how many rows had been used by then."""

    created: str
    rows: int


@record
class GroupEvents:
    """Rows of a group."""

    group: str
    n: int
    """Rows in the denominator of the rate."""
    events: int


@record
class LateGroup:
    """A group that was not in the first look. It is compared from its first row on."""

    group: str
    row: int
    """Its first row, counted from 1, over all files."""
    file: str
    stake: float
    """Wealth with which each of its tests begins."""


@record
class PairTest:
    """Two groups; the first is the one whose rate is more likely to exceed the other's."""

    first: str
    second: str
    rounds: int
    waiting: int
    """Rows that wait for a row of the other group."""
    stake: float
    """Wealth at the beginning: 1, or less if one of the groups arrived late."""
    log10_wealth: float
    """Now, of betting that the first group's rate exceeds the second's by more than the tolerance."""
    log10_most: float
    """The most it ever was."""
    low: float
    """Lower bound of the first group's rate less the second's, valid at all looks together: it was above this in some rows.

    Above `high` if the difference has changed.
    """
    high: float
    """Upper bound: it was below this in some rows, which need not be the same ones."""


@record
class WealthPoint:
    """The largest wealth of all tests of a gap after a row."""

    row: int
    log10_wealth: float


@record
class GapAlarm:
    """The row at which a test of a gap reached the threshold for the first time."""

    row: int
    """Counted from 1, over all files."""
    file: str
    first: str
    second: str


@record
class GapWatch:
    """The tests of one gap."""

    question: WatchedQuestion
    groups: tuple[GroupEvents, ...]
    """All groups that are compared, those of the first look first."""
    late: tuple[LateGroup, ...]
    """Those that were not in the first look, in the order in which they arrived."""
    others: tuple[GroupEvents, ...]
    """Groups that are not compared: an unknown one, and those that arrived when there were too many late ones."""
    pairs: tuple[PairTest, ...]
    """The most wealth first; empty while a single group is known."""
    curve: tuple[WealthPoint, ...]
    alarm: GapAlarm | None


@record
class Watch:
    """A watch after its last look."""

    schema_version: str
    status: Literal["complete"]
    tool: str
    command: tuple[str, ...]
    """Of the last look."""
    plan: WatchPlan
    used: tuple[UsedRows, ...]
    """In the order in which the tests saw them."""
    looks: tuple[Look, ...]
    gaps: tuple[GapWatch, ...]
    environment: Mapping[str, str]
    timing: Timing

    @property
    def rows(self) -> int:
        """Rows used so far."""
        return self.looks[-1].rows

    @property
    def late_groups(self) -> Mapping[tuple[str, str], LateGroup]:
        """Attribute and name of each group that was not in the first look, in the order in which they arrived."""
        late = {(gap.question.attribute, one.group): one for gap in self.gaps for one in gap.late}
        return dict(sorted(late.items(), key=lambda item: item[1].row))

    @property
    def alarms(self) -> tuple[GapWatch, ...]:
        """The gaps with an alarm, the earliest first."""
        return tuple(sorted((gap for gap in self.gaps if gap.alarm), key=lambda gap: gap.alarm.row if gap.alarm else 0))


_OTHER_TEST = (
    "it is from a program whose bets all began with the first row; to go on with other bets would add their false alarms to its own; "
    "its page and its alarms stay as they are"
)
WATCH_FILE = File(Watch, WATCH, SCHEMA_VERSION, "name another --out to begin a new watch", {"1": _OTHER_TEST})
