"""Single prompt templates for prompt sensitivity: a preset under each template. Verdicts do not use them."""

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
"""Version 1, our own."""


def reworded(name: str) -> tuple[Preset, ...]:
    """Return the preset `name`, whose prompts begin with `OPENING`, under each of `TEMPLATES`."""
    return tuple(preset(name).reworded(OPENING, template) for template in TEMPLATES)


def titles(name: str) -> tuple[str, ...]:
    """Return the titles of the `reworded` presets."""
    return tuple(rewording.title for rewording in reworded(name))
