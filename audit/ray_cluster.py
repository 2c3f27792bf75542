"""A Ray cluster: connecting to one, or starting one on this machine; its errors, and those of our code that runs on it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from audit import errors
from audit.errors import AuditError, MachineError, UsageError

_ADDRESS = re.compile(r"local|auto|(?:ray://)?[\w.\[\]:-]{1,255}:[0-9]{1,5}", re.ASCII)


@contextmanager
def on_cluster(address: str | None, purpose: str, kept: str) -> Iterator[Any]:
    """Connect to a cluster, or start a local one, and leave it as it was; Ray's errors are translated to ours.

    `address`: ``local``, ``auto`` or ``ray://HOST:PORT``; None: ``RAY_ADDRESS``, else ``local``. `purpose` and `kept` complete messages:
    what needs Ray, and what a failed run leaves.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if _ADDRESS.fullmatch(address) is None:  # Ray would import a module that is called like another protocol
        what, fix = f"no address of a Ray cluster: {address[:60]!r}", "give local, auto, HOST:PORT or ray://HOST:PORT"
        raise UsageError(what, where="--ray-address or RAY_ADDRESS", fix=fix)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MachineError("ray is not installed", why=purpose, fix="pip install 'ray[data]'") from error
    began = not ray.is_initialized()
    try:
        if began:
            _begin(ray, address)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        yield ray
    except ConnectionError as error:
        what, fix = f"no Ray cluster at {address!r}", "start one with `ray start --head`, or give --ray-address local"
        raise MachineError(what, why=str(error)[:200], fix=fix) from error
    except ray.exceptions.RayError as error:
        raise MachineError("the Ray cluster could not go on", why=last_line(error), fix=f"{kept}: the same command resumes") from error
    finally:
        if began:
            ray.shutdown()


def _begin(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="error")
    except (ConnectionError, ray.exceptions.RayError):
        raise
    except Exception as error:  # of no class of its own, for example where a node does not start in time
        what, fix = f"Ray cannot use {address!r}", "run it again, or set RAY_raylet_start_wait_time_s to more seconds on a busy machine"
        raise MachineError(what, why=last_line(error), fix=fix) from error


def last_line(error: Exception) -> str:
    """Return what an error of Ray says, without the traceback of the worker."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]


def fault_of(error: AuditError) -> list[str | None]:
    """Return an error as values: of an exception in a worker, Ray keeps only the text."""
    return [type(error).__name__, error.what, error.where, error.why, error.fix]


def error_of(fault: Sequence[str | None]) -> AuditError:
    """Return the error that `fault_of` made values of."""
    name, what, where, why, fix = fault
    error: AuditError = getattr(errors, str(name))(what, where=where, why=why, fix=fix)
    return error
