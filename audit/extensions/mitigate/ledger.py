"""The plans of all mitigations on this machine, by data set: recorded before the shown half is looked at, with the outcome afterwards.

A second run on the same data, with another method or question, is another chance for a lucky result. It is allowed, and it is counted.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter

from audit.embedding import shard
from audit.embedding.folders import LocalFolder
from audit.extensions.mitigate.record import EarlierRun, MitigationPlan, Outcome

_FOLDER, _END = "mitigations", ".plan"
_RUN = TypeAdapter(EarlierRun)


class Ledger:
    """The runs on one data set, by its fingerprint. Every method raises `OSError` if the folder cannot be read or written."""

    def __init__(self, root: Path, fingerprint: str):
        self._folder = LocalFolder(root, _FOLDER, fingerprint[:32])
        self._own = f"{secrets.token_hex(8)}{_END}"

    def earlier(self) -> tuple[EarlierRun, ...]:
        """All other runs, the first one first; entries that this user did not write are ignored."""
        runs = []
        for name in self._folder.names(f"*{_END}"):
            try:
                run = _RUN.validate_json(self._folder.read(name))
            except (shard.Rejected, ValueError):
                continue
            if name != self._own:
                runs.append(run)
        return tuple(sorted(runs, key=lambda run: run.created))

    def record(self, plan: MitigationPlan, outcome: Outcome | None = None) -> None:
        """Record the plan of this run; with its outcome once it has one."""
        run = EarlierRun(plan.created, plan.probe, plan.question, plan.method, outcome)
        self._folder.write(self._own, json.dumps(asdict(run)).encode())
