"""Warns of gates that fail what is better, which is surely a mistake, by the direction of their subject."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from audit.gates.parse import FLAG, Gate, ResolvedGate
from audit.types import Better

LOG = logging.getLogger("audit")
_WORSE: Mapping[str, str] = {"gap": ">", "gap_mean": ">", "change": ">", "ratio": "<"}
"""The operator with which a gate fails what is worse."""
_WORSE_RATE: Mapping[Better, str] = {"high": "<", "low": ">"}
"""The same for a rate, and for the change of a group's rate, by whether high or low is better."""


def turned(gate: Gate, better: Better = "neither", *, of_group: bool = False) -> str | None:
    """The reversed gate if the given one fails what is better, which is surely a mistake; None if it is right.

    For a rate, and for the change of a group's rate (`of_group`), this needs a `better` direction.

    Examples
    --------
    >>> from audit.gates.parse import CHANGE_SUBJECTS, parse
    >>> turned(parse("gap[gender.accuracy by race] < 0.1")), turned(parse("gap > 0.1")), turned(parse("verdict == equivalent"))
    ('gap[gender.accuracy by race] > 0.1', None, 'verdict != equivalent')
    >>> turned(parse("rate[gender.accuracy by race] > 0.9"), "high"), turned(parse("rate[gender.accuracy by race] > 0.9"))
    ('rate[gender.accuracy by race] < 0.9', None)
    >>> turned(parse("change[gender.accuracy by race for any group] > 2 points", CHANGE_SUBJECTS), "high", of_group=True)
    'change[gender.accuracy by race for any group] < -2 points'
    """
    own = gate.operator[0]
    before, _, value = gate.expression.rpartition(gate.operator)
    if (gate.verdict, gate.operator) in (("equivalent", "=="), ("disparity", "!=")):
        return f"{before}{'!=' if gate.operator == '==' else '=='}{value}"
    of_rate = of_group or gate.subject == "rate"
    worse = _WORSE_RATE.get(better) if of_rate else _WORSE.get(gate.subject)
    if own not in "<>" or worse in (None, own):
        return None
    if of_rate and gate.subject == "change":  # the limit must change sign, too
        size = value.strip().removeprefix("-")
        value = f" {'-' if worse == '<' and gate.limit else ''}{size}"
    return f"{before}{gate.operator.translate(str.maketrans('<>', '><'))}{value}"


def warn_if_turned(gate: Gate, resolved: ResolvedGate | None = None) -> None:
    """Warn of a gate that fails what is better; it stays as written. `resolved`: the same gate, if its question is known."""
    of_group = resolved is not None and resolved.group is not None
    if other := turned(gate, resolved.better if resolved else "neither", of_group=of_group and gate.subject == "change"):
        LOG.warning("%s %r fails where this holds, and holds what is worse; did you mean %r?", FLAG, gate.expression, other)
