"""Sets of images that differ in one attribute: how often answers differ, compared with harmless changes, and in which direction."""

from __future__ import annotations

from audit.analyses.records import Signal
from audit.records.base import Estimate, record
from audit.types import Group, Note


@record
class HarmlessChange:
    """The same images after a change that does not affect the person."""

    name: str
    images: int
    changed: int
    """Images whose answer changes."""


@record
class HarmlessBaseline:
    """How often answers change although the person stays the same."""

    sets: int
    """Sets whose images were changed: all, or a sample."""
    rate: Estimate
    """Changed answers, as a share of images × changes."""
    changes: tuple[HarmlessChange, ...]
    excess: float
    """Share of differing pairs in these sets less the share of changed answers."""
    p: float
    """p of such an excess if changing the person were one more harmless change: permutation within sets, one-sided."""
    p_adjusted: float
    verdict: Signal


@record
class MemberDifference:
    """Do members have the outcome equally often, and equal scores? Only for sets of more than two."""

    cochran_q: float
    freedom: int
    q_p: float
    """Of Cochran's Q, by permutation within sets."""
    q_p_adjusted: float
    score_p: float
    """Of the members' mean scores, by permutation within sets."""
    score_p_adjusted: float
    verdict: Signal


@record
class MemberPair:
    """Two members, compared over all sets."""

    first: str
    second: str
    only_first: int
    """Sets in which only the first has the outcome."""
    only_second: int
    net: Estimate
    """(only_first - only_second) / sets."""
    net_p: float
    """By flipping the sign of each cluster at random."""
    net_p_adjusted: float
    shift: float
    """Mean probability of the outcome for the first minus that for the second."""
    shift_low: float | None
    shift_high: float | None
    """None with one cluster, or if all sets have one shift."""
    shift_p: float
    shift_p_adjusted: float
    verdict: Signal
    """From both p: a signal if either is."""


@record
class CounterfactualSets:
    """One question for all sets."""

    question: str
    attribute: str
    members: Group
    outcome: str
    cluster_attribute: str
    clusters: int
    sets: int
    """Complete ones."""
    incomplete: int
    """Sets that lack a member."""
    reason: Note | None
    """Why nothing is judged; None if it is."""
    flips: int = 0
    """Sets whose members do not all get the same answer."""
    flip_rate: Estimate | None = None
    """None without a complete set, as are the fields below."""
    differing: Estimate | None = None
    """Pairs of members with different answers, as a share of all pairs; for sets of two, equal to the flip rate."""
    harmless: HarmlessBaseline | None = None
    members_differ: MemberDifference | None = None
    """None for sets of two."""
    pairs: tuple[MemberPair, ...] = ()
    draws: int = 0
    tests: int = 0
    """Tests of all plans of the audit, over which p is adjusted (Holm)."""
