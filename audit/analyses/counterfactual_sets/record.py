"""Sets of images that differ in one attribute: how often their answers differ, beside harmless changes, and which way they shift."""

from __future__ import annotations

from audit.analyses.base.records import Signal
from audit.records.base import Estimate, record
from audit.types import Group, Note


@record
class HarmlessChange:
    """The same images, changed in a way that changes nothing about the person."""

    name: str
    images: int
    changed: int
    """Images that are answered differently."""


@record
class HarmlessBaseline:
    """How often answers change although nobody does."""

    sets: int
    """Whose images were changed: all, or a sample of them."""
    rate: Estimate
    """Changed answers, as a share of images and changes."""
    changes: tuple[HarmlessChange, ...]
    excess: float
    """Share of differing pairs in these sets less the share of changed answers."""
    p: float
    """Of as much, if a changed person were one more harmless change: by permutation within sets, one-sided."""
    p_adjusted: float
    verdict: Signal


@record
class MemberDifference:
    """Do members have the outcome equally often, and equal scores? Of sets of more than two."""

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
    """Two members of every set."""

    first: str
    second: str
    only_first: int
    """Sets in which only the first is given the outcome."""
    only_second: int
    net: Estimate
    """(only_first - only_second) / sets."""
    net_p: float
    """The sign of each cluster is a coin flip."""
    net_p_adjusted: float
    shift: float
    """Mean probability of the outcome of the first less that of the second."""
    shift_low: float | None
    shift_high: float | None
    """None with one cluster."""
    shift_p: float
    shift_p_adjusted: float
    verdict: Signal
    """Of either p."""


@record
class CounterfactualSets:
    """One question put to all sets."""

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
    """Why nothing is judged; None where it is."""
    flips: int = 0
    """Sets whose members do not all get the same answer."""
    flip_rate: Estimate | None = None
    """None without a complete set, like what follows."""
    differing: Estimate | None = None
    """Pairs of members with different answers, as a share of all: of sets of two the flip rate."""
    harmless: HarmlessBaseline | None = None
    members_differ: MemberDifference | None = None
    """None of sets of two."""
    pairs: tuple[MemberPair, ...] = ()
    draws: int = 0
    tests: int = 0
    """Of all plans of the audit, over which p is adjusted (Holm)."""
