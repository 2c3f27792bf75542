"""Single templates that a curve over wordings puts in the place of a preset's own; no verdict uses them."""

from __future__ import annotations

from probes.prompts import Preset, preset

OPENING = "a photo of "
TEMPLATES = (
    "this is {label}",
    "a photo that shows {label}",
    "an image of {label}",
    "a picture of {label}",
    "a snapshot of {label}",
    "a portrait of {label}",
    "a close-up of {label}",
    "a cropped photo of {label}",
)
"""Version 1, wording ours."""


def reworded(name: str) -> tuple[Preset, ...]:
    """Return the preset `name`, whose prompts begin with `OPENING`, under each of `TEMPLATES`."""
    return tuple(preset(name).reworded(OPENING, template) for template in TEMPLATES)


def titles(name: str) -> tuple[str, ...]:
    """Return how `reworded` presets are called."""
    return tuple(each.title for each in reworded(name))
