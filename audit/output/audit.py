"""A finished audit: the facts put together, and every file that it leaves behind."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from audit.output import directory as outputs
from audit.records.results import SCHEMA_VERSION, Results, Timing, to_json
from audit.version import __version__

if TYPE_CHECKING:
    from audit.engine import AuditedProbe
    from audit.types import Settings

PACKAGES = ("torch", "transformers", "datasets", "fairlearn", "scikit-learn", "numpy", "scipy", "pandas", "pillow")


@dataclass(frozen=True)
class Clock:
    """When a run began."""

    moment: dt.datetime
    monotonic: float

    @classmethod
    def start(cls) -> Clock:
        """Return a clock that begins now."""
        return cls(dt.datetime.now(dt.UTC), time.monotonic())

    def timing(self) -> Timing:
        """Return when the run began and how long it has taken."""
        return Timing(self.moment.isoformat(timespec="seconds"), round(time.monotonic() - self.monotonic, 3))


def assemble_results(
    audited: Sequence[AuditedProbe], settings: Settings, command: Sequence[str], ran_on: Mapping[str, str], timing: Timing
) -> Results:
    """Return the results of one run: what was found, and what it was found with.

    Parameters
    ----------
    audited : sequence of AuditedProbe
        One for each model and probe.
    settings : Settings
        Of the run.
    command : sequence of str
        As typed, without the machine's folders.
    ran_on : mapping of str to str
        Device and dtype.
    timing : Timing
        The only part that differs between equal runs.
    """
    environment = {package: version(package) for package in PACKAGES} | {"python": sys.version.split()[0], **ran_on}
    return Results(
        schema_version=SCHEMA_VERSION,
        status="complete",
        tool=f"vlm-audit {__version__}",
        command=tuple(command),
        settings=settings,
        environment=environment,
        audits=tuple(each.result for each in audited),
        timing=timing,
    )


def write(directory: Path, results: Results, audited: Sequence[AuditedProbe]) -> None:
    """Write the facts first and the report last, so that a report is never newer than its facts."""
    from reports.exports.markdown import summary_markdown
    from reports.exports.model_card import model_cards
    from reports.exports.tables import csv_tables
    from reports.render import render

    outputs.write_text(directory / "results.json", to_json(results))
    outputs.write_predictions(directory / "predictions.parquet", [(each.result, each.predictions) for each in audited])
    for name, text in {"summary.md": summary_markdown(results), **model_cards(results)}.items():
        outputs.write_text(directory / name, text)
    (directory / "tables").mkdir(exist_ok=True)
    for name, text in csv_tables(results).items():
        outputs.write_text(directory / "tables" / name, text)
    outputs.write_text(directory / "report.html", render(results))
