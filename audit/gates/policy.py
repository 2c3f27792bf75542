"""Which outcomes of gates fail a build. Cheap to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from audit.records.gates import GateCheck, GateResult


@dataclass(frozen=True)
class GatePolicy:
    """Which outcomes fail a build: also "not estimable", so that a broken model passes no gate."""

    require_conclusive: bool = False
    """Whether an inconclusive gate fails, too."""
    allow_undecided: bool = False
    """Whether a gate that is not estimable passes."""

    @classmethod
    def of(cls, command: Sequence[str]) -> Self:
        """The policy of a command, from its arguments as typed."""
        return cls("--require-conclusive" in command, "--allow-undecided" in command)

    def fails(self, check: GateCheck) -> bool:
        """Whether a check makes the command end with exit code 1: a sample never passes, nor what deviates from a plan lock."""
        if check.outcome == "held":
            return False
        if check.outcome == "breached" or check.limited or check.deviates:
            return True
        return self.require_conclusive if check.outcome == "inconclusive" else not self.allow_undecided

    def is_breach(self, gates: Sequence[GateResult]) -> bool:
        """Whether the command ends with exit code 1."""
        return any(self.fails(check) for gate in gates for check in gate.checks)


FAIL_CLOSED = GatePolicy()
"""The default policy."""
