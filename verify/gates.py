"""The gates of a run (`--fail-on`), decided again on the findings of the file."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify import formulas
from verify.formulas import Ends
from verify.ledger import Ledger, Path

Facts = dict[str, Any]
WORST_FIRST = ("breached", "not estimable", "inconclusive", "held")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
REPLICATES = "the mean of the replicates"
_GATE = re.compile(r"\s*(\w+)\s*(?:\[(.*)\])?\s*(==|!=|[<>]=?)\s*(.+?)\s*", re.DOTALL)
_NUMBER = re.compile(r"(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(%|points?|pp)?", re.IGNORECASE)


@dataclass(frozen=True)
class Gate:
    """A gate as written."""

    subject: str
    name: str | None
    operator: str
    limit: float
    verdict: str

    @classmethod
    def of(cls, expression: str) -> Gate | None:
        """Parse a gate; None if it is not one."""
        match = _GATE.fullmatch(expression)
        if match is None:
            return None
        subject, name, sign, value = match.groups()
        number = _NUMBER.fullmatch(value)
        limit = float(number[1]) / (100 if number[2] else 1) if number else 0.0
        return cls(subject.lower(), name and name.strip(), sign, limit, " ".join(value.lower().replace("_", " ").strip("'\"").split()))

    def breaks(self, value: float) -> bool:
        """Whether this number breaches the gate."""
        return COMPARE[self.operator](value, self.limit)


def verify_gates(results: Mapping[str, Any], ledger: Ledger) -> None:
    """Decide every gate of an audit again."""
    for at, record in enumerate(results["gates"]):
        path: Path = ("gates", at)
        gate = Gate.of(record["expression"])
        if gate is None or gate.subject == "gap_mean":
            continue
        checks = _under_lock(gate, record["expression"], _checks(gate, results, record), results)
        outcome = min((check["outcome"] for check in checks), key=WORST_FIRST.index, default=None)
        ledger.compare(path, record, {"outcome": outcome, "checks": checks})


def _checks(gate: Gate, results: Mapping[str, Any], record: Mapping[str, Any]) -> list[Facts]:
    """One check per audit and question, in the order of the file."""
    checks = []
    named = {check["finding"] for check in record["checks"]} if gate.name else None
    for audit in results["audits"]:
        key = {"model": audit["model"]["name"], "probe": audit["probe"]["name"], "limited": audit["data"]["limited"]}
        planned = [finding for finding in audit["findings"] if finding["primary"]]
        if gate.subject == "verdict" and gate.name is None:
            planned += [effect for effect in audit.get("effects", ()) if effect["primary"]]
            checks.append({**key, "finding": None, **_of_verdict(gate, audit["verdict"], audit, planned, results["settings"])})
            continue
        questions = [*audit["findings"], *(audit.get("effects", ()) if gate.subject in ("gap", "verdict") else ())]
        findings = [finding for finding in questions if _is_meant(gate, finding, named)]
        for finding in findings:
            if gate.subject == "verdict":
                facts = _of_verdict(gate, finding["verdict"], audit, [finding], results["settings"])
            elif "kind" in finding:
                facts = _of_effect(gate, finding, results["settings"], len(findings), limited=audit["data"]["limited"])
            else:
                facts = _Bound(gate, finding, results["settings"], len(findings), limited=audit["data"]["limited"]).check()
            checks.append({**key, "finding": finding["id"], **facts})
    if checks:
        return checks
    [finding_id] = named or {None}
    return [
        {"model": audit["model"]["name"], "probe": audit["probe"]["name"], "finding": finding_id, "outcome": "not estimable"}
        for audit in results["audits"]
    ]


def _under_lock(gate: Gate, expression: str, checks: list[Facts], results: Mapping[str, Any]) -> list[Facts]:
    """The checks of a run under a plan lock: what deviates from it is inconclusive, and so is a gate that was not locked."""
    if results.get("lock") is None:
        return checks
    lost = {
        (audit["model"]["name"], audit["probe"]["name"]): [*audit["lock"]["exploratory"], *audit["lock"]["not_asked"]]
        for audit in results["audits"]
    }
    unlocked = expression in results["lock"]["gates"]
    for check in checks:
        others = lost[check["model"], check["probe"]]
        of_all = check["finding"] is None and others and check["outcome"] != "breached"
        check["deviates"] = bool(unlocked or check["finding"] in others or of_all)
        check["outcome"] = "inconclusive" if check["deviates"] else check["outcome"]
    if gate.name is None and gate.subject != "verdict":
        done = {(check["model"], check["finding"]) for check in checks}
        checks += [
            {"model": model, "probe": probe, "finding": name, "outcome": "inconclusive", "deviates": True}
            for (model, probe), names in lost.items() for name in names if (model, name) not in done
        ]  # fmt: skip
    return checks


def _is_meant(gate: Gate, finding: Mapping[str, Any], named: set[str | None] | None) -> bool:
    """Whether a gate is about a finding: by its id or its short names; a title can only be taken from the checks of the file."""
    if gate.name is None or named is None:
        return bool(finding["primary"])
    return finding["id"] in named if _is_title(gate, finding) else True


def _is_title(gate: Gate, finding: Mapping[str, Any]) -> bool:
    if "kind" in finding:
        return True
    by = " x ".join(finding["attributes"])
    names = {f"{finding['measurement']}.{finding['outcome'] or finding['metric']} by {by}", finding["id"]}
    names |= {f"{finding['measurement']}.{finding['outcome']}.{finding['metric']} by {by}"} if finding["outcome"] else set()
    written = _plain(gate.name or "")
    return not any(written == _plain(name) or written.startswith(f"{_plain(name)} for ") for name in names)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[‘’“”'\"`]", "", text).replace("×", "x").replace("_", " ").casefold().split())


def _outside(finding: Mapping[str, Any], limit: float, settings: Mapping[str, Any]) -> bool:
    """Whether images outside the compared groups are shown to differ, and may do so by the limit; or a large group cannot be judged."""
    outside = finding.get("uncovered", ())  # a question about scores has none
    return any(one["shown"] and _reach(one) >= limit for one in outside) or _unjudged(finding, settings)


def _unjudged(question: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a group with enough images is too small by its clusters or weights."""
    groups = question["levels"] if "kind" in question else question["by_group"]
    return any(one["status"] == "small" and one["n"] >= max(int(settings["min_group_size"]), 2) for one in groups)


