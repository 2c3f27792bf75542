"""The strict reading of attribute values: what a table may hold, what is repaired, what has another name, what is missing.

Every container (CSV, Parquet, the hub) is first brought to `Cells`, text as it stands there; from then on all are read alike.
"""

from __future__ import annotations

import difflib
import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.errors import DataError, nearest
from audit.types import UNKNOWN, Group, Note
from contrastive.tables import check_distinct as check_distinct
from contrastive.tables import found_columns as found_columns
from contrastive.tables import quoted as quoted

IMAGE_COLUMNS = ("file", "image", "path", "file_name", "filename", "image_path", "img_path", "filepath", "image_file", "img")
"""Names of the column that says which image a row is about; the first that is present counts."""
_LIKE_IMAGE = ("picture", "photo", "photograph", "pic", "images", "files", "image_name", "file_path")


@dataclass(frozen=True)
class Column:
    """One attribute: its name and what may stand in it. `TypeError` where a text stands for a tuple of texts."""

    name: str
    values: Group | None = None
    """The levels, in the order in which they are shown; None: whatever is found, sorted."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Another name of a level -> the level."""
    repairs: Mapping[str, str] = field(default_factory=dict)
    """What a spreadsheet has made of a level -> the level."""
    optional: bool = False
    classes: Group | None = None
    """Levels in the order of the integer ids of the published data: where a source brings its own class names, they must agree."""

    def __post_init__(self) -> None:
        _require_tuples(self, "values", "classes")


@dataclass(frozen=True)
class Schema:
    """The columns of a table. Without declared columns, every column but the image's is an attribute. Errors as of `Column`."""

    columns: tuple[Column, ...] = ()
    image_columns: tuple[str, ...] = IMAGE_COLUMNS
    label_files: tuple[str, ...] = ("labels.csv", "labels.parquet")
    """Label files that are preferred where a folder holds several."""

    def __post_init__(self) -> None:
        _require_tuples(self, "columns", "image_columns", "label_files")


def _require_tuples(made: object, *names: str) -> None:
    """Refuse a single value: of a text every letter would be a level."""
    for name in names:
        value = getattr(made, name)
        if isinstance(value, str | Column):
            shown = repr(value) if isinstance(value, str) else "a Column"
            raise TypeError(f"{name}: {shown}, expected a tuple; a comma makes a tuple of one: ({shown},)")


@dataclass(frozen=True)
class Cells:
    """A table as text, one sequence of cells a column; an empty cell is a missing value."""

    columns: Mapping[str, Sequence[str]]
    numbers: Sequence[int]
    """Where each row stands in its file, for messages."""
    place: str
    unit: str = "line"

    def where(self, row: int) -> str:
        """Return the place of a row in words."""
        return f"{self.unit} {self.numbers[row]}"


@dataclass(frozen=True)
class Attributes:
    """Attribute columns after reading: stored names only, `UNKNOWN` where nothing stood."""

    columns: Mapping[str, Sequence[str]]
    levels: Mapping[str, Group]
    notes: tuple[Note, ...]


def read(schema: Schema, cells: Cells) -> Attributes:
    """Return the attributes of a table; DataError if a column is missing, it has no rows, or a value is not declared."""
    check_columns(schema, list(cells.columns), cells.place)
    if not cells.numbers:
        raise DataError(
            f"{cells.place} has columns but no rows", why=found_columns(cells.columns), fix="give a table with one row an image"
        )
    columns, levels = {}, {}
    notes: list[Note] = []
    for column in attribute_columns(schema, list(cells.columns)):
        stored = _stored_levels(column, cells)
        columns[column.name] = [stored[text] for text in cells.columns[column.name]]
        levels[column.name] = _levels(column, stored.values())
        notes += _notes(column, stored, Counter(cells.columns[column.name]))
    return Attributes(columns, levels, (*notes, *_unused(schema, cells.columns)))


