"""Columns that may say which rows belong together: their values repeat and look like names of images or people, not like categories."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.cells.suspicious import DATES, FREE_TEXT, IDENTIFIERS, TIMES, no_groups
from audit.data.schema import IMAGE_COLUMNS, quoted
from audit.errors import DataError, UsageError, nearest
from audit.predictions.columns import all_numbers, as_text, holds_labels
from audit.types import UNKNOWN, Note, Predictions

if TYPE_CHECKING:
    from jaxtyping import Bool, Int

# Dependencies between columns: which images belong together, clusters that are declared to lie in one group (every image of a person has
# the person's race), and columns that equal another one except for label errors.


ERRORS, OF_A_LEVEL = 0.05, 0.75
"""Up to 5 % of the rows may be label errors: test sets have 3 % on average (Northcutt, Athalye and Mueller 2021,
https://arxiv.org/abs/2103.14749). For every level and every value three quarters must agree: otherwise a rare value that a column does not
determine would pass as errors, and in a small table a column could determine another by chance.
"""


JUDGED_AGAIN = 2 / 3
"""From this share of the rows of each level and of each value, a column is close enough to another to be a second judgement of the same
thing, whose exceptions may be errors of either: two annotators who are each right in 82 % of the rows agree in 70 %."""


def check_nested(
    cluster: Int[np.ndarray, "n"] | None, attributes: pd.DataFrame, nested: Sequence[str], source: str, row: Callable[[int], str]
) -> None:
    """Raise `DataError` for the first image whose level of a nested attribute differs from that of an earlier image in its cluster.

    `cluster` has the number of each image's cluster, `row` returns its name; images with an unknown level are ignored. Raises UsageError
    without clusters, or without such an attribute.
    """
    if cluster is None:
        raise UsageError("--nested requires --cluster", where=source, fix="name the column that says which images belong together")
    for name in nested:
        if name not in attributes.columns:
            raise UsageError(f"no attribute {name!r} for --nested", where=source, fix=nearest(name, map(str, attributes.columns)))
        levels = attributes[name].to_numpy(object)
        known = np.flatnonzero(levels != UNKNOWN)
        _, start, owner = np.unique(cluster[known], return_index=True, return_inverse=True)
        first = known[start][owner]
        if (differ := levels[known] != levels[first]).any():
            one = int(np.argmax(differ))
            here, before = int(known[one]), int(first[one])
            raise DataError(
                f"{source}: a cluster lies in two groups of {quoted(name)}", where=row(here),
                why=f"{name} is {quoted(str(levels[here]))}, and {quoted(str(levels[before]))} in {row(before)} of the same cluster",
                fix=f"correct the row, or leave {name} out of --nested: clusters may span groups",
            )  # fmt: skip


def clustered(predictions: Predictions, cluster: str | None) -> Predictions:
    """Add the clusters to predictions; an image with an unknown cluster is a cluster by itself."""
    if cluster is None or predictions.cluster is not None:
        return predictions
    if cluster not in predictions.attributes.columns:
        raise UsageError(f"no attribute {cluster!r} to tell clusters by", fix=nearest(cluster, map(str, predictions.attributes.columns)))
    column = predictions.attributes[cluster]
    codes = pd.factorize(column)[0].astype(np.int64)
    alone = np.flatnonzero(column == UNKNOWN)
    codes[alone] = len(codes) + alone
    return replace(predictions, cluster=codes)


def disagreeing(column: np.ndarray, other: np.ndarray, images: Int[np.ndarray, "n"]) -> Bool[np.ndarray, "n"] | None:
    """The rows in which a column contradicts another one that it determines except for label errors; None if it does not determine it.

    It determines the other if each of its levels has one value there, and several values occur: a copy, or a finer one (ages in years
    determine age groups). `images` is the number of images that each row represents; unknown values contradict nothing.

    Examples
    --------
    Two of 50 rows are swapped: gender still determines the truth.

    >>> gender, truth = np.repeat(["f", "m"], 25), np.repeat(["nurse", "doctor"], 25)
    >>> truth[[0, 49]] = truth[[49, 0]]
    >>> np.flatnonzero(disagreeing(gender, truth, np.ones(50, int))).tolist()
    [0, 49]
    """
    known = (column != UNKNOWN) & (other != UNKNOWN)
    if not known.any():
        return None
    level, value, table = _crossed(column[known], other[known], images[known])
    usual = table.argmax(axis=1)
    agreeing = np.where(np.arange(table.shape[1]) == usual[:, None], table, 0)
    total, errors = int(table.sum()), int(table.sum() - agreeing.sum())
    shares = np.concatenate([agreeing.sum(axis=axis) / table.sum(axis=axis) for axis in (0, 1)])
    if errors > ERRORS * total or len(np.unique(usual)) < 2 or shares.min() < OF_A_LEVEL:
        return None
    rows = np.zeros(len(column), bool)
    rows[known] = usual[level] != value
    return rows


def judged_again(column: np.ndarray, other: np.ndarray, images: Int[np.ndarray, "n"]) -> tuple[int, int] | None:
    """In how many rows, of how many, a column contradicts another one that it may judge again; None if it is clearly something else.

    Each of its levels belongs to one value of the other, and each value to one level, in at least two thirds of their rows.

    Examples
    --------
    >>> one = np.repeat(["f", "m"], 50)
    >>> other = np.roll(one, 10)
    >>> judged_again(one, other, np.ones(100, int)), judged_again(one, np.roll(one, 20), np.ones(100, int))
    ((20, 100), None)
    """
    known = (column != UNKNOWN) & (other != UNKNOWN)
    if not known.any():
        return None
    *_, table = _crossed(column[known], other[known], images[known])
    usual = table.argmax(axis=1)
    if table.shape[0] != table.shape[1] or table.shape[0] < 2 or len(np.unique(usual)) < len(usual):
        return None
    agreeing = table[np.arange(len(usual)), usual]
    shares = np.concatenate([agreeing / table.sum(axis=1), agreeing / table.sum(axis=0)[usual]])
    return (int(table.sum() - agreeing.sum()), int(table.sum())) if shares.min() >= JUDGED_AGAIN else None


def _crossed(column: np.ndarray, other: np.ndarray, images: Int[np.ndarray, "n"]) -> tuple[Int[np.ndarray, "..."], ...]:
    """The level and the value of each row, and the number of images of each pair."""
    level, value = (pd.factorize(values)[0] for values in (column, other))
    table = np.zeros((level.max() + 1, value.max() + 1), np.int64)
    np.add.at(table, (level, value), images)
    return level, value, table


def copies(attributes: pd.DataFrame, images: Int[np.ndarray, "n"]) -> dict[str, tuple[str, Bool[np.ndarray, "n"]]]:
    """Each column that equals an earlier one up to renaming, with that one and the rows that contradict it."""
    values = {str(name): column.to_numpy(object) for name, column in attributes.items()}
    copied: dict[str, tuple[str, Bool[np.ndarray, "n"]]] = {}
    for one, other in combinations(values, 2):
        if one in copied or other in copied:
            continue
        rows = disagreeing(values[one], values[other], images)
        if rows is not None and disagreeing(values[other], values[one], images) is not None:
            copied[other] = (one, rows)
    return copied


_FEWEST, _MANY = 10, 50
"""With fewer values, a column has categories. Numbered values that nothing else calls a unit are units if there are many."""
_SHARED = 1 / 3
"""Rows whose value another row has, too, from which on a column is asked about: of HAM10000, 45 % of the images share their lesion."""
_KEYS = frozenset({
    "id", "ids", "uid", "uuid", "guid", "hash", "md5", "sha", "sha1", "sha256", "file", "filename", "filepath", "path", "url", "uri",
})  # fmt: skip
_UNITS = frozenset({
    "case", "clip", "cluster", "crop", "household", "identity", "image", "images", "img", "individual", "participant", "patient", "person",
    "photo", "photograph", "pic", "picture", "sample", "scene", "sequence", "session", "speaker", "study", "subject", "user", "video",
    "visit",
})  # fmt: skip
GROUPS = frozenset({
    "age", "camera", "cohort", "continent", "country", "demographic", "demographics", "dialect", "disability", "ethnic", "ethnicity",
    "fitzpatrick", "gender", "group", "hospital", "language", "light", "lighting", "nationality", "race", "racial", "region", "religion",
    "scanner", "sex", "site", "skin", "skintone", "subgroup", "tone",
})  # fmt: skip
"""Words in the names of columns of groups. Of these, the rows alone do not show that one was made from the answers: a model may fail for a
whole group."""
_CATEGORIES = GROUPS | {
    "area", "attribute", "batch", "bin", "brand", "breed", "category", "city", "class", "code", "concept", "dataset", "fold", "kind",
    "label", "licence", "license", "object", "occupation", "postcode", "source", "species", "split", "state", "synset", "taxon", "topic",
    "type", "version", "wnid", "year", "zip", "zipcode", "zone",
}  # fmt: skip
_PEOPLE = frozenset({"identity", "individual", "participant", "patient", "person", "speaker", "user"})
_CROSSED = frozenset({
    "annotator", "instruction", "labeler", "model", "prompt", "query", "question", "rater", "reviewer", "run", "seed", "template", "worker",
})  # fmt: skip
"""What many images share by design, such as ten questions about each: units only if there are more of them than rows of each."""
_SYNSET = re.compile(r"n\d{8}")
"""WordNet names of ImageNet's classes."""
_DIGIT = re.compile(r"\d")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_])\S+")
"""One word of letters and digits."""


