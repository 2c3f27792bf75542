"""The logs of a run (JSON lines, TensorBoard, Weights & Biases), and handling of requests to stop."""

from __future__ import annotations

import importlib
import json
import math
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from strictio.errors import MachineError, UsageError
from strictio.files import read_text
from strictio.folders import Folder

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class EventLog:
    """``log.jsonl``: one JSON object per line, flushed after each line."""

    path: Path
    folder: Folder
    """The folder of `path`."""

    def begin(self, step: int) -> None:
        """Keep lines up to `step` (0: none) and append to them, because entries after the last saved state of a killed run are void."""
        kept = [line for line in self._lines() if line.get("step", 0) <= step] if step else []
        with self._guarded():
            self.folder.write(self.path.name, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, event: str, **values: Any) -> None:
        with self._guarded(), os.fdopen(self.folder.append(self.path.name), "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")

    def has_ended(self) -> bool:
        """Whether the last line says that the run is finished."""
        return any(line.get("event") == "end" for line in self._lines()[-1:])

    def _lines(self) -> list[dict[str, Any]]:
        lines = []
        for text in read_text(self.path, 2**30).splitlines() if self.path.exists() else ():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                break  # a killed process left a partial last line
            if not isinstance(line, dict) or not isinstance(line.get("step", 0), int):
                break  # not written by this program
            lines.append(line)
        return lines

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MachineError("the log cannot be written", where=str(self.path), why=error.strerror) from error


@dataclass(frozen=True)
class TensorBoard:
    """Curves over the steps."""

    writer: Any = None
    """torch's SummaryWriter; None: no output."""
    folder: Folder | None = None
    """Held open while writing."""

    @classmethod
    def open(cls, out: Folder, step: int = 0) -> TensorBoard:
        """Open the folder ``tensorboard``; a no-op without TensorBoard. Entries of a killed run after `step` are hidden."""
        try:
            module = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            return cls()
        folder, suffix = out.folder("tensorboard", make=True), f".{secrets.token_hex(8)}"  # so that the name cannot be an existing link
        return cls(module.SummaryWriter(str(folder.reachable), purge_step=step + 1 if step else None, filename_suffix=suffix), folder)

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        """Add a point to each curve, except for unknown and non-numeric values."""
        for name, value in _drawn(numbers).items() if self.writer is not None else ():
            self.writer.add_scalar(f"{prefix}{name}", value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@dataclass(frozen=True)
class WeightsAndBiases:
    """The same curves in Weights & Biases, if configured. With ``WANDB_MODE=offline``, no data leave the machine."""

    run: Any = None
    """The wandb run; None: no output."""

    @classmethod
    def open(cls, out: Folder, project: str | None, config: Mapping[str, Any], step: int = 0) -> WeightsAndBiases:
        """Open a project, continuing the same run after `step`; a no-op without a project.

        Raises `UsageError` if wandb is not installed, `MachineError` if it cannot start.
        """
        if project is None:
            return cls()
        try:
            wandb = importlib.import_module("wandb")
        except ImportError as error:
            fix = "python -m pip install wandb, or leave out run.wandb"
            raise UsageError("run.wandb needs the package wandb", why=str(error), fix=fix) from error
        known = "wandb-id.txt"
        name = out.read(known, 100).decode("utf-8", "replace").strip() if step and out.is_file(known) else secrets.token_hex(6)
        out.folder("wandb", make=True)  # and not a link
        settings = wandb.Settings(save_code=False, console="off", silent=True)
        try:
            run = wandb.init(project=project, dir=str(out.path), id=name, resume="allow", config=dict(config), settings=settings)
        except wandb.errors.Error as error:
            fix = "wandb login, or WANDB_MODE=offline, or leave out run.wandb"
            raise MachineError("Weights & Biases cannot begin", why=str(error)[:200], fix=fix) from error
        out.write(known, f"{name}\n".encode())
        return cls(run)

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        """Add a point to each curve, except for unknown and non-numeric values."""
        if self.run is not None:
            self.run.log({f"{prefix}{name}": value for name, value in _drawn(numbers).items()}, step=step)

    def close(self) -> None:
        if self.run is not None:
            self.run.finish()


@dataclass(frozen=True)
class Boards:
    """All loggers of curves."""

    members: tuple[TensorBoard | WeightsAndBiases, ...] = ()

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        for board in self.members:
            board.write(step, numbers, prefix)

    def close(self) -> None:
        for board in self.members:
            board.close()


def _drawn(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Return the numbers that can be plotted."""
    return {name: value for name, value in numbers.items() if name not in ("step", "pairs") and value is not None and math.isfinite(value)}


@dataclass
class StopRequest:
    """Context in which the first Ctrl-C or SIGTERM requests a stop (`signal` holds it); the second stops at once (KeyboardInterrupt).

    A no-op outside the main thread, which receives the signals.
    """

    signal: int | None = None
    patient: bool = False
    """Whether to ignore a second request: torchrun forwards signals that its processes already got from the terminal."""
    _before: dict[int, Any] = field(default_factory=dict)

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and not self.patient:
            raise KeyboardInterrupt
        self.signal = self.signal or number
