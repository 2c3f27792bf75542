"""Prompt templates and class names that come with open_clip_torch, read from the installed package without importing it (and torch)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from audit.types import Group

IMAGENET_CLASSES = 1000
_LISTS = ("SIMPLE_IMAGENET_TEMPLATES", "OPENAI_IMAGENET_TEMPLATES")


def has_templates() -> bool:
    """Whether open_clip_torch is installed, with its lists where they are expected."""
    return _lists() is not None


def templated(name: str) -> tuple[Group, Group]:
    """Return a class in open_clip's 7 simple prompt templates and in all 80; ModuleNotFoundError where it is not installed.

    Source: https://github.com/mlfoundations/open_clip, zero_shot_metadata.py; those of CLIP's ImageNet notebook (Radford et al. 2021).
    """
    lists = _lists()
    if lists is None:
        raise ModuleNotFoundError("open_clip_torch is not installed", name="open_clip")
    simple, every = (tuple(template(name) for template in getattr(lists, of)) for of in _LISTS)
    return simple, every


def imagenet_name(label: str, labels: Group) -> str:
    """Return open_clip's name of an ImageNet class; the label itself unless `labels` are all 1,000 classes, as numbers or WordNet ids.

    The numbers of ILSVRC 2012 follow the order of the ids.
    """
    numbers = {str(number) for number in range(IMAGENET_CLASSES)}
    ids = sorted(each for each in labels if each[:1] == "n" and each[1:].isdigit() and len(each) == 9)
    lists = _lists()
    if lists is None or (set(labels) != numbers and len(ids) != len(labels)) or len(labels) != IMAGENET_CLASSES:
        return label
    return str(lists.IMAGENET_CLASSNAMES[ids.index(label) if ids else int(label)])


def templates_version() -> str:
    """Return the name and version of the package that the templates came from."""
    return f"open_clip_torch {version('open_clip_torch')}"


@cache
def _lists() -> ModuleType | None:
    """Return the module of lists; None where the package, or that module of it, is not there."""
    package = find_spec("open_clip")
    folders = package.submodule_search_locations if package is not None else None
    path = Path(folders[0]) / "zero_shot_metadata.py" if folders else None
    if path is None or not path.is_file():
        return None
    spec = spec_from_file_location("open_clip_zero_shot_metadata", path)
    if spec is None or spec.loader is None:
        return None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found
