"""The options of gates, which requests of audits and of comparisons have, and what lets a build fail. Cheap to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from audit.cli.options import Request, option, path, switch
from audit.errors import UsageError

if TYPE_CHECKING:
    from audit.records.gates import GateCheck, GateResult

GATES = "gates"


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


@dataclass(frozen=True)
class GatedRequest(Request):
    """What may be asked for of gates besides the gates themselves (``fail_on``)."""

    require_conclusive: bool = option(switch, False, GATES, "exit with 1 if a gate is inconclusive too: neither breached nor held")
    allow_undecided: bool = option(switch, False, GATES, "let a gate pass that cannot be estimated; else it exits with 1")
    junit: Path | None = option(path, None, GATES, "the gates as JUnit XML, for a build server", metavar="FILE")

    @property
    def gate_policy(self) -> GatePolicy:
        """Which outcomes of gates let the command end with 1."""
        return GatePolicy(self.require_conclusive, self.allow_undecided)

    def check_gates(self, gates: Sequence[str], example: str) -> None:
        """Refuse options about gates where no gate is given, and a file for them that cannot be written."""
        if not gates and (self.junit or self.gate_policy != FAIL_CLOSED):
            raise UsageError("no gate is given", where="--junit, --require-conclusive, --allow-undecided", fix=f"--fail-on {example!r}")
        if self.require_conclusive and self.allow_undecided:
            why = "one fails a gate that is not decided, the other lets it pass"
            raise UsageError("--require-conclusive cannot be used with --allow-undecided", why=why, fix="leave one of them out")
        if self.junit and not self.junit.parent.is_dir():
            raise UsageError(f"no folder {str(self.junit.parent)!r} for --junit", fix="make it, or name another file")
        if self.junit and self.junit.is_dir():
            raise UsageError(f"--junit {str(self.junit)!r} is a folder", fix="name a file")
