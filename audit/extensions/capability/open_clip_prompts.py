"""Prompt templates and class names of open_clip_torch, read from the installed package without importing it (and torch)."""

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
    """Whether open_clip_torch is installed and has its lists where they are expected."""
    return _lists() is not None


def templated(name: str) -> tuple[Group, Group]:
    """A class in open_clip's 7 simple prompt templates and in all 80; raises ModuleNotFoundError if it is not installed.

    Source: https://github.com/mlfoundations/open_clip, zero_shot_metadata.py; those of CLIP's ImageNet notebook (Radford et al. 2021).
    """
    lists = _lists()
    if lists is None:
        raise ModuleNotFoundError("open_clip_torch is not installed", name="open_clip")
    simple, every = (tuple(template(name) for template in getattr(lists, of)) for of in _LISTS)
    return simple, every


def imagenet_name(label: str, labels: Group) -> str:
    """open_clip's name of an ImageNet class; the label itself unless `labels` are all 1,000 classes, as numbers or WordNet ids.

    The numbers of ILSVRC 2012 are in the order of the ids.
    """
    keys, lists = _imagenet_keys(labels), _lists()
    return label if lists is None or not keys else str(lists.IMAGENET_CLASSNAMES[keys.index(label)])


def is_imagenet(labels: Group) -> bool:
    """Whether these are all 1,000 classes of ImageNet, as numbers, WordNet ids or open_clip's names."""
    lists = _lists()
    return bool(_imagenet_keys(labels)) or (lists is not None and set(labels) == set(lists.IMAGENET_CLASSNAMES))


def _imagenet_keys(labels: Group) -> list[str]:
    """The numbers or ids of all 1,000 classes, in their order; empty if the labels are anything else."""
    numbers = [str(number) for number in range(IMAGENET_CLASSES)]
    ids = [label for label in labels if label[:1] == "n" and label[1:].isdigit() and len(label) == 9]
    if len(labels) != IMAGENET_CLASSES:
        return []
    return sorted(ids) if len(ids) == len(labels) else numbers if set(labels) == set(numbers) else []


def templates_version() -> str:
    """Name and version of the package that provides the templates."""
    return f"open_clip_torch {version('open_clip_torch')}"


@cache
def _lists() -> ModuleType | None:
    """The module with the lists; None if the package, or that module of it, is missing."""
    package = find_spec("open_clip")
    folders = package.submodule_search_locations if package is not None else None
    path = Path(folders[0]) / "zero_shot_metadata.py" if folders else None
    if path is None or not path.is_file():
        return None
    spec = spec_from_file_location("open_clip_zero_shot_metadata", path)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
