"""The prompts of the probes that ask about objects."""

from __future__ import annotations

from collections.abc import Iterable

from audit.types import LabelSet

PRESET = "objects v1"


def object_labels(name: str, words: Iterable[str]) -> LabelSet:
    """Return a label set with one prompt per object: ``a photo of a boat``, with "an" before a vowel.

    Examples
    --------
    >>> object_labels("objects", ["boat", "oven"]).prompts["oven"]
    ('a photo of an oven',)
    """
    labels = tuple(words)
    return LabelSet(name, labels, {label: (f"a photo of {'an' if label[0] in 'aeiou' else 'a'} {label}",) for label in labels})
