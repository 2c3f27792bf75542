"""The options of gates, common to audits and comparisons."""

from __future__ import annotations

from collections.abc import Sequence

from audit.errors import UsageError
from audit.gates.policy import FAIL_CLOSED, GatePolicy
from audit.options.kinds import FilePath, Switch
from audit.options.schema import Options, option

GATES = "gates"


class GatedRequest(Options):
    """Options of gates besides the gates themselves (``fail_on``)."""

    require_conclusive: Switch = option(False, GATES, "exit with 1 if a gate is inconclusive too: neither breached nor held")
    allow_undecided: Switch = option(False, GATES, "let a gate pass that cannot be estimated; else it exits with 1")
    junit: FilePath | None = option(None, GATES, "the gates as JUnit XML, for a build server", metavar="FILE")

    @property
    def gate_policy(self) -> GatePolicy:
        """Which outcomes of gates make the command end with 1."""
        return GatePolicy(self.require_conclusive, self.allow_undecided)

    def check_gates(self, gates: Sequence[str], example: str) -> None:
        """Raise UsageError for options about gates without a gate, and for a file that cannot be written."""
        if not gates and (self.junit or self.gate_policy != FAIL_CLOSED):
            raise UsageError("no gate is given", where="--junit, --require-conclusive, --allow-undecided", fix=f"--fail-on {example!r}")
        if self.require_conclusive and self.allow_undecided:
            why = "one fails a gate that is not decided, the other lets it pass"
            raise UsageError("--require-conclusive cannot be used with --allow-undecided", why=why, fix="leave one of them out")
        if self.junit and not self.junit.parent.is_dir():
            raise UsageError(f"no folder {str(self.junit.parent)!r} for --junit", fix="make it, or name another file")
        if self.junit and self.junit.is_dir():
            raise UsageError(f"--junit {str(self.junit)!r} is a folder", fix="name a file")
