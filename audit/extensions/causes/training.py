"""The models of ``vlm-audit causes``: each is trained and audited into a folder of its own, one after another or several at once on Ray.

The trainer runs as a process of its own (``python -m contrastive.train``): what joins the two is the checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any, TypeVar

from pydantic import TypeAdapter

from audit.api.pipeline import run_audit
from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from audit.extensions.causes.models import DoseModel, training_file
from audit.extensions.causes.plan import TYPED, ReadPlan
from audit.options.audits import AuditRequest
from audit.output.directory import write_text
from audit.output.manifest import is_complete
from audit.ray_cluster import error_of, fault_of, last_line, on_cluster
from strictio.folders import Folder

LOG = logging.getLogger("audit")
DONE = "done.json"
_ERRORS = {2: UsageError, 3: DataError, 4: UnsafeError, 5: MachineError}
_STOP_S = 60
T = TypeVar("T")


@dataclass(frozen=True)
class _Done:
    """What a model was made of, and how long that took."""

    overrides: tuple[str, ...]
    settings: str
    seconds: tuple[float, float]


@dataclass(frozen=True)
class DoseTask:
    """A model to train and audit, with everything that a process on another machine needs."""

    read: ReadPlan
    path: Path
    """Of the plan."""
    out: Path
    """Of the whole run."""
    model: DoseModel
    settings: str
    """Hash of the configuration of its arm."""

    def is_done(self) -> bool:
        """Whether it is trained and audited; raises `UsageError` if that was with other settings."""
        folder = self._folder()
        if not folder.is_file(DONE):
            return False
        before = read_values(folder, DONE, _Done)
        if (before.overrides, before.settings) != (self.model.overrides, self.settings):
            why = "the recipe or an override changed since"
            raise UsageError(
                f"{self.model.name} was trained with other settings", why=why, fix="name a new folder, or remove that of the model"
            )
        return True

    def run(self) -> None:
        """Train it, audit it, and record that both are done."""
        begin, path = time.monotonic(), self.out / "models" / self.model.name
        trainer(self.read, self.path, [*self.model.overrides, f"run.out={path}", "--quiet"], f"training of {self.model.name}")
        trained = time.monotonic()
        if not is_complete(path / "audit"):
            run_audit(audit_request(self.read, model=str(path / "ckpt.pt"), name=(self.model.name,), out=path / "audit"))
        seconds = [round(trained - begin, 1), round(time.monotonic() - trained, 1)]
        write_json(self._folder(), DONE, {"overrides": list(self.model.overrides), "settings": self.settings, "seconds": seconds})

    def seconds(self) -> tuple[float, float]:
        """Return how long training and audit took; only where it is done."""
        return read_values(self._folder(), DONE, _Done).seconds

    def _folder(self) -> Folder:
        return Folder.of(self.out).folder(f"models/{self.model.name}", make=True)


def audit_request(read: ReadPlan, **more: Any) -> AuditRequest:
    """Return what the audit of a model is asked: what the plan sets, and what the command line names."""
    typed = {name: value for name in TYPED if (value := getattr(read.inputs, name)) is not None}
    return AuditRequest(**{"no_cache": True, **read.audit_options, **typed, "probe": read.probe, **more})


def trainer(read: ReadPlan, path: Path, arguments: Sequence[str], what: str, module: str = "contrastive.train") -> str:
    """Run a command of the trainer in a process of its own and return what it printed; raises the error that it ended with."""
    command = [sys.executable, "-P", "-m", module, training_file(read.plan, path), *arguments]
    with Popen(command, stdout=PIPE, stderr=PIPE, text=True, encoding="utf-8") as process:  # noqa: S603  # the user's own plan
        try:
            printed, errors = process.communicate()
        except BaseException:
            process.terminate()  # it saves its state
            try:
                process.communicate(timeout=_STOP_S)
            finally:
                process.kill()
            raise
    if process.returncode:
        last = "; ".join(line.removeprefix("error: ") for line in errors.strip().splitlines()[-4:]) or f"exit code {process.returncode}"
        raise _ERRORS.get(process.returncode, DataError)(f"{what} failed", why=last[:600], fix="change the plan and run it again")
    return printed


def write_json(folder: Folder, name: str, content: object) -> None:
    """Write values as JSON, whole or not at all."""
    write_text(name, json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", folder)


def read_values(folder: Folder, name: str, kind: type[T]) -> T:
    """Return values that `write_json` wrote; raises `DataError` for anything else, which no run has left."""
    try:
        return TypeAdapter(kind).validate_json(folder.read(name))
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        raise DataError(f"{name} is damaged", where=str(folder.path / name), why=why, fix="name a new folder for the run") from error


# ---- engines -------------------------------------------------------------------------------------------------------------------------

Engine = Callable[[Sequence[DoseTask], Sequence[DoseModel]], None]
"""Trains and audits models that are missing, of all that the run has; raises an error if one fails."""


def one_after_another(tasks: Sequence[DoseTask], planned: Sequence[DoseModel]) -> None:
    """Train and audit models in this process; an error ends it."""
    for task in tasks:
        LOG.info("model %d of %d: %s", planned.index(task.model) + 1, len(planned), task.model.name)
        task.run()


@dataclass(frozen=True)
class RayModels:
    """A Ray cluster that trains several models at once. All nodes must see plan, data and output folder under the same paths."""

    address: str | None = None
    """``local``, ``auto`` or ``ray://HOST:PORT``; None: ``RAY_ADDRESS``, else ``local``."""
    cpus: int = 1
    """CPUs for one model: as many threads compute."""
    gpus: float = 0
    """GPUs for one model; a part, such as 0.5, if several share one."""

    def __post_init__(self) -> None:
        if self.cpus < 1 or not self.gpus >= 0:
            which = f"--ray-cpus {self.cpus}" if self.cpus < 1 else f"--ray-gpus {self.gpus:g}"
            raise UsageError(f"invalid {which}", why="a model needs at least one CPU, and 0 or more GPUs", fix="leave it out")

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Connect to the cluster until all models are done."""
        with on_cluster(self.address, "--engine ray trains on it", "models that are done are kept") as ray:
            for kind, wanted in (("CPU", self.cpus), ("GPU", self.gpus)):
                most = max((node["Resources"].get(kind, 0) for node in ray.nodes() if node["Alive"]), default=0)
                if wanted > most:
                    why, fix = f"the largest node has {most:g}", f"a smaller --ray-{kind.lower()}s"
                    raise UsageError(f"no node of the Ray cluster has {wanted:g} {kind}s for a model", why=why, fix=fix)
            remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus)(_on_worker)
            yield lambda tasks, planned: _run_on_ray(ray, remote, tasks, planned)


def _run_on_ray(ray: Any, remote: Any, tasks: Sequence[DoseTask], planned: Sequence[DoseModel]) -> None:
    """Train and audit models as tasks of a cluster. One that fails does not stop the others: it is named when they are done."""
    pending, failed = {remote.remote(task, str(Path.cwd())): task.model for task in tasks}, {}
    try:
        while pending:
            (done,), _ = ray.wait(list(pending))
            model = pending.pop(done)
            if error := _ended(ray, done):
                failed[model.name] = error
            LOG.info("model %d of %d %s: %s", planned.index(model) + 1, len(planned), "failed" if error else "is done", model.name)
    except BaseException:
        for task in pending:
            ray.cancel(task)  # the worker stops its trainer, which saves its state
        if pending:
            ray.wait(list(pending), num_returns=len(pending), timeout=_STOP_S)
        raise
    if failed:
        first = next(iter(failed.values()))
        what = f"{len(failed)} of {len(tasks)} models failed: {', '.join(failed)}"
        why = "; ".join(filter(None, (first.what, first.why)))
        raise type(first)(what, where=first.where, why=why, fix="the others are kept; correct this and run the same command again")


def _ended(ray: Any, done: Any) -> AuditError | None:
    """Return the error that a task ended with."""
    try:
        fault = ray.get(done)
    except ray.exceptions.RayError as error:
        return MachineError("its worker ended", why=last_line(error))
    return error_of(fault) if fault else None


def _on_worker(task: DoseTask, folder: str) -> list[str | None] | None:
    """Train and audit a model in a worker; `folder` is the working directory of the calling process."""
    if not Path(folder).is_dir():
        return fault_of(MachineError(f"{os.uname().nodename} has no folder {folder!r}", fix="give every node the same files"))
    os.chdir(folder)
    try:
        task.run()
    except AuditError as error:
        return fault_of(error)
    return None
