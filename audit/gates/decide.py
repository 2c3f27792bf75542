"""Gates, decided on the interval's bound: breached, held or inconclusive. How they are written: `audit.gates.parse`.

A gate states what must not be: ``gap[...] > 0.05``. It is *breached* where that is shown, *held* where the contrary is shown of every group
that is compared, *inconclusive* anywhere else, which is neither. Nothing that a limited run finds settles a gate, nor does it pass one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.gates.parse import COMPARE, Gate, ResolvedGate, same_group
from audit.records.evidence import Estimate
from audit.records.gates import GateCheck, GateOutcome, GateResult
from audit.records.results import AuditResult, Finding, Rate
from audit.statistics.bounds import MOST_IMAGES, gap_bounds, images_needed, rate_bounds, ratio_bounds, rounded, stretched
from audit.statistics.verdict import LIMITED as LIMITED_VERDICT
from audit.types import Settings

if TYPE_CHECKING:
    from jaxtyping import Int

    from audit.statistics.bounds import Bounded

LIMITED = "LIMITED RUN: a sample settles no gate, so the command exits with 1; run it without --limit."
UNDECIDED = ("inconclusive", "not estimable")
_NAMED = 5
_MARGIN = 1.01
"""Groups outside the comparison that a sentence names; it counts the others."""


def decide(aimed: ResolvedGate, audits: Sequence[AuditResult], settings: Settings) -> GateResult:
    """Put a gate to every audit that has its question.

    Parameters
    ----------
    aimed : Aimed
    audits : sequence of AuditResult
    settings : Settings
        Its alpha is the error rate of the bounds.

    Returns
    -------
    Gated
        Breached if any check is, held if every one is, else inconclusive.
    """
    checks = [check for audit in audits for check in _checks(aimed, audit, settings)]
    if not checks:
        checks = [_unasked(aimed, audit) for audit in audits]
    limited = {(audit.model.name, audit.probe.name) for audit in audits if audit.data.limited}
    checks = [replace(check, limited=(check.model, check.probe) in limited) for check in checks]
    outcomes = {check.outcome for check in checks}
    outcome: GateOutcome = "breached" if "breached" in outcomes else "held" if outcomes == {"held"} else "inconclusive"
    return GateResult(aimed.gate.expression, outcome, tuple(checks))


def is_breach(gates: Sequence[GateResult], *, require_conclusive: bool) -> bool:
    """Whether the command ends with exit code 1."""
    return any(check.fails(require_conclusive=require_conclusive) for gate in gates for check in gate.checks)


def _checks(aimed: ResolvedGate, audit: AuditResult, settings: Settings) -> list[GateCheck]:
    if aimed.gate.subject == "verdict" and aimed.finding is None:
        return [_verdict_check(aimed, audit, None, audit.verdict, audit.verdict_reason)]
    if aimed.finding is None:
        asked = [finding for finding in audit.findings if finding.primary]
    else:
        asked = [finding for finding in audit.findings if finding.id == aimed.finding]
    if aimed.gate.subject == "verdict":
        return [_verdict_check(aimed, audit, finding.id, finding.verdict, finding.reason) for finding in asked]
    return [_Bound(aimed, audit, finding, settings, len(asked)).check() for finding in asked]


def _unasked(aimed: ResolvedGate, audit: AuditResult) -> GateCheck:
    nothing = "Not asked by this audit." if aimed.finding else "No question of this audit counts for its verdict."
    said = f"{LIMITED} {nothing}" if audit.data.limited else nothing
    return GateCheck(audit.model.name, audit.probe.name, aimed.finding, "inconclusive", said)


def _verdict_check(aimed: ResolvedGate, audit: AuditResult, finding: str | None, verdict: str, reason: str) -> GateCheck:
    said = f"The verdict is {verdict}. {reason}"
    outcome: GateOutcome = "held"
    if audit.data.limited:
        said, outcome = f"{LIMITED} {said.replace(f'{LIMITED_VERDICT} ', '')}", "inconclusive"
    elif (verdict == aimed.gate.verdict) == (aimed.gate.operator == "=="):
        outcome = "breached"
    elif verdict in UNDECIDED:
        outcome = "inconclusive"
    return GateCheck(audit.model.name, audit.probe.name, finding, outcome, said)


@dataclass(frozen=True)
class _Bound:
    """A gate on a number, put to one finding."""

    aimed: ResolvedGate
    audit: AuditResult
    finding: Finding
    settings: Settings
    family: int
    """Findings among which one breach is enough."""

    @property
    def gate(self) -> Gate:
        return self.aimed.gate

    @property
    def rates(self) -> list[Rate]:
        wanted = self.aimed.group
        return [rate for rate in self.finding.by_group if wanted is None or same_group(wanted, rate.group)]

    @property
    def compared(self) -> list[Rate]:
        return [rate for rate in self.rates if rate.status == "ok"]

    @property
    def events(self) -> Int[np.ndarray, "g"]:
        return np.array([rate.events for rate in self.compared], np.int64)

    @property
    def n(self) -> Int[np.ndarray, "g"]:
        return np.array([rate.n for rate in self.compared], np.int64)

    def holds(self, number: float) -> bool:
        """Whether this number would breach the gate."""
        return COMPARE[self.gate.operator](number, self.gate.limit)

    @property
    def clustered(self) -> bool:
        """Whether images come in clusters, so that their number says less than it seems."""
        return any(rate.clusters is not None for rate in self.compared)

    def check(self) -> GateCheck:
        """Decide it."""
        enough = len(self.compared) >= (1 if self.gate.subject == "rate" else 2)
        bounds = None if not enough else self.by_cluster() if self.clustered else self.bounded()(self.events, self.n)
        if bounds is None:
            return GateCheck(self.audit.model.name, self.audit.probe.name, self.finding.id, "inconclusive", self.why_not_estimable())
        outcome, said = self.outcome(bounds)
        needed = None
        if outcome == "inconclusive" and not self.audit.data.limited and not self.blocked(bounds):
            needed, hint = self.would_settle(bounds)
            said = f"{said} {hint}"
        return GateCheck(
            self.audit.model.name, self.audit.probe.name, self.finding.id, outcome, " ".join([said, *self.not_covered(outcome)]),
            bounds.value, bounds.low, bounds.high, int(self.n.sum()), needed,
        )  # fmt: skip

    def would_settle(self, bounds: Estimate) -> tuple[int | None, str]:
        """Return how many images would settle it, and the sentence that says so."""
        images = int(self.n.sum())
        if not self.clustered:
            needed = images_needed(self.events, self.n, self.bounded(), lambda found: self.beyond(found) or self.within(found))
            return needed, _how_many(needed, images, "images")
        # Of cluster intervals there is no formula to put more clusters into: they narrow with the root of their number.
        clusters, limit = self.finding.overall.clusters or 0, self.gate.limit
        end = bounds.low if bounds.value > limit else bounds.high
        times = ((end - bounds.value) / (limit - bounds.value)) ** 2 * _MARGIN if bounds.value != limit else np.inf
        if images * times > MOST_IMAGES:
            return None, _how_many(None, images, "images")
        return rounded(images * times), _how_many(rounded(clusters * times), clusters, "clusters of images")

    def by_cluster(self) -> Estimate | None:
        """Return the bounds that the finding's own intervals give, which take a cluster for one case."""
        gap, alpha = self.finding.gap, self.settings.alpha
        if self.gate.subject == "gap" and gap is not None and gap.farthest is not None:
            pairs = len(self.compared) * (len(self.compared) - 1) // 2
            low = stretched(gap.value, gap.low, alpha / pairs, alpha / (pairs * self.family))
            return Estimate(gap.value, max(low, 0.0), gap.farthest)
        if self.gate.subject == "rate":
            rates = [(rate.value or 0.0, rate.low or 0.0, 1.0 if rate.high is None else rate.high) for rate in self.compared]
            corrected = alpha / (len(rates) * self.family)
            lows = [stretched(value, low, alpha, corrected) for value, low, _ in rates]
            highs = [stretched(value, high, alpha, corrected) for value, _, high in rates]
            end = max if self.gate.operator in (">", ">=") else min
            return Estimate(end(value for value, _, _ in rates), max(end(lows), 0.0), min(end(highs), 1.0))
        return None

    def bounded(self) -> Bounded:
        """Return what bounds the number that the gate asks about."""
        alpha, family = self.settings.alpha, self.family
        if self.gate.subject == "gap":
            return lambda events, n: gap_bounds(events, n, alpha, family)
        if self.gate.subject == "ratio":
            return lambda events, n: ratio_bounds(events, n, alpha, family)
        return lambda events, n: rate_bounds(events, n, alpha, "highest" if self.gate.operator in (">", ">=") else "lowest", family)

    def beyond(self, bounds: Estimate) -> bool:
        """Whether all that the bounds leave open breaches the gate."""
        return self.holds(bounds.low) and self.holds(bounds.high)

    def within(self, bounds: Estimate) -> bool:
        """Whether none of it does."""
        return not self.holds(bounds.low) and not self.holds(bounds.high)

    def blocked(self, bounds: Estimate) -> bool:
        """Whether a gap lies beyond the limit that the test of the whole question does not find: a breach takes both."""
        gap = self.finding.gap
        return self.gate.subject == "gap" and self.beyond(bounds) and (gap is None or gap.p_adjusted > self.settings.alpha)

    def outcome(self, bounds: Estimate) -> tuple[GateOutcome, str]:
        """Return how it ends, and why."""
        ends = f"between {self.shown(bounds.low).split()[0]} and {self.shown(bounds.high)}"
        measured = f"{self.what()} is {self.shown(bounds.value)}, {ends}"
        if self.audit.data.limited:
            return "inconclusive", f"{LIMITED} {measured}."
        if self.blocked(bounds):
            return "inconclusive", f"{measured}, but the permutation test of the whole question does not reject: a breach takes both."
        if self.beyond(bounds):
            return "breached", f"{measured}: all of it {self.side()} the limit of {self.shown(self.gate.limit)}."
        if self.within(bounds):
            return "held", f"{measured}: none of it {self.side()} the limit of {self.shown(self.gate.limit)}."
        return "inconclusive", f"{measured}: either side of the limit of {self.shown(self.gate.limit)} is possible."

    def what(self) -> str:
        """Return the number that is bounded."""
        groups = len(self.compared)
        if self.gate.subject == "rate":
            end = "highest" if self.gate.operator in (">", ">=") else "lowest"
            return f"The rate of {_name(self.compared[0])}" if self.aimed.group is not None else f"The {end} rate of {groups} groups"
        pairs = groups * (groups - 1) // 2
        over = f" over all {pairs} pairs" if pairs > 1 else ""
        return f"The {'largest gap' if self.gate.subject == 'gap' else 'lowest rate over the highest'}{over}"

    def side(self) -> str:
        return "above" if self.gate.operator in (">", ">=") else "below"

    def shown(self, number: float) -> str:
        """Return a number in the unit of the gate."""
        if self.gate.subject == "ratio":
            return f"{number:.2f}"
        return f"{100 * number:.1f} {'points' if self.gate.subject == 'gap' else '%'}"

    def why_not_estimable(self) -> str:
        limited = [LIMITED] if self.audit.data.limited else []
        if self.gate.subject == "ratio" and self.clustered:
            return " ".join([*limited, "A ratio is not bounded where images come in clusters."])
        if self.gate.subject == "ratio" and len(self.compared) > 1:
            return " ".join([*limited, "A ratio is not estimable: a group has no event."])
        fewest = max(self.settings.min_group_size, 2)
        needs = "one group" if self.gate.subject == "rate" else "two groups"
        return " ".join([*limited, f"Not estimable: it takes {needs} with at least {fewest} images that count.", *self.not_covered("held")])

    def not_covered(self, outcome: GateOutcome) -> list[str]:
        """Name the groups and images that a gate does not cover: a filtered audit is no audit of everybody."""
        others = [f"{_name(rate)} (n = {rate.n:,})" for rate in self.rates if rate.status != "ok"]
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        groups = [f"Not compared: {', '.join(others[:_NAMED])}{more}."] if others else []
        left_out = [f"{exclusion.count} images left out ({exclusion.reason})" for exclusion in self.audit.data.exclusions]
        return [*groups, *([f"Not covered: {'; '.join(left_out)}."] if left_out and outcome == "held" else [])]


def _how_many(needed: int | None, counted: int, what: str) -> str:
    if needed is None:
        return f"It lies so close to the limit that no number of {what} would settle it if the rates stayed as they are."
    return f"About {needed:,} {what} instead of {counted:,} would settle it if the rates stayed as they are."


def _name(rate: Rate) -> str:
    return " × ".join(rate.group)
