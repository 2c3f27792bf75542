"""Logs a finished audit to Weights & Biases or MLflow: settings, gaps, tables and the page (``--log-to``)."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from audit.errors import MachineError, UsageError
from audit.results import to_json

if TYPE_CHECKING:
    from audit.api.audits import Audit

PROJECT = "vlm-audit"
"""The project or experiment, unless WANDB_PROJECT or MLFLOW_EXPERIMENT_NAME names another."""
_NUMBERS = ("gap", "low", "high", "p")


def check(trackers: Sequence[str]) -> None:
    """Raise `UsageError`, before any work, if the package of a tracker is not installed."""
    for tracker in trackers:
        try:
            importlib.import_module(tracker)
        except ImportError as error:
            fix = {"wandb": "python -m pip install wandb", "mlflow": "python -m pip install mlflow-skinny"}[tracker]
            raise UsageError(f"--log-to {tracker} needs the package {tracker}", why=str(error)[:200], fix=fix) from error


def log_audit(trackers: Sequence[str], audit: Audit) -> None:
    """Log an audit to each tracker; raises `MachineError` if one does not take it. The audit itself is complete by then."""
    for tracker in trackers:
        try:
            _TRACKERS[tracker](importlib.import_module(tracker), audit)
        except Exception as error:  # their errors have no common class, and come from servers
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            fix = _FIXES[tracker]
            where = None if audit.directory is None else str(audit.directory)
            raise MachineError(f"the audit is complete, but {tracker} did not take it", where=where, why=why, fix=fix) from error


def _wandb(wandb: Any, audit: Audit) -> None:
    """Log to the active run, which stays open, or to a run of its own."""
    run = wandb.run
    if own := run is None:
        settings = wandb.Settings(save_code=False, console="off", silent=True)
        project = os.environ.get("WANDB_PROJECT", PROJECT)
        run = wandb.init(project=project, job_type="audit", config=_settings(audit), settings=settings)
    try:
        tables = {name: wandb.Table(dataframe=frame, allow_mixed_types=True) for name, frame in _tables(audit).items()}
        run.log({**numbers(audit), **tables})
        artifact = wandb.Artifact(f"audit-{run.id}", "audit")
        for name, text in _files(audit).items():
            with artifact.new_file(name, encoding="utf-8") as file:
                file.write(text)
        run.log_artifact(artifact)
    finally:
        if own:
            run.finish()


def _mlflow(mlflow: Any, audit: Audit) -> None:
    """Log to a run of its own, inside the active run if there is one."""
    nested = mlflow.active_run() is not None
    if not nested:
        mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    with mlflow.start_run(run_name="audit", nested=nested):
        mlflow.log_params(_settings(audit))
        mlflow.log_metrics(numbers(audit))
        tables = {f"tables/{name}.csv": frame.to_csv(index=False) for name, frame in _tables(audit).items()}
        for name, text in {**_files(audit), **tables}.items():
            mlflow.log_text(text, name)


_TRACKERS = {"wandb": _wandb, "mlflow": _mlflow}
_FIXES = {
    "wandb": "wandb login, or WANDB_MODE=offline; a second run takes the embeddings from the cache",
    "mlflow": "name a server that can be reached: MLFLOW_TRACKING_URI; a second run takes the embeddings from the cache",
}


def numbers(audit: Audit) -> dict[str, float]:
    """Return the gap of each finding with its interval and p, by names that both trackers accept; what is not estimable is left out.

    >>> _name("gap", "m", "faces", "harm/selection_rate[crime]/race x gender")
    'gap/m/faces/harm/selection_rate_crime_/race x gender'
    """
    logged: dict[str, float] = {}
    for row in audit.metrics.to_dict("records"):
        values = {what: row[what] for what in _NUMBERS if row[what] == row[what]}  # not NaN
        logged |= {_name(what, row["model"], row["probe"], row["finding"]): float(value) for what, value in values.items()}
    return logged


def _name(*parts: str) -> str:
    return "/".join(re.sub(r"[^\w\-. /]", "_", part, flags=re.ASCII) for part in parts)[:250]


def _settings(audit: Audit) -> dict[str, Any]:
    audits = audit.results.audits
    named = {"models": [result.model.name for result in audits], "probes": [result.probe.name for result in audits]}
    shown = {name: ", ".join(dict.fromkeys(values))[:500] for name, values in named.items()}
    return {**shown, "verdict": audit.verdict, "tool": audit.results.tool, **asdict(audit.results.settings)}


def _tables(audit: Audit) -> Mapping[str, Any]:
    return {"findings": audit.metrics, "rates": audit.by_group()}


def _files(audit: Audit) -> dict[str, str]:
    """The page and the results, without the predictions of single images."""
    return {"report.html": audit.to_html(), "results.json": to_json(audit.results)}
