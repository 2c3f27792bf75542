"""What a run leaves beside its checkpoint, a log of JSON lines and curves on boards; and how it is asked to stop."""

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
from strictio.folders import Folder

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class EventLog:
    """``log.jsonl``: one JSON object a line, flushed line by line."""

    path: Path
    folder: Folder
    """The one of `path`."""

    def begin(self, step: int) -> None:
        """Keep the lines up to `step` (0: none) and go on behind them: what a killed run logged beyond its last saved state is void."""
        kept = [line for line in self._lines() if line.get("step", 0) <= step] if step else []
        with self._guarded():
            self.folder.write(self.path.name, "".join(json.dumps(line) + "\n" for line in kept).encode())

    def write(self, event: str, **values: Any) -> None:
        with self._guarded(), os.fdopen(self.folder.append(self.path.name), "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **values}) + "\n")

    def has_ended(self) -> bool:
        """Tell whether the last line says that the run is finished."""
        return any(line.get("event") == "end" for line in self._lines()[-1:])

    def _lines(self) -> list[dict[str, Any]]:
        lines = []
        for text in self.path.read_text("utf-8").splitlines() if self.path.exists() else ():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                break  # a killed process tore its last line
            if not isinstance(line, dict) or not isinstance(line.get("step", 0), int):
                break  # nor did this program write such a one
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
    """torch's SummaryWriter; None: nothing is written."""
    folder: Folder | None = None
    """Held open as long as it writes."""

    @classmethod
    def open(cls, out: Folder, step: int = 0) -> TensorBoard:
        """Return one that writes into ``tensorboard``, nothing without TensorBoard; what a killed run wrote beyond `step` is hidden."""
        try:
            module = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            return cls()
        folder, suffix = out.folder("tensorboard", make=True), f".{secrets.token_hex(8)}"  # no link can have that name already
        return cls(module.SummaryWriter(str(folder.reachable), purge_step=step + 1 if step else None, filename_suffix=suffix), folder)

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        """Add a point to each curve; what is unknown or no number has none."""
        for name, value in _drawn(numbers).items() if self.writer is not None else ():
            self.writer.add_scalar(f"{prefix}{name}", value, step)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


@dataclass(frozen=True)
class WeightsAndBiases:
    """The same curves in Weights & Biases, where a run asks for it. With ``WANDB_MODE=offline`` nothing leaves the machine."""

    run: Any = None
    """What wandb calls a run; None: nothing is written."""

    @classmethod
    def open(cls, out: Folder, project: str | None, config: Mapping[str, Any], step: int = 0) -> WeightsAndBiases:
        """Return one that writes to a project, going on with the same run after `step`; nothing without a project.

        Raises `UsageError` if wandb is not installed, `MachineError` if it cannot begin.
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
        out.folder("wandb", make=True)  # and no link
        settings = wandb.Settings(save_code=False, console="off", silent=True)
        try:
            run = wandb.init(project=project, dir=str(out.path), id=name, resume="allow", config=dict(config), settings=settings)
        except wandb.errors.Error as error:
            fix = "wandb login, or WANDB_MODE=offline, or leave out run.wandb"
            raise MachineError("Weights & Biases cannot begin", why=str(error)[:200], fix=fix) from error
        out.write(known, f"{name}\n".encode())
        return cls(run)

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        """Add a point to each curve; what is unknown or no number has none."""
        if self.run is not None:
            self.run.log({f"{prefix}{name}": value for name, value in _drawn(numbers).items()}, step=step)

    def close(self) -> None:
        if self.run is not None:
            self.run.finish()


@dataclass(frozen=True)
class Boards:
    """Everything that draws curves."""

    members: tuple[TensorBoard | WeightsAndBiases, ...] = ()

    def write(self, step: int, numbers: Mapping[str, float | None], prefix: str = "") -> None:
        for board in self.members:
            board.write(step, numbers, prefix)

    def close(self) -> None:
        for board in self.members:
            board.close()


def _drawn(numbers: Mapping[str, float | None]) -> dict[str, float]:
    """Return what can be a point of a curve."""
    return {name: value for name, value in numbers.items() if name not in ("step", "pairs") and value is not None and math.isfinite(value)}


@dataclass
class StopRequest:
    """While entered, the first Ctrl-C or SIGTERM is a request (`signal` says which); the second stops at once (KeyboardInterrupt).

    Outside the main thread nothing is changed: signals go to the main thread.
    """

    signal: int | None = None
    patient: bool = False
    """Whether a second request changes nothing: torchrun passes on to its processes what the terminal has sent them already."""
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
