"""Inspect: audits the log of a task when the task has ended, if the variable VLM_AUDIT_OUT names a folder for the reports.

Inspect finds this module by its entry point (extra ``inspect``). The answers are those that the task's scorers recorded, so the hook fits
any scorer; VLM_AUDIT_OPTIONS has the options of ``vlm-audit run``, such as ``--scorer match --attributes gender``.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import anyio
from inspect_ai.hooks import Hooks, TaskEnd, hooks

OUT, OPTIONS = "VLM_AUDIT_OUT", "VLM_AUDIT_OPTIONS"
LOG = logging.getLogger("audit")
_MOST_LETTERS = 100


@hooks(name="audit_of_task", description="Audits the answers of a task by the groups in the metadata of its samples.")
class AuditOfTask(Hooks):
    """Runs ``vlm-audit run --predictions LOG`` in a process of its own: an audit that fails does not fail the evaluation."""

    def enabled(self) -> bool:
        """Return whether a folder for reports is named."""
        return bool(os.environ.get(OUT))

    async def on_task_end(self, data: TaskEnd) -> None:
        """Audit the log of the task, and say where the report is, or why the audit failed."""
        task = _part_of_name(data.log.eval.task)
        folder = Path(os.environ[OUT]) / f"{task}-{_part_of_name(data.eval_id)}"
        words = (*command(data.log.location), "--out", str(folder), "--quiet", *shlex.split(os.environ.get(OPTIONS, "")))
        done = await anyio.run_process(words, check=False)
        if done.returncode in (0, 1):  # 1: a gate in the options is breached
            LOG.warning("audit of %s (exit code %d): %s", task, done.returncode, folder / "report.html")
        else:
            LOG.error("no audit of %s: %s", task, done.stderr.decode(errors="replace").strip())


def _part_of_name(text: str) -> str:
    """Return a text as a part of a folder's name: no path, and short."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)[:_MOST_LETTERS]


def command(location: str) -> tuple[str, ...]:
    """Return the command that audits a log; a local log may be named by a URL (``file:///…``)."""
    parts = urlsplit(location)
    return (sys.executable, "-m", "audit", "run", "--predictions", unquote(parts.path) if parts.scheme == "file" else location)
