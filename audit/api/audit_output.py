"""Assembles the results of a finished audit, and writes all its files."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib.metadata import version

import pandas as pd

from audit.engine import AuditedProbe
from audit.engine.plan_lock import HeldLock
from audit.naming import NEAR_DUPLICATE
from audit.output import directory as outputs
from audit.output.predictions import write_predictions
from audit.output.publish import replacing_files
from audit.records.base import Timing
from audit.records.plan_lock import FILE
from audit.results import SCHEMA_VERSION, Results, to_json
from audit.types import UNKNOWN, Settings
from audit.version import __version__

PACKAGES = ("torch", "transformers", "datasets", "fairlearn", "scikit-learn", "numpy", "scipy", "pandas", "pillow")


@dataclass(frozen=True)
class Clock:
    """The start time of a run."""

    moment: dt.datetime = field(default_factory=partial(dt.datetime.now, dt.UTC))
    monotonic: float = field(default_factory=time.monotonic)

    def timing(self) -> Timing:
        """When the run started and how long it has taken so far."""
        return Timing(self.moment.isoformat(timespec="seconds"), round(time.monotonic() - self.monotonic, 3))


def assemble_results(
    audited: Sequence[AuditedProbe], settings: Settings, command: Sequence[str], ran_on: Mapping[str, str], timing: Timing
) -> Results:
    """Assemble the results of one run: those of each model and probe, and their circumstances.

    The command is as typed, without local folders; `ran_on` has device and dtype.
    """
    environment = {package: installed(package) for package in PACKAGES} | {"python": sys.version.split()[0], **ran_on}
    return Results(
        schema_version=SCHEMA_VERSION, status="complete", tool=f"vlm-audit {__version__}", command=tuple(command), settings=settings,
        environment=environment, audits=tuple(audited_probe.result for audited_probe in audited), timing=timing,
    )  # fmt: skip


installed = cache(version)  # reading a package's metadata is as slow as filling nine templates


def write(directory: outputs.OutputFolder, results: Results, audited: Sequence[AuditedProbe], lock: HeldLock | None = None) -> None:
    """Write all files of an audit, with a copy of its plan lock; together they replace those of an earlier one."""
    # Imported here: the code for pages takes a third of a second, and an audit from Python may write nothing.
    from reports.rendered import files_of_audit

    with replacing_files(directory) as folder:
        facts = to_json(results)
        outputs.write_text(outputs.AUDIT, facts, folder)
        if lock is not None:
            outputs.write_text(FILE.name, lock.text, folder)
        if all(
            prediction.count is None for audited_probe in audited for prediction in audited_probe.predictions.values()
        ):  # no rows exist for counted parts
            write_predictions(
                "predictions.parquet",
                [(result, audited_probe.predictions) for result, audited_probe in zip(results.audits, audited, strict=True)],
                folder,
            )
        if written := [audited_probe for audited_probe in audited if audited_probe.texts is not None]:
            outputs.write_text("texts.csv", _texts_csv(written), folder)
        folder.folder("tables", make=True)
        of_rows = {f"tables/{name}": text for name, text in _near_duplicates_csv(audited).items()}
        for name, text in (of_rows | files_of_audit(results, facts)).items():
            outputs.write_text(name, text, folder)


def _near_duplicates_csv(audited: Sequence[AuditedProbe]) -> dict[str, str]:
    """A table of test images with the training image of which each is a near duplicate; empty if none was searched for."""
    pairs: dict[tuple[str, str], str] = {}  # the same for every model
    looked = False
    for audited_probe in audited:
        for rows in (answered.attributes for answered in audited_probe.predictions.values() if NEAR_DUPLICATE in answered.attributes):
            looked = True
            pairs |= {
                (audited_probe.result.probe.name, str(name)): of for name, of in rows[NEAR_DUPLICATE].items() if of not in ("", UNKNOWN)
            }
    if not looked:
        return {}
    from reports.exports.tables import csv_text

    header = ("probe", "image", NEAR_DUPLICATE)
    return {"near_duplicates.csv": csv_text(header, ((*key, of) for key, of in pairs.items()))}


def _texts_csv(audited: Sequence[AuditedProbe]) -> str:
    """The recorded texts, one row per image and model: the audit can be repeated from them without the model.

    As in the tables, cells that a spreadsheet would read as formulas are escaped: a model may have written anything.
    """
    from reports.exports.tables import without_formula

    frames = [
        audited_probe.texts.assign(model=audited_probe.result.model.name) for audited_probe in audited if audited_probe.texts is not None
    ]
    table = pd.concat(frames).reset_index(names="id").rename(columns=without_formula)
    return str(table.map(lambda cell: without_formula(cell) if isinstance(cell, str) else cell).to_csv(index=False))
