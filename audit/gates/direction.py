"""Gates that fail what is better, which is surely not meant: found by the direction of what they are about, and warned of."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from audit.gates.parse import FLAG, Gate, ResolvedGate
from audit.types import Better

LOG = logging.getLogger("audit")
_WORSE: Mapping[str, str] = {"gap": ">", "gap_mean": ">", "change": ">", "ratio": "<"}
"""Which way a gate is meant that ends with what is worse."""
_WORSE_RATE: Mapping[Better, str] = {"high": "<", "low": ">"}
"""The same of a rate, and of the change of a group's, by which side of it is better."""


def turned(gate: Gate, better: Better = "neither", *, of_group: bool = False) -> str | None:
    """Return the gate the other way round where it fails what is better, which is surely not meant; None where it is as it should be.

    Of a rate, and of the change of a group's rate (`of_group`), that is so only where one side is `better`.

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
    if of_rate and gate.subject == "change":  # a limit on the side of what is worse as well
        size = value.strip().removeprefix("-")
        value = f" {'-' if worse == '<' and gate.limit else ''}{size}"
    return f"{before}{gate.operator.translate(str.maketrans('<>', '><'))}{value}"


def warn_if_turned(gate: Gate, resolved: ResolvedGate | None = None) -> None:
    """Warn of a gate that fails what is better: it stands as it was written. `resolved`: the same, where its question is known."""
    of_group = resolved is not None and resolved.group is not None
    if other := turned(gate, resolved.better if resolved else "neither", of_group=of_group and gate.subject == "change"):
        LOG.warning("%s %r fails where this holds, and holds what is worse; did you mean %r?", FLAG, gate.expression, other)