def possible_units(table: pa.Table, names: Sequence[str], code: str) -> list[Note]:
    """A note of this code about those of the columns whose values may be sampling units, with their numbers; empty without such columns."""
    found = {name: _units(table[name], name) for name in names if holds_labels(table[name].type)}
    units = {name: many for name, many in found.items() if many}
    return [Note(code, {"columns": tuple(units), "values": tuple(units.values()), "rows": len(table)})] if units else []


def may_name_units(name: str) -> bool:
    """Whether the name of a column alone suggests that its values are sampling units.

    Examples
    --------
    >>> [name for name in ("image_id", "photo", "category_id", "race") if may_name_units(name)]
    ['image_id', 'photo']
    """
    words = _words(name)
    return bool(words & (_KEYS | _UNITS)) and not words & _CATEGORIES


def _units(column: pa.ChunkedArray, name: str) -> int:
    words = _words(name)
    if words & _CATEGORIES or (pa.types.is_floating(column.type) and not words & (_KEYS | _UNITS)):
        return 0
    try:
        text = as_text(column, name)
    except DataError:  # fractions, or infinite numbers
        return 0
    known = pc.fill_null(text.indices, -1).to_numpy(zero_copy_only=False)
    rows = np.bincount(known[known >= 0], minlength=len(text.dictionary)).tolist()
    named = {level: count for level, count in zip(text.dictionary.to_pylist(), rows, strict=True) if count and level != UNKNOWN}
    repeated = sum(count for count in named.values() if count > 1)
    crossed = bool(words & _CROSSED) and len(named) ** 2 <= sum(named.values())
    if len(named) < _FEWEST or repeated < _SHARED * sum(named.values()) or crossed:
        return 0
    return len(named) if _are_names(name, words, [*named]) else 0