def image_column(schema: Schema, names: Sequence[str], place: str) -> str:
    """Return the name of the image column, or raise `DataError`."""
    if found := [name for name in schema.image_columns if name in names]:
        return found[0]
    known = [*schema.image_columns, *_LIKE_IMAGE]
    likely = [name for name in names if difflib.get_close_matches(_snake_case(name), known, cutoff=0.75)]
    flags = " or ".join(f"--image-column {shlex.quote(name[:80])}" for name in likely[:3]) or "--image-column NAME"
    fix = f"{flags}, or name it one of: {', '.join(schema.image_columns)}"
    raise DataError(f"{place} has no image column", why=found_columns(names), fix=fix)


def with_known_image_column(schema: Schema, names: Sequence[str]) -> tuple[Schema, tuple[Note, ...]]:
    """Return the schema with the only column that is called as an image column is but for case, blanks and dashes, and a note of it.

    >>> with_known_image_column(Schema(), ["File Name", "race"])[0].image_columns[0]
    'File Name'
    """
    alike = [name for name in names if _snake_case(name) in schema.image_columns]
    if len(alike) != 1 or alike[0] in schema.image_columns:
        return schema, ()
    return with_image_column(schema, alike[0]), (Note("image_column_alike", {"column": quoted(alike[0])}),)


def with_image_column(schema: Schema, name: str) -> Schema:
    """Return the schema with this column before all others that may name the image."""
    return replace(schema, image_columns=(name, *(other for other in schema.image_columns if other != name)))


