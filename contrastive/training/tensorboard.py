"""TensorBoard, where it is installed; silent where it is not. The log of record is ``log.jsonl``."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Board:
    """Curves over the steps."""

    writer: Any = None
    """torch's SummaryWriter; None: nothing is written."""

    @classmethod
    def open(cls, folder: Path, step: int = 0) -> Board:
        """Return a board that writes into `folder`, or one that writes nothing where TensorBoard is not installed.

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
