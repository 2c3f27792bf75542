"""Right and wrong answers with their images, one row per group, if the data say that their images may be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.results import AnsweredImage, AuditResult
from reports.text import phrases


@dataclass(frozen=True)
class PictureCell:
    """An image and its answer."""

    jpeg: str
    answer: str
    alt: str


@dataclass(frozen=True)
class PictureRow:
    """The images of one group."""

    group: str
    right: Sequence[PictureCell]
    wrong: Sequence[PictureCell]


def picture_rows(audit: AuditResult) -> tuple[PictureRow, ...]:
    """Return one row per group."""
    pictures = audit.pictures.pictures if audit.pictures else ()
    groups = dict.fromkeys(picture.group for picture in pictures)
    return tuple(PictureRow(phrases.group(group), *(_cells(pictures, group, right) for right in (True, False))) for group in groups)


def _cells(pictures: Sequence[AnsweredImage], group: tuple[str, ...], right: bool) -> tuple[PictureCell, ...]:
    return tuple(
        PictureCell(picture.jpeg, _answer(picture), _alt(picture))
        for picture in pictures
        if picture.group == group and picture.right == right
    )


def _answer(picture: AnsweredImage) -> str:
    wrong = picture.truth is not None and not picture.right
    return f"‘{picture.answer}’" + (f", not ‘{picture.truth}’" if wrong else "")


def _alt(picture: AnsweredImage) -> str:
    """Describe an image by its true answer, if it is known: the image shows what the answer is about."""
    return f"Image of ‘{picture.truth}’" if picture.truth else f"Image answered with ‘{picture.answer}’"
