"""Columns that may say which rows belong together: their values repeat and look like names of images or people, not like categories."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from audit.data.cells.groupless import DATES, FREE_TEXT, IDENTIFIERS, TIMES, no_groups
from audit.data.schema import IMAGE_COLUMNS
from audit.errors import DataError
from audit.predictions.columns import all_numbers, as_text, holds_labels
from audit.predictions.made import GROUPS
from audit.types import UNKNOWN, Note

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
