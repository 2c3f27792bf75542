"""What lets a build fail. Cheap to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from audit.records.gates import GateCheck, GateResult


@dataclass(frozen=True)
class GatePolicy:
    """Which outcomes let a build fail: also what cannot be estimated, so that a broken model passes no gate."""

    require_conclusive: bool = False
    """Whether an inconclusive gate fails too."""
    allow_undecided: bool = False
    """Whether a gate that cannot be estimated passes."""

    @classmethod
    def of(cls, command: Sequence[str]) -> Self:
        """Read the policy of a command from its arguments, as they were typed."""
        return cls("--require-conclusive" in command, "--allow-undecided" in command)

    def fails(self, check: GateCheck) -> bool:
        """Whether the command ends with exit code 1 because of a check: a sample never lets a build pass."""
        if check.outcome == "held":
            return False
        if check.outcome == "breached" or check.limited:
            return True
        return self.require_conclusive if check.outcome == "inconclusive" else not self.allow_undecided

    def is_breach(self, gates: Sequence[GateResult]) -> bool:
        """Whether the command ends with exit code 1."""
        return any(self.fails(check) for gate in gates for check in gate.checks)


FAIL_CLOSED = GatePolicy()
"""What holds where nothing else was asked for."""
