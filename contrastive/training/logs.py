"""What a run leaves beside its checkpoint, a log of JSON lines and TensorBoard's curves; and how it is asked to stop."""

from __future__ import annotations

import importlib
import json
import math
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from contrastive.errors import MachineError
from contrastive.files import replacing

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class EventLog:
    """``log.jsonl``: one JSON object a line, flushed line by line."""

    path: Path

    def begin(self, step: int) -> None:
        """Keep the lines up to `step` (0: none) and go on behind them: what a killed run logged beyond its last saved state is void.

        Raises `MachineError` if the file cannot be written.
        """
        kept = [line for line in self._lines() if line.get("step", 0) <= step] if step else []

        def replace() -> None:
            with replacing(self.path) as file:
                file.write("".join(json.dumps(line) + "\n" for line in kept).encode())

        self._guarded(replace)

    def write(self, event: str, **values: Any) -> None:
        """Append one line."""

        def append() -> None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"event": event, **values}) + "\n")

        self._guarded(append)

    def _lines(self) -> list[dict[str, Any]]:
        found = []
        for text in self.path.read_text("utf-8").splitlines() if self.path.exists() else ():
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                break  # a killed process tore its last line
            if not isinstance(line, dict) or not isinstance(line.get("step", 0), int):
                break  # nor did this program write such a one
            found.append(line)
        return found

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            raise MachineError("the log cannot be written", where=str(self.path), why=error.strerror) from error


@dataclass(frozen=True)
class TensorBoard:
    """Curves over the steps."""

    writer: Any = None
    """torch's SummaryWriter; None: nothing is written."""

    @classmethod
    def open(cls, folder: Path, step: int = 0) -> TensorBoard:
        """Return one that writes into `folder`, or that writes nothing where TensorBoard is not installed.

        What a killed run wrote beyond `step` is hidden.
        """
        try:
            module = importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            return cls()
        return cls(module.SummaryWriter(str(folder), purge_step=step + 1 if step else None))

    def write(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Add a point to each curve; what is unknown or no number has none."""
        for name, value in numbers.items() if self.writer is not None else ():
            if name != "step" and value is not None and math.isfinite(value):
                self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self.writer is not None:
            self.writer.close()


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

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None and not self.patient:
            raise KeyboardInterrupt
        self.signal = self.signal or number
