"""Web datasets in the layout of CLIP_benchmark, in which DataComp publishes its evaluation sets: tar shards with class names and templates.

::

    classnames.txt   zeroshot_classification_templates.txt   test/nshards.txt   test/0.tar   test/1.tar …

A sample is an image with ``.cls``, an index into ``classnames.txt``. The sets of faces have an ``.npy`` of numbers instead, and lines that
start with their objective (``gender:female``). Source: https://github.com/mlfoundations/datacomp, eval_utils/fairness_eval.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from audit.data.schema import Schema
from audit.data.streams.webdataset import CLASS, Described, load_web_dataset, shards_of, tar_files
from audit.errors import DataError
from audit.types import Dataset, Group
from strictio.streams.sources import is_url, joined, read_whole

CLASSES, TEMPLATES, SHARDS, SPLIT = "classnames.txt", "zeroshot_classification_templates.txt", "nshards.txt", "test"
PLACES = ("{c}", "{}")
"""Placeholders for the class in a template."""
_MOST_TEXT = 2**24
_VECTORS: Mapping[str, Group] = {
    "fairface": ("age", "gender", "race", "race_binary"),
    "utkface": ("age", "gender", "race", "race_binary"),
    "geode": ("region", "country"),
    "dollar_street": ("income_ds", "income_meta", "region"),
}
"""Names of the numbers in an ``.npy`` member, by data set."""
_WHITE = 1
"""Index, among the classes of race, of the one that ``race_binary`` distinguishes from all others."""


@dataclass(frozen=True)
class ClassPrompts:
    """Class names and templates of a zero-shot classifier."""

    classes: Group
    """In the order of their numbers."""
    templates: Group
    """Texts, each with one of `PLACES`."""

    def prompts(self, label: str) -> Group:
        """The prompts of a class.

        Examples
        --------
        >>> ClassPrompts(("cat", "dog"), ("a photo of a {c}.", "a {c}")).prompts("dog")
        ('a photo of a dog.', 'a dog')
        """
        filled = [template.replace(placeholder, label) for template in self.templates for placeholder in PLACES if placeholder in template]
        return tuple(dict.fromkeys(filled))

    @property
    def version(self) -> str:
        """A version name for the templates, from their hash."""
        digest = hashlib.sha256("\n".join(self.templates).encode()).hexdigest()
        return f"templates of the data {digest[:8]}"


@dataclass(frozen=True)
class BenchmarkDataset(Dataset):
    """A data set with its own classes and templates."""

    asked: Mapping[str, ClassPrompts] = field(default_factory=dict)
    """Attribute that has the truth -> its classes and templates."""
    without_truth: Group = ()
    """Objectives that have classes and templates but no true answer."""


def is_benchmark_set(location: str) -> bool:
    """Whether a folder, local or behind a URL, has class names and templates."""
    if is_url(location):
        try:
            return bool(read_whole(joined(location, CLASSES), _MOST_TEXT))
        except DataError:
            return False
    return (Path(location) / CLASSES).is_file() and (Path(location) / TEMPLATES).is_file()


def load_benchmark_set(location: str) -> BenchmarkDataset:
    """Load the data set of such a folder.

    Raises DataError if a text or a shard is missing, or the templates have no placeholder for the class.
    """
    title = location.rstrip("/").rpartition("/")[2] or "web dataset"
    classes, templates = (_lines(location, name) for name in (CLASSES, TEMPLATES))
    prompts = _by_objective(classes, templates)
    for prompt_set in prompts.values():
        _check_templates(prompt_set.templates)
    faces = CLASS not in prompts
    known = next((names for name, names in _VECTORS.items() if name in title), ())
    vector = {name: prompts[name].classes if name in prompts else _binary(name, prompts) for name in known}
    described = Described(() if faces else prompts[CLASS].classes, vector)
    dataset = load_web_dataset(
        shards_of(_shards(location)), Schema(), name=title, licence="not stated", described=described, source=f"the web dataset {title}"
    )
    held = {name: prompt_set for name, prompt_set in prompts.items() if name in dataset.levels}
    if not held:
        why = f"the samples have {', '.join(dataset.levels)}; classes are given for {', '.join(prompts)}"
        raise DataError(f"{title} holds no true class", why=why, fix="give each sample a .cls member: the place of its class")
    values = {field.name: getattr(dataset, field.name) for field in fields(Dataset)}
    return BenchmarkDataset(**values, asked=held, without_truth=tuple(name for name in prompts if name not in held))


def _binary(name: str, prompts: Mapping[str, ClassPrompts]) -> Group:
    if name != "race_binary" or "race" not in prompts or len(prompts["race"].classes) <= _WHITE:
        return ()
    white = prompts["race"].classes[_WHITE]
    return white, f"not {white}"


def _lines(location: str, name: str) -> list[str]:
    try:
        text = read_whole(joined(location, name), _MOST_TEXT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8", fix="write it again") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{name} is empty", fix="download it again")
    return lines


def _by_objective(classes: Sequence[str], templates: Sequence[str]) -> dict[str, ClassPrompts]:
    """Classes and templates by objective: one for all classes, or one for each word before a colon that classes and templates share."""
    split = [[line.partition(":") for line in lines] for lines in (classes, templates)]
    named = [{word for word, colon, _ in lines if colon and word.isidentifier()} for lines in split]
    if not all(colon for lines in split for _, colon, _ in lines) or named[0] != named[1] or not named[0]:
        return {CLASS: ClassPrompts(tuple(classes), tuple(templates))}
    grouped = {
        word: [tuple(text.strip() for objective, _, text in lines if objective == word) for lines in split] for word in sorted(named[0])
    }
    return {word: ClassPrompts(*both) for word, both in grouped.items()}


def _check_templates(templates: Sequence[str]) -> None:
    for template in templates:
        if sum(template.count(placeholder) for placeholder in PLACES) != 1:
            what, why = f"{TEMPLATES}: a template without a place for the class, or with several", f"found {template[:80]!r}"
            raise DataError(what, why=why, fix="write {c} once in each: a photo of a {c}.")


def _shards(location: str) -> list[str]:
    """Locations of the shards: as many as ``nshards.txt`` says, or all in a local folder."""
    folder = joined(location, SPLIT)
    try:
        text = read_whole(joined(folder, SHARDS), _MOST_TEXT).decode("ascii", "replace").strip()
    except DataError as error:
        paths = [] if is_url(location) else [str(path) for path in tar_files(Path(folder))]
        if not paths:
            raise DataError(f"{SPLIT}/{SHARDS} is missing", why="it says how many shards there are", fix="download it") from error
        return paths
    if not text.isdigit() or not 0 < int(text) <= 100_000:
        raise DataError(f"{SPLIT}/{SHARDS} holds {text[:40]!r}", fix="it says how many shards there are: 4")
    return [joined(folder, f"{number}.tar") for number in range(int(text))]
