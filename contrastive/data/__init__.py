"""Captioned images: where they come from, in which order they are seen, and how they become batches."""

from __future__ import annotations

from pathlib import Path

from contrastive.config import DataConfig
from contrastive.data.emoji import load_emoji
from contrastive.data.shapes import ShapePictures
from contrastive.data.source import CaptionedImages, TrainingDataError
from contrastive.data.table import load_table
from contrastive.errors import ConfigError, nearest

__all__ = ["CaptionedImages", "TrainingDataError", "open_source"]


def open_source(config: DataConfig) -> CaptionedImages:
    """Return what ``data.train`` names.

    Raises
    ------
    ConfigError
        If it is neither a built-in set nor a file, if a skew is asked of data that have none, or if the emoji packages are missing.
    TrainingDataError
        If the table cannot be read.
    """
    if config.train == "emoji":
        return load_emoji(config.skew)
    if config.skew != "none":
        raise ConfigError(f"data.skew = {config.skew!r} is for the emoji only", fix='set data.skew = "none" or data.train = "emoji"')
    if config.train == "shapes":
        return ShapePictures()
    path = Path(config.train)
    if path.suffix.lower() == ".csv":
        return load_table(path, config.image_column, config.caption_column)
    raise ConfigError(
        f"data.train cannot be {config.train!r}", why="it is a CSV file or a built-in set", fix=nearest(config.train, ("emoji", "shapes"))
    )
