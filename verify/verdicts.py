"""Adjusted p, verdicts and the pair that a finding names: what depends on the other findings of an audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify import formulas
from verify.answers import NO_ANSWER

Facts = dict[str, Any]
MOST_PAIRS = 435
"""Pairs that are kept of an exploratory finding."""


@dataclass(frozen=True)
class Tested:
    """A recomputed finding, before it has a verdict."""

    record: Mapping[str, Any]
    facts: Facts
    p: float | None
    """The recorded p if it agrees with the recomputed one, otherwise the recomputed one; None without a test."""
    pairs: Sequence[Facts]
    """Every pair of compared groups."""
    within_truth_p: float | None = None

    @property
    def primary(self) -> bool:
        return bool(self.record["primary"])


def adjusted(family: Sequence[Tested], others: Sequence[float] = ()) -> list[float | None]:
    """Holm's p over the planned findings, Benjamini and Hochberg's over the exploratory ones.

    `others` are the p of other planned questions: about scores and trends, and 1 for each question of a plan lock that deviates from it or
    was not asked.
    """
    values: list[float | None] = [None] * len(family)
    for primary, method in ((True, formulas.holm), (False, formulas.benjamini_hochberg)):
        at = [number for number, tested in enumerate(family) if tested.primary == primary and tested.p is not None]
        p = [*(family[number].p for number in at), *(others if primary else [])]
        for number, value in zip(at, method(np.array(p, float)).tolist(), strict=False):
            values[number] = value
    return values


def decided(
    tested: Tested, p_adjusted: float | None, alpha: float, look: str | None, *, limited: bool, invalid: bool, undeclared: bool
) -> Facts:
    """The fields of a finding that a reader acts on."""
    gap = tested.facts["gap"]
    verdict = _verdict(tested, p_adjusted, alpha, limited=limited)
    reject = p_adjusted is not None and tested.p is not None and max(p_adjusted, tested.p) <= alpha
    pairs = _kept(tested.pairs) if reject and not tested.primary else list(tested.pairs) if reject else []
    exceeds = verdict == "disparity" and (any(pair["beyond_tolerance"] for pair in pairs) or _beyond_ratio(tested))
    diffuse = verdict in ("disparity", "signal") and gap["significant"] is None
    why = None if limited else _unresponsive(tested, verdict, look, alpha)
    if why:
        verdict, exceeds, diffuse = "not estimable", False, False
    if invalid and not limited and verdict in ("equivalent", "inconclusive"):
        verdict, why = "not estimable", "invalid"
    held_back = None
    if _withheld(tested, verdict, diffuse=diffuse):
        held_back, verdict, exceeds, diffuse = verdict, "inconclusive" if tested.primary else "no signal", False, False
    elif filled := filled_truth(tested.facts):
        exceeds = exceeds and filled["low"] > tested.record["tolerance"]
    if undeclared and gap is not None:
        verdict, exceeds, diffuse, why = "not estimable", False, False, "units"
    facts: Facts = {"verdict": verdict, "exceeds_tolerance": exceeds, "diffuse": diffuse, "unresponsive": why, "pairs": pairs}
    facts["withheld"] = held_back
    if gap is None:
        return facts | {"gap": None}
    shows = verdict in ("disparity", "signal")
    gap = {name: value for name, value in gap.items() if name != "significant"}
    gap |= {"p_adjusted": p_adjusted, "leading": tested.facts["gap"]["significant"] if shows else gap["open_pair"]}
    return facts | {"gap": gap | {"too_few": _too_few(tested, alpha)}}


def filled_truth(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What missing true answers may change, if they are missing depending on the answer."""
    return next((one["filled"] for one in facts["uncovered"] if one["filled"]), None)


def _withheld(tested: Tested, verdict: str, *, diffuse: bool) -> bool:
    """Whether missing true answers leave a verdict undecided."""
    filled, gap = filled_truth(tested.facts), tested.facts["gap"]
    if filled is None or gap is None:
        return False
    if verdict == "equivalent":
        return filled["reach"] >= tested.record["tolerance"] or tested.facts["ratio_tolerance"] is not None
    return verdict in ("disparity", "signal") and (filled["low"] <= 0 or diffuse or gap["within"] is not None)


def _verdict(tested: Tested, p_adjusted: float | None, alpha: float, *, limited: bool) -> str:
    gap = tested.facts["gap"]
    groups = sum(rate["status"] == "ok" for rate in tested.facts["by_group"])
    differ = gap is not None and p_adjusted is not None and p_adjusted <= alpha and (groups > 2 or gap["low"] > 0)
    if not tested.primary:
        return "not estimable" if gap is None else "signal" if differ and not limited else "no signal"
    if limited:
        return "inconclusive"
    if gap is None:
        return "not estimable"
    close = gap["equivalence_bound"] < tested.record["tolerance"]
    most = tested.facts["ratio_tolerance"]
    if most is not None:
        close = close and gap["equivalence_ratio"] is not None and gap["equivalence_ratio"] < most
    return "equivalent" if close else "disparity" if differ else "inconclusive"


def _beyond_ratio(tested: Tested) -> bool:
    low, most = tested.facts["gap"]["ratio_low"], tested.facts["ratio_tolerance"]
    return low is not None and most is not None and low > most


def _unresponsive(tested: Tested, verdict: str, look: str | None, alpha: float) -> str | None:
    """Why a finding gets no verdict although its groups can be compared."""
    record = tested.record
    if look in (None, "looks") or verdict == "not estimable":
        return None
    if record["metric"] == "accuracy" and record["outcome"] is None:
        if verdict in ("disparity", "signal"):
            return None if tested.within_truth_p is not None and tested.within_truth_p <= alpha else look
        return None if look == "undecided" and verdict != "equivalent" else look
    rate = tested.facts.get("overall", record["overall"])["value"] or 0.0
    by_question = look == "constant" and (0 < rate < 1 or (rate == 1 and record["outcome"] == "unclear"))
    blind = look in ("constant", "unclear", "order") and (record["outcome"] not in NO_ANSWER or by_question)
    return look if blind and verdict != "disparity" else None


def _too_few(tested: Tested, alpha: float) -> list[list[str]]:
    """Compared groups that could not show a difference below the tolerance, even without any event."""
    rates = [rate for rate in tested.facts["by_group"] if rate["status"] == "ok"]
    least = 0.0 if tested.facts["shares"] else 1.0
    n = np.array([max(np.rint(rate["n"] / max(rate["design_effect"] or 1.0, least)), 1) for rate in rates])
    limits = formulas.wilson(np.zeros(len(n)), n, 2 * alpha, continuity=True)[1]
    return [rate["group"] for rate, limit in zip(rates, limits, strict=True) if limit >= tested.record["tolerance"]]


def _kept(pairs: Sequence[Facts]) -> list[Facts]:
    order = sorted(range(len(pairs)), key=lambda at: (pairs[at]["p_adjusted"], -abs(pairs[at]["difference"])))
    return [pairs[at] for at in sorted(order[:MOST_PAIRS])]


def of_audit(verdicts: Sequence[str]) -> str:
    """The verdict of an audit from those of its planned findings."""
    if "disparity" in verdicts:
        return "disparity"
    return verdicts[0] if len(set(verdicts)) == 1 else "inconclusive"
