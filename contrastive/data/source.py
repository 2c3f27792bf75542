"""What the trainer asks of its data."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from PIL import Image

from contrastive.errors import ContrastiveError


class TrainingDataError(ContrastiveError):
    """The training data cannot be read or do not suffice."""

    exit_code = 3


@runtime_checkable
class CaptionedImages(Protocol):
    """Pictures with one or more captions each, in a fixed order."""

    @property
    def card(self) -> str:
        """What the data are and what was planted in them, in sentences without a path of the machine: it goes into the checkpoint."""
        ...

    def __len__(self) -> int: ...

    def image(self, index: int) -> Image.Image:
        """Return the picture in RGB; raises `UnreadablePicture`."""
        ...

    def captions(self, index: int) -> tuple[str, ...]:
        """Return what may be said of the picture. Training draws one of them each epoch; the first is the one to measure by."""
        ...
