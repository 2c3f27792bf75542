"""Watches predictions that grow: plans at the first look, tests at every look, and keeps its state in one file."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.api.audit_output import Clock, installed
from audit.errors import DataError, MachineError, UsageError
from audit.extensions.watch.gaps import watch_gap, watched_questions
from audit.extensions.watch.growing import GrowingFile, continued, read_growing, rows_in_order, source_files
from audit.extensions.watch.options import DEFAULT_ALPHA, DEFAULT_TOLERANCE, WatchRequest
from audit.extensions.watch.page import render_watch
from audit.extensions.watch.record import SCHEMA_VERSION, WATCH, WATCH_FILE, Look, Watch, WatchColumns, WatchPlan
from audit.output.directory import check_regular, write_text
from audit.predictions.bins import parse_bins
from audit.predictions.default_claims import DefaultClaims, default_claims, parse_outcome
from audit.predictions.rows import ColumnOptions, MeasurementAnswers
from audit.types import Group, Predictions
from audit.version import __version__
from strictio.files import Lock, read_text
from strictio.folders import Folder

LOG = logging.getLogger("audit")
PAGE = "watch.html"
_PACKAGES = ("numpy", "pandas", "pyarrow")


@dataclass(frozen=True)
class Watched:
    """A watch after a look."""

    facts: Watch
    directory: Path
    new_rows: int
    """Rows that this look used for the first time."""
    cut: tuple[str, ...] = ()
    """Files whose last line is incomplete: it is left for the next look."""

    @property
    def exit_code(self) -> int:
        """1 if a gap exceeds the tolerance, by this look or an earlier one."""
        return int(bool(self.facts.alarms))


def watch(source: Any, out: Any, **options: Any) -> Watched:
    """Look at predictions that grow: is a gap larger than the tolerance? Valid no matter how often one looks.

    `source` is a table that gains rows at its end, or a folder that gains tables; `out` is the folder of the watch, by which the next look
    continues. `options` are the fields of `WatchRequest`; a later look takes them from the first. Raises a subclass of AuditError; then the
    state is as it was before.
    """
    return run_watch(WatchRequest(**{"source": source, "out": out, **options}))


def run_watch(request: WatchRequest) -> Watched:
    """Read what is new, test every gap on all rows, and write the state and the page."""
    clock, source, out = Clock(), request.source[0], request.out
    assert out is not None  # noqa: S101  (`check_combination`)
    _check_out(out, source)
    try:
        above = Folder.of(out.resolve().parent, make=True)
        with Lock(above, f".{out.resolve().name}.lock"):
            earlier = _earlier(out, source, request)
            facts, new_rows, cut = _looked(request, earlier, clock)
            folder = above.folder(out.resolve().name, make=True)
            write_text(WATCH, WATCH_FILE.to_json(facts), folder)  # before the page, which follows from it
            write_text(PAGE, render_watch(facts), folder)
    except BlockingIOError as error:
        raise MachineError("another look is being taken", where=str(out), fix="wait for it, or name another --out") from error
    except OSError as error:
        raise MachineError("the watch cannot be written", where=str(out), why=error.strerror, fix="name another --out") from error
    return Watched(facts, out, new_rows, cut)


# ---- the state -------------------------------------------------------------------------------------------------------------------------


def _check_out(out: Path, source: Path) -> None:
    """Raise errors for a folder that holds something else, or that the watch would read itself."""
    check_regular(out, "--out")
    if not source.exists():
        raise DataError(f"no file or folder {str(source)!r}", fix="name the predictions to watch")
    if out.is_file():
        raise UsageError(f"--out {str(out)!r} is a file", fix="name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / WATCH).is_file():
        raise UsageError(f"--out {str(out)!r} holds other things", why=f"it has no {WATCH} of an earlier look", fix="name a new folder")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UsageError("--out lies in the folder that is watched", why="its files are not predictions", fix="name a folder beside it")


def _earlier(out: Path, source: Path, request: WatchRequest) -> Watch | None:
    """The watch as the last look left it; raises UsageError for options that contradict its plan."""
    if not (out / WATCH).is_file():
        return None
    try:
        facts = WATCH_FILE.from_json(read_text(out / WATCH))
    except UnicodeDecodeError as error:
        raise DataError(f"{WATCH} is not valid UTF-8", where=str(out), fix=WATCH_FILE.fix) from error
    plan, columns = facts.plan, facts.plan.columns
    planned: Mapping[str, Any] = {
        "--attributes": columns.attributes, "--outcome": plan.outcomes, "--prediction-column": columns.prediction,
        "--truth-column": columns.truth, "--cluster": columns.cluster, "--bins": columns.bins, "--encoding": columns.encoding,
        "--alpha": plan.alpha, "--tolerance": plan.tolerance,
    }  # fmt: skip
    name = source.resolve().name
    if name != plan.source:
        raise UsageError(f"the watch in {str(out)!r} is over {plan.source!r}, not {name!r}", fix="name another --out to begin a new watch")
    for option, value in request.given_for_plan().items():
        if value != planned[option]:
            what = f"{option} {_shown(value)} contradicts the plan of the watch in {str(out)!r}, which has {_shown(planned[option])}"
            why = "a plan that changes between looks has no error rate"
            raise UsageError(what, why=why, fix="leave the option out, or name another --out to begin a new watch")
    return facts


def _shown(value: object) -> str:
    return "none" if value in (None, ()) else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


# ---- a look ----------------------------------------------------------------------------------------------------------------------------


def _looked(request: WatchRequest, earlier: Watch | None, clock: Clock) -> tuple[Watch, int, Group]:
    source = request.source[0]
    files = read_growing(source_files(source), _wanted(request) if earlier is None else _columns(earlier.plan.columns))
    before = () if earlier is None else earlier.used
    used = (*before, *continued(files, before))
    rows = rows_in_order(files, used)
    plan = _planned(request, files, rows, clock) if earlier is None else earlier.plan
    total, moment = sum(part.stop - part.start for part in used), clock.moment.isoformat(timespec="seconds")
    looks = (*(() if earlier is None else earlier.looks), Look(moment, total))
    gaps = tuple(watch_gap(question, rows[question.measurement], plan, used) for question in plan.questions)
    facts = Watch(
        schema_version=SCHEMA_VERSION, status="complete", tool=f"vlm-audit {__version__}", command=request.command, plan=plan, used=used,
        looks=looks, gaps=gaps, environment={name: installed(name) for name in _PACKAGES} | {"python": sys.version.split()[0]},
        timing=clock.timing(),
    )  # fmt: skip
    return facts, total - (0 if earlier is None else earlier.rows), tuple(file.name for file in files if file.cut)


def _wanted(request: WatchRequest) -> ColumnOptions:
    return ColumnOptions(
        slices=request.attributes or (), cluster=request.cluster, prediction=request.prediction_column, truth=request.truth_column,
        encoding=request.encoding, bins=tuple(map(parse_bins, request.bins)),
    )  # fmt: skip


def _columns(columns: WatchColumns) -> ColumnOptions:
    return ColumnOptions(
        slices=columns.attributes, cluster=columns.cluster, prediction=columns.prediction, truth=columns.truth, encoding=columns.encoding,
        bins=tuple(map(parse_bins, columns.bins)),
    )  # fmt: skip


def _planned(request: WatchRequest, files: Sequence[GrowingFile], rows: Mapping[str, Predictions], clock: Clock) -> WatchPlan:
    """The plan: its questions follow from the columns, the labels and the groups of the first rows, not from their rates."""
    name = request.source[0].resolve().name
    together = [MeasurementAnswers(name, None, measurement, predictions) for measurement, predictions in rows.items()]
    outcomes = tuple(map(parse_outcome, request.outcome))
    probe, _ = default_claims(together, DefaultClaims(outcomes, depth=1), name)
    return WatchPlan(
        source=name, alpha=DEFAULT_ALPHA if request.alpha is None else request.alpha,
        tolerance=DEFAULT_TOLERANCE if request.tolerance is None else request.tolerance, outcomes=request.outcome,
        columns=WatchColumns(
            tuple(map(str, files[0].first.predictions.attributes.columns)), request.prediction_column, request.truth_column,
            request.cluster, request.bins, request.encoding,
        ),
        questions=watched_questions(probe, rows), created=clock.moment.isoformat(timespec="seconds"),
    )  # fmt: skip
