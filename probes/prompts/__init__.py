"""Named, versioned prompt presets, kept as data next to this file: one TOML file per preset, one table per objective.

A table has ``templates``, each with exactly one placeholder ``{label}``, and for every label the text that replaces it. Articles, capitals
and full stops are part of the text, which is used unchanged. The placeholder is filled by plain replacement, never by `str.format`,
which would let a label reach into Python objects.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

from audit.errors import UsageError, nearest

PLACEHOLDER = "{label}"


@dataclass(frozen=True)
class Preset:
    """Prompts from one source."""

    name: str
    version: int
    source: str
    objectives: Mapping[str, Mapping[str, tuple[str, ...]]]
    """objective -> label -> prompts, placeholders filled; labels in the file's order."""

    @property
    def title(self) -> str:
        return f"{self.name} v{self.version}"

    def prompts(self, *objectives: str) -> dict[str, tuple[str, ...]]:
        """Return label -> prompts for `objectives`, in their order; UsageError if the preset lacks one."""
        for objective in objectives:
            if objective not in self.objectives:
                raise UsageError(f"preset {self.name!r} has no prompts for {objective!r}", fix=nearest(objective, self.objectives))
        return {label: texts for objective in objectives for label, texts in self.objectives[objective].items()}

    def reworded(self, opening: str, template: str) -> Preset:
        """Return the preset with another template, which becomes part of its name: "a portrait of {label}".

        `opening` is the beginning of every prompt in the preset ("a photo of "); UsageError if a prompt begins differently.
        """

        def changed(text: str) -> str:
            if not text.startswith(opening):
                raise UsageError(f"prompt {text!r} of preset {self.name!r} does not begin with {opening!r}")
            return fill(template, text.removeprefix(opening))

        objectives = {
            objective: {label: tuple(map(changed, texts)) for label, texts in words.items()} for objective, words in self.objectives.items()
        }
        return replace(self, name=f"“{template.replace(PLACEHOLDER, '…')}”", objectives=objectives)


def fill(template: str, words: str) -> str:
    """Return `template` with its one placeholder replaced; `UsageError` unless it holds exactly one ``{label}`` and no other brace.

    Examples
    --------
    >>> fill("a photo of {label}", "an animal")
    'a photo of an animal'
    """
    if template.count(PLACEHOLDER) != 1 or set("{}") & set(template.replace(PLACEHOLDER, "")):
        raise UsageError(f"prompt template {template!r} must hold {PLACEHOLDER} exactly once and no other brace")
    return template.replace(PLACEHOLDER, words)


@cache
def preset(name: str) -> Preset:
    """Return the preset `name`; UsageError with the closest names if it is unknown."""
    if name not in preset_names():
        raise UsageError(f"no prompt preset {name!r}", fix=nearest(name, preset_names()))
    return _parse(tomllib.loads(files(__name__).joinpath(f"{name}.toml").read_text("utf-8")))


@cache
def preset_names() -> tuple[str, ...]:
    """Return the names of all presets, sorted."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in files(__name__).iterdir() if entry.name.endswith(".toml")))


def _parse(document: dict[str, Any]) -> Preset:
    name, version, source = document.pop("name"), document.pop("version"), document.pop("source")
    objectives = {
        objective: {
            label: tuple(fill(template, words) for template in table["templates"]) for label, words in table.items() if label != "templates"
        }
        for objective, table in document.items()
    }
    return Preset(name, version, source, objectives)