def _are_names(name: str, words: frozenset[str], levels: Sequence[str]) -> bool:
    """Whether the values of a column look like names of images, of people or of other units."""
    if no_groups("", levels, 0) in (DATES, TIMES, FREE_TEXT):
        return False
    if words & _KEYS or name.casefold() in IMAGE_COLUMNS or no_groups("", levels, 0) == IDENTIFIERS:
        return True
    if all_numbers(levels):
        return bool(words & _UNITS) and len(levels) > _MANY
    numbered = all(_CODE.fullmatch(level.strip()) for level in levels)
    alike = len({re.sub(r"\d+", "0", level) for level in levels}) == 1 and not all(_SYNSET.fullmatch(level) for level in levels)
    by_name = bool(words & _PEOPLE) and len(levels) > _MANY and not any(_DIGIT.search(level) for level in levels)
    return by_name or (numbered and (bool(words & _UNITS) or (alike and len(levels) > _MANY)))


def _words(name: str) -> frozenset[str]:
    """The words of a column's name; "id" also at the end of a word.

    Examples
    --------
    >>> sorted(_words("imgID")), sorted(_words("patientid_2")), sorted(_words("valid"))
    (['id', 'img'], ['id', 'patient', 'patientid'], ['valid'])
    """
    words = {word.casefold() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[a-z]+\d+", name)}
    stems = {word.removesuffix("id") for word in words if word.endswith("id")} & (_UNITS | _CATEGORIES | _CROSSED)
    return frozenset(words | stems | ({"id"} if stems else set()))