def _snake_case(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def attribute_columns(schema: Schema, names: Sequence[str]) -> tuple[Column, ...]:
    """Return the attributes to read from a table with the columns `names`."""
    if schema.columns:
        return tuple(column for column in schema.columns if column.name in names)
    return tuple(Column(name) for name in names if name not in schema.image_columns and not _is_row_number(name))


def _is_row_number(name: str) -> bool:
    """Whether pandas has written the column unasked: without a name in CSV, as ``__index_level_0__`` in Parquet."""
    return not name or name.startswith("__index_level_")


def check_columns(schema: Schema, names: Sequence[str], place: str) -> None:
    """Raise `DataError` unless the columns `names` are distinct and hold every attribute that is not optional."""
    check_distinct(names, place)
    if missing := [column.name for column in schema.columns if column.name not in names and not column.optional]:
        fix = nearest(missing[0], map(str, names)) if len(missing) == 1 else "rename the columns, or give the table that is meant"
        raise DataError(f"{place} has no column {' and no column '.join(map(repr, missing))}", why=found_columns(names), fix=fix)
    if not attribute_columns(schema, names):
        fix = "add a column such as race or gender, one value an image"
        raise DataError(f"{place} has no attribute column", why=found_columns(names), fix=fix)


def check_classes(column: Column, names: Sequence[str], place: str) -> None:
    """Raise `DataError` unless the class names that a source brings for its integer ids are the declared ones, in order.

    Ids that are read with a shifted list of names would give every image a plausible wrong group.
    """
    stored = [stored_value(column, name) for name in names]
    if column.classes is not None and tuple(stored) != column.classes:
        what = f"the class names of {column.name!r} are not the published ones, or in another order"
        why = f"found {', '.join(map(repr, names))}; expected {', '.join(map(repr, column.classes))}"
        fix = "compare the source with the published data, or convert it to a CSV file with names in it"
        raise DataError(what, where=place, why=why, fix=fix)


def stored_value(column: Column, text: str) -> str | None:
    """Return the level that a cell means; `UNKNOWN` if it is empty; None if it is not declared.

    Examples
    --------
    >>> age = Column("age", ("3-9", "more than 70"), aliases={"70+": "more than 70"}, repairs={"9-Mar": "3-9"})
    >>> [stored_value(age, text) for text in ("3-9", "9-Mar", "70+", "", "NA")]
    ['3-9', '3-9', 'more than 70', 'unknown', None]
    """
    if not text.strip():
        return UNKNOWN
    declared = column.values
    if declared is not None and text in declared:
        return text
    level = column.aliases.get(column.repairs.get(text, text), column.repairs.get(text, text))
    return level if declared is None or level in declared or level == UNKNOWN else None


def _stored_levels(column: Column, cells: Cells) -> dict[str, str]:
    """Return text -> stored level for every distinct cell of a column, or raise `DataError` about those that are not declared."""
    texts = cells.columns[column.name]
    stored = {text: stored_value(column, text) for text in dict.fromkeys(texts)}
    if strange := [text for text, level in stored.items() if level is None]:
        counts = Counter(texts)
        first = {text: cells.where(list(texts).index(text)) for text in strange[:5]}
        found = [f"{quoted(text)} ({counted(counts[text], 'row')}, first at {place})" for text, place in first.items()]
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        what, why = f"undeclared value {quoted(strange[0])} in the column {column.name!r}", f"found {', '.join(found)}{more}"
        raise DataError(what, where=cells.place, why=why, fix=nearest(strange[0][:80], column.values or ()))
    return {text: level for text, level in stored.items() if level is not None}


def _levels(column: Column, present: Iterable[str]) -> Group:
    """Return the levels in the order in which they are shown; `UNKNOWN` last, and only where it occurs."""
    found = set(present)
    known = column.values if column.values is not None else tuple(sorted(found - {UNKNOWN}))
    return (*known, UNKNOWN) if UNKNOWN in found and UNKNOWN not in known else known


def _notes(column: Column, stored: Mapping[str, str], counts: Mapping[str, int]) -> list[Note]:
    """Return what reading changed."""
    repaired = {text: level for text, level in stored.items() if text in column.repairs and text != level}
    # A value that differs from its level in case alone (TRUE for True) is not noted.
    renamed = {text: level for text, level in stored.items() if text in column.aliases and text.casefold() != level.casefold()}
    missing = sum(counts[text] for text, level in stored.items() if level == UNKNOWN)
    notes = [
        Note(code, {"column": column.name, "count": sum(counts[text] for text in changed), "changes": _changes(changed, counts)})
        for code, changed in (("repaired_values", repaired), ("renamed_values", renamed))
        if changed
    ]
    if missing:
        notes.append(Note("missing_values", {"column": column.name, "count": missing}))
    return notes + suspicious_levels(column.name, set(stored.values()))


def _changes(changed: Mapping[str, str], counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{quoted(text)} to {quoted(changed[text])}: {counts[text]}" for text in sorted(changed))


def folded(text: str) -> str:
    """Return a text without what a reader overlooks: case, blanks and Unicode form."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


_NO_VALUE = frozenset({"na", "n/a", "n.a.", "nan", "none", "null", "missing", "not known", "-", "--", "?"})
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DATE = re.compile(rf"\d{{1,2}}-{_MONTH}|{_MONTH}-\d{{1,2}}")


def suspicious_levels(name: str, levels: Iterable[str]) -> list[Note]:
    """Return a note for every set of groups that look alike, and for groups that look like a missing value or a damaged one.

    Examples
    --------
    >>> for note in suspicious_levels("age", ["N/A", "10-19", "9-Mar"]):
    ...     print(note)
    level like missing: column age, level 'N/A'
    level like date: column age, level '9-Mar'
    """
    everything = sorted(levels)
    empty = [quoted(level) for level in everything if folded(level) in _NO_VALUE]
    dates = [quoted(level) for level in everything if _DATE.fullmatch(folded(level))]
    notes = [Note("level_like_missing", {"column": name, "level": each}) for each in empty]
    notes += [Note("level_like_date", {"column": name, "level": each}) for each in dates[:1]]
    return near_duplicates(name, everything) + notes


def near_duplicates(name: str, levels: Iterable[str]) -> list[Note]:
    """Return a note for every set of levels that look alike."""
    alike: dict[str, list[str]] = defaultdict(list)
    for level in sorted(levels):
        alike[folded(level)].append(level)
    return [Note("near_duplicates", {"column": name, "levels": tuple(map(ascii, same))}) for same in alike.values() if len(same) > 1]


def _unused(schema: Schema, names: Iterable[str]) -> list[Note]:
    used = {*schema.image_columns, *(column.name for column in attribute_columns(schema, list(names)))}
    unused = [name for name in names if name not in used and not _is_row_number(name)]
    return [Note("unused_columns", {"columns": tuple(map(quoted, unused))})] if unused else []


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