def _reach(one: Mapping[str, Any]) -> float:
    filled = one.get("filled")
    return float(max(-one["difference_low"], one["difference_high"]) if filled is None else filled["reach"])


def _filled(finding: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What missing true answers may change, if they are missing depending on the answer."""
    return next((one["filled"] for one in finding.get("uncovered", ()) if one.get("filled")), None)


def _of_verdict(
    gate: Gate, verdict: str, audit: Mapping[str, Any], findings: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> Facts:
    if audit["data"]["limited"]:
        return {"outcome": "inconclusive"}
    if (verdict == gate.verdict) == (gate.operator == "=="):
        return {"outcome": "breached"}
    if verdict in ("inconclusive", "not estimable"):
        return {"outcome": verdict}
    return {"outcome": "inconclusive" if any(_outside(finding, finding["tolerance"], settings) for finding in findings) else "held"}


def _of_effect(gate: Gate, effect: Mapping[str, Any], settings: Mapping[str, Any], family: int, *, limited: bool) -> Facts:
    """A gate on the distance from no effect of a question about scores, or of a trend."""
    if not effect["effects"] or effect["reason"] is not None:
        return {"outcome": "not estimable", "value": None, "low": None, "high": None, "images": None}
    alpha, none, pairs = float(settings["alpha"]), 0.5 if effect["kind"] == "superiority" else 0.0, len(effect["effects"])
    stretch = formulas.normal(alpha / (pairs * family)) / formulas.normal(alpha / pairs)
    value = max(abs(one["value"] - none) for one in effect["effects"]) * effect["steps"]
    lows = []
    for one in effect["effects"]:
        low, high = (one["value"] + stretch * (one[end] - one["value"]) - none for end in ("low", "high"))
        lows.append(max(low, -high, 0.0) * effect["steps"])
    bounds = max(lows), max(one["reach"] for one in effect["effects"])
    breaks = {gate.breaks(end) for end in bounds}
    p = effect["p_adjusted"] if effect["primary"] else effect["p"]
    open_end = limited or len(breaks) > 1 or (breaks == {True} and (p is None or p > alpha))
    outcome = "inconclusive" if open_end else "breached" if breaks == {True} else "inconclusive" if _unjudged(effect, settings) else "held"
    images = sum(level["n"] for level in effect["levels"] if level["status"] == "ok")
    return {"outcome": outcome, "value": value, "low": bounds[0], "high": bounds[1], "images": images}


class _Bound:
    """A gate on a number of one finding."""

    def __init__(self, gate: Gate, finding: Mapping[str, Any], settings: Mapping[str, Any], family: int, *, limited: bool):
        self.gate, self.finding, self.family, self.limited = gate, finding, family, limited
        self.alpha, self.settings = float(settings["alpha"]), settings
        groups, self.named = finding["by_group"], False
        if gate.subject == "rate" and gate.name:
            written = _plain(gate.name)
            one = [rate for rate in groups if written.endswith(f" for {_plain(' x '.join(rate['group']))}")]
            groups, self.named = one or groups, bool(one)
        self.rates = [rate for rate in groups if rate["status"] == "ok"]
        dependent = [rate["clusters"] is not None or rate["effective_n"] is not None for rate in self.rates]
        self.by_counts = not finding["shares"] and not any(dependent)

    def check(self) -> Facts:
        if self.finding["unresponsive"] == "units" or (self.finding["unresponsive"] and self.gate.subject != "rate"):
            return {"outcome": "not estimable", "value": None, "low": None, "high": None, "images": None}
        enough = len(self.rates) >= (1 if self.gate.subject == "rate" else 2)
        bounds = None if not enough else self._of_counts() if self.by_counts else self._of_intervals()
        if bounds is None:
            return {"outcome": "not estimable", "value": None, "low": None, "high": None, "images": None}
        value, low, high = bounds
        outcome = self._outcome(low, high)
        if self.finding["unresponsive"] and outcome != "breached":
            return {"outcome": "not estimable", "value": None, "low": None, "high": None, "images": None}
        return {"outcome": outcome, "value": value, "low": low, "high": high, "images": sum(rate["n"] for rate in self.rates)}

    def _outcome(self, low: float, high: float) -> str:
        breaks = {self.gate.breaks(low), self.gate.breaks(high)}
        gap = self.finding["gap"]
        p = None if gap is None else gap["p_adjusted"] if self.finding["primary"] else gap["p"]
        blocked = self.gate.subject == "gap" and breaks == {True} and (p is None or p > self.alpha)
        if self.limited or blocked or len(breaks) > 1:
            return "inconclusive"
        limit = self.gate.limit if self.gate.subject == "gap" else self.finding["tolerance"]
        if breaks == {False} and not self.named and _outside(self.finding, limit, self.settings):
            return "inconclusive"
        return "inconclusive" if breaks == {True} and self._unfilled else "breached" if breaks == {True} else "held"

    @property
    def _unfilled(self) -> bool:
        """Whether missing true answers leave a breach by a gap or a ratio undecided."""
        filled, subject = _filled(self.finding), self.gate.subject
        if filled is None or subject == "rate":
            return False
        return subject == "ratio" or self.finding.get("withheld") is not None or not self.gate.breaks(filled["low"])

    @property
    def _highest(self) -> bool:
        return self.gate.operator in (">", ">=")

    def _of_counts(self) -> tuple[float, float, float] | None:
        k, n = (np.array([rate[name] for rate in self.rates], np.int64) for name in ("events", "n"))
        if self.gate.subject == "gap":
            return self._gap(k, n)
        return self._ratio(k, n) if self.gate.subject == "ratio" else self._rate(k, n)

    def _gap(self, k: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
        i, j = np.triu_indices(len(n), 1)
        low, high = formulas.difference(k[i], n[i], k[j], n[j], self.alpha / (len(i) * self.family))
        ends: Ends = formulas.newcombe(k[i], n[i], k[j], n[j], 2 * self.alpha, continuity=True)
        return float(np.ptp(k / n)), max(0.0, float(np.maximum(low, -high).max())), float(max(ends[1].max(), -ends[0].min()))

    def _ratio(self, k: np.ndarray, n: np.ndarray) -> tuple[float, float, float] | None:
        if not k.all():
            return None
        i, j = np.nonzero(~np.eye(len(n), dtype=bool))
        logs, variance = np.log(k / n), 1 / k - 1 / n
        apart, error = logs[i] - logs[j], np.sqrt(variance[i] + variance[j])
        low = np.exp((apart - formulas.normal(2 * self.alpha) * error).min())
        high = np.exp((apart + formulas.normal(2 * self.alpha / (len(i) * self.family)) * error).min())
        return float(np.exp(apart.min())), float(low), float(min(high, 1.0))

    def _rate(self, k: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
        some = formulas.wilson(k, n, self.alpha / (len(n) * self.family))
        every = formulas.wilson(k, n, 2 * self.alpha, continuity=True)
        if self._highest:
            return float((k / n).max()), float(some[0].max()), float(every[1].max())
        return float((k / n).min()), float(every[0].min()), float(some[1].min())

    def _of_intervals(self) -> tuple[float, float, float] | None:
        """With clusters, weights or equal true shares: from the finding's own limits, stretched to the level of the gate."""
        gap = self.finding["gap"]
        if self.gate.subject == "gap" and gap is not None:
            pairs = len(self.rates) * (len(self.rates) - 1) // 2
            low = self._stretched(gap["value"], gap["low"], self.alpha / pairs, self.alpha / (pairs * self.family))
            return gap["value"], max(low, 0.0), gap["equivalence_bound"]
        if self.gate.subject != "rate":
            return None
        level, end = self.alpha / (len(self.rates) * self.family), max if self._highest else min
        lows = [self._stretched(rate["value"], rate["low"], self.alpha, level) for rate in self.rates]
        highs = [self._stretched(rate["value"], rate["high"], self.alpha, level) for rate in self.rates]
        return end(rate["value"] for rate in self.rates), max(end(lows), 0.0), min(end(highs), 1.0)

    @staticmethod
    def _stretched(value: float, limit: float, alpha: float, level: float) -> float:
        return value + (limit - value) * formulas.normal(level) / formulas.normal(alpha)
