"""Strict parsing of attribute values: what a table may contain, what is repaired or renamed, what is missing.

Every container (CSV, Parquet, the hub) is first converted to `Cells`, its text unchanged; from then on all are read in the same way.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from audit.data.cells.boxes import Box
from audit.data.cells.suspicious import suspicious_levels
from audit.data.cells.votes import SEPARATOR, counted_votes, given_values
from audit.errors import DataError, UsageError, nearest
from audit.types import UNKNOWN, Group, Note
from strictio.tables import check_distinct as check_distinct
from strictio.tables import found_columns as found_columns
from strictio.tables import quoted as quoted

IMAGE_COLUMNS = ("file", "image", "path", "file_name", "filename", "image_path", "img_path", "filepath", "image_file", "img")
"""Names of the column with a row's image; the first that is present is used."""
_LIKE_IMAGE = ("picture", "photo", "photograph", "pic", "images", "files", "image_name", "file_path")


@dataclass(frozen=True)
class Column:
    """One attribute: its name and its valid values. Raises `TypeError` for a string instead of a tuple of strings."""

    name: str
    values: Group | None = None
    """The levels, in display order; None: all values that occur, sorted."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Another name of a level -> the level."""
    repairs: Mapping[str, str] = field(default_factory=dict)
    """Value corrupted by a spreadsheet -> the level."""
    optional: bool = False
    classes: Group | None = None
    """Levels in the order of the integer ids in the published data: class names that a source provides must agree with them."""
    several: bool = False
    """Whether a cell may have several values (``['Africa', 'Asia']``, or joined by ``|``): an image counts in each with its share."""
    counts: Group | None = None
    """Columns with the number of annotators who chose each of `values`, in their order; then no column has the attribute's name."""
    source: str | None = None
    """The column of a table that it is read from, if that has another name."""

    def __post_init__(self) -> None:
        _require_tuples(self, "values", "classes", "counts")
        if self.counts is not None and len(self.counts) != len(self.values or ()):
            raise ValueError(f"{self.name}: {len(self.counts)} columns of counts for {len(self.values or ())} values")
        if self.is_shared and any(SEPARATOR in level for level in (*(self.values or ()), *self.aliases.values())):
            raise ValueError(f"{self.name}: a level holds {SEPARATOR!r}, which separates several")

    @property
    def is_shared(self) -> bool:
        """Whether an image may count in several groups."""
        return self.several or self.counts is not None

    @property
    def sources(self) -> Group:
        """The columns of a table that it is read from."""
        return (self.source or self.name,) if self.counts is None else self.counts


@dataclass(frozen=True)
class Schema:
    """The columns of a table. Without declared columns, every column except the image's is an attribute. Raises errors as `Column` does."""

    columns: tuple[Column, ...] = ()
    image_columns: tuple[str, ...] = IMAGE_COLUMNS
    label_files: tuple[str, ...] = ("labels.csv", "labels.parquet")
    """Label files preferred if a folder contains several."""
    box: Box | None = None
    """Where a row's image is in its source image: the image is then the crop, several rows may share a source image, and the attribute
    `picture` says which one (a probe's `cluster`)."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Attribute -> the column that it is read from, for tables whose attributes are not declared."""

    def __post_init__(self) -> None:
        _require_tuples(self, "columns", "image_columns", "label_files")


def _require_tuples(made: object, *names: str) -> None:
    """Raise TypeError for a single string, which would be read as a tuple of its characters."""
    for name in names:
        value = getattr(made, name)
        if isinstance(value, str | Column):
            shown = repr(value) if isinstance(value, str) else "a Column"
            raise TypeError(f"{name}: {shown}, expected a tuple; a comma makes a tuple of one: ({shown},)")


@dataclass(frozen=True)
class Cells:
    """A table as text, one sequence of cells per column; an empty cell is a missing value."""

    columns: Mapping[str, Sequence[str]]
    numbers: Sequence[int]
    """Line or row number of each row in its file, for messages."""
    place: str
    unit: str = "line"
    files: Sequence[str] = ()
    """The file of each row, if the rows are from several."""

    def where(self, row: int) -> str:
        """Location of a row in words."""
        return f"{self.unit} {self.numbers[row]}{f' of {self.files[row]}' if self.files else ''}"


@dataclass(frozen=True)
class Attributes:
    """Attribute columns after parsing: stored names only, `UNKNOWN` for empty cells."""

    columns: Mapping[str, Sequence[str]]
    levels: Mapping[str, Group]
    notes: tuple[Note, ...]
    several: Group = ()
    """Attributes that may have several values per image, joined by ``|``."""


def read(schema: Schema, cells: Cells) -> Attributes:
    """Parse the attributes of a table; raises DataError if a column is missing, it has no rows, or a value is not declared."""
    check_columns(schema, list(cells.columns), cells.place)
    if not cells.numbers:
        raise DataError(
            f"{cells.place} has columns but no rows", why=found_columns(cells.columns), fix="give a table with one row per image"
        )
    columns, levels = {}, {}
    notes: list[Note] = []
    for column in attribute_columns(schema, list(cells.columns)):
        texts = _texts(column, cells)
        stored = _stored_levels(column, texts, cells)
        columns[column.name] = [stored[text] for text in texts]
        levels[column.name] = _levels(column, _each(column, stored.values()))
        notes += _notes(column, stored, Counter(texts))
    several = tuple(column.name for column in attribute_columns(schema, list(cells.columns)) if column.is_shared)
    return Attributes(columns, levels, (*notes, *_unused(schema, cells.columns)), several)


def _texts(column: Column, cells: Cells) -> Sequence[str]:
    if column.counts is None:
        return cells.columns[column.sources[0]]
    return counted_votes(column.values or (), column.counts, cells.columns, cells.where, cells.place)


def _each(column: Column, stored: Iterable[str]) -> Iterable[str]:
    """Yield the levels one by one, also if a stored value contains several."""
    return (level for text in stored for level in (text.split(SEPARATOR) if column.is_shared else (text,)))


def image_column(schema: Schema, names: Sequence[str], source: str) -> str:
    """The name of the image column; raises `DataError` without one."""
    if candidates := [name for name in schema.image_columns if name in names]:
        return candidates[0]
    known = [*schema.image_columns, *_LIKE_IMAGE]
    likely = [name for name in names if difflib.get_close_matches(_snake_case(name), known, cutoff=0.8)]
    flags = " or ".join(f"--image-column {shlex.quote(name[:80])}" for name in likely[:3]) or "--image-column NAME"
    fix = f"{flags}, or name it one of: {', '.join(schema.image_columns)}"
    raise DataError(f"{source} has no image column", why=found_columns(names), fix=fix)


def with_known_image_column(schema: Schema, names: Sequence[str]) -> tuple[Schema, tuple[Note, ...]]:
    """The schema with the only column that equals an image column's name up to case, spaces and dashes, and a note about it.

    >>> with_known_image_column(Schema(), ["File Name", "race"])[0].image_columns[0]
    'File Name'
    """
    alike = [name for name in names if _snake_case(name) in schema.image_columns]
    if len(alike) != 1 or alike[0] in schema.image_columns:
        return schema, ()
    return with_image_column(schema, alike[0]), (Note("image_column_alike", {"column": quoted(alike[0])}),)


def with_known_columns(schema: Schema, names: Sequence[str], *, embedded: bool = False) -> tuple[Schema, tuple[Note, ...]]:
    """The schema with columns that differ from its own in case, spaces, dashes or a unit in brackets, and notes about them.

    A column that is missing is read from the only one that is alike; among several, none is chosen. `embedded`: the images are in the
    table, so no column has to name them.

    >>> schema, notes = with_known_columns(Schema((Column("age"), Column("gender"))), ["file", "Age (years)", "Gender "])
    >>> [column.sources for column in schema.columns]
    [('Age (years)',), ('Gender ',)]
    """
    schema, notes = (schema, ()) if embedded else with_known_image_column(schema, names)
    used = {*schema.image_columns, *(name for column in schema.columns for name in column.sources)}
    free = [name for name in names if name not in used]
    missing = [column.name for column in schema.columns if column.counts is None and column.sources[0] not in names]
    sources = {name: similar[0] for name in missing if len(similar := alike(name, free)) == 1}
    if not sources:
        return schema, notes
    changes = tuple(f"{quoted(source)} as {name}" for name, source in sources.items())
    return with_columns(schema, sources), (*notes, Note("columns_alike", {"columns": changes}))


def alike(name: str, names: Iterable[str]) -> list[str]:
    """The names that differ only in case, spaces, dashes or a unit in brackets at the end.

    >>> alike("age", ["Age (years)", "AGE ", "page"])
    ['Age (years)', 'AGE ']
    """
    return [other for other in names if _without_unit(other) == _without_unit(name)]


def with_columns(schema: Schema, sources: Mapping[str, str]) -> Schema:
    """The schema with attributes that are read from columns of other names (`sources`: attribute -> column).

    Raises UsageError for an attribute that is not declared, or that is read from several columns.
    """
    declared = {column.name: column for column in schema.columns}
    for name in sources if declared else ():
        if name not in declared:
            raise UsageError(f"no attribute {name!r} is read from the table", where="--column", fix=nearest(name, declared))
        if declared[name].counts is not None:
            why = f"it is read from the columns {', '.join(declared[name].sources)}"
            raise UsageError(f"the attribute {name!r} cannot be read from one column", where="--column", why=why, fix="leave it out")
    columns = tuple(replace(column, source=sources.get(column.name, column.source)) for column in schema.columns)
    return replace(schema, columns=columns, sources={**schema.sources, **sources})


def with_image_column(schema: Schema, name: str) -> Schema:
    """The schema with this column before all others that may name the image."""
    return replace(schema, image_columns=(name, *(other for other in schema.image_columns if other != name)))


def _snake_case(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _without_unit(name: str) -> str:
    return _snake_case(re.sub(r"[(\[][^()\[\]]*[)\]]\s*$", "", name)).strip("_")


def attribute_columns(schema: Schema, names: Sequence[str]) -> tuple[Column, ...]:
    """The attributes to read from a table with the columns `names`."""
    if schema.columns:
        return tuple(column for column in schema.columns if all(name in names for name in column.sources))
    others = {*schema.image_columns, *(schema.box.columns if schema.box else ())}
    attribute = {source: name for name, source in schema.sources.items()}
    return tuple(Column(attribute.get(name, name), source=name) for name in names if name not in others and not is_row_number(name))


def source_columns(schema: Schema, names: Sequence[str]) -> Group:
    """The columns to read besides the image's."""
    read_from = (name for column in attribute_columns(schema, names) for name in column.sources)
    return tuple(dict.fromkeys((*read_from, *(name for name in (schema.box.columns if schema.box else ()) if name in names))))


def is_row_number(name: str) -> bool:
    """Whether pandas wrote the column by default: unnamed in CSV, read again as ``Unnamed: 0``, or ``__index_level_0__`` in Parquet.

    >>> [name for name in ("", "Unnamed: 0", "Unnamed: 0.1", "__index_level_0__", "Unnamed") if not is_row_number(name)]
    ['Unnamed']
    """
    return re.fullmatch(r"(Unnamed: \d+(\.\d+)*|__index_level_.*)?", name) is not None


def check_columns(schema: Schema, names: Sequence[str], source: str) -> None:
    """Raise `DataError` unless the columns `names` are distinct and include every attribute that is not optional."""
    check_distinct(names, source)
    required = [name for column in schema.columns if not column.optional or column.source for name in column.sources]
    required += schema.sources.values() if not schema.columns else ()
    if missing := [name for name in (*required, *(schema.box.columns if schema.box else ())) if name not in names]:
        fix = _way_out(schema, missing, names)
        raise DataError(f"{source} has no column {' and no column '.join(map(repr, missing))}", why=found_columns(names), fix=fix)
    if not attribute_columns(schema, names):
        fix = "add a column such as race or gender, one value per image"
        raise DataError(f"{source} has no attribute column", why=found_columns(names), fix=fix)


def _way_out(schema: Schema, missing: Sequence[str], names: Sequence[str]) -> str:
    """What to do about missing columns: the option that names a column which is alike, if there is one."""
    if missing[0] in schema.sources.values():
        return nearest(missing[0], map(str, names))
    similar = [(name, other) for name in missing for other in alike(name, names)]
    if similar:
        return " or ".join(f"--column {name}={shlex.quote(other[:80])}" for name, other in similar[:3])
    if len(missing) == 1:
        return f"{nearest(missing[0], map(str, names))}; --column {missing[0]}=COLUMN says which column it is"
    own_labels = "; for your own labels: --probe zeroshot" if schema.columns else ""
    return f"name the columns, as in --column {missing[0]}=COLUMN, or give the table that is meant{own_labels}"


def check_classes(column: Column, names: Sequence[str], source: str) -> None:
    """Raise `DataError` unless the class names that a source provides for its integer ids are the declared ones, in order.

    With a shifted list of names, the ids would assign every image a plausible wrong group.
    """
    stored = [stored_value(column, name) for name in names]
    if column.classes is not None and tuple(stored) != column.classes:
        what = f"the class names of {column.name!r} are not the published ones, or in another order"
        why = f"found {', '.join(map(repr, names))}; expected {', '.join(map(repr, column.classes))}"
        fix = "compare the source with the published data, or convert it to a CSV file with names in it"
        raise DataError(what, where=source, why=why, fix=fix)


def stored_value(column: Column, text: str) -> str | None:
    """The level of a cell; `UNKNOWN` if it is empty; None if its value is not declared.

    Examples
    --------
    >>> age = Column("age", ("3-9", "more than 70"), aliases={"70+": "more than 70"}, repairs={"9-Mar": "3-9"})
    >>> [stored_value(age, text) for text in ("3-9", "9-Mar", "70+", "", "NA")]
    ['3-9', '3-9', 'more than 70', 'unknown', None]
    """
    if not text.strip():
        return UNKNOWN
    if column.is_shared:
        return _stored_votes(column, text)
    declared = column.values
    if declared is not None and text in declared:
        return text
    level = column.aliases.get(column.repairs.get(text, text), column.repairs.get(text, text))
    return level if declared is None or level in declared or level == UNKNOWN else None


def _stored_votes(column: Column, text: str) -> str | None:
    """The levels of a cell with several values, in canonical order and joined; missing values do not count."""
    try:
        stored = [stored_value(replace(column, several=False, counts=None), value) for value in given_values(text)]
    except ValueError:
        return None
    levels = [level for level in stored if level is not None]
    if len(levels) < len(stored) or any(SEPARATOR in level for level in levels):
        return None
    order = {level: index for index, level in enumerate(column.values or ())}
    return (
        SEPARATOR.join(sorted((level for level in levels if level != UNKNOWN), key=lambda level: (order.get(level, 0), level))) or UNKNOWN
    )


def _stored_levels(column: Column, texts: Sequence[str], cells: Cells) -> dict[str, str]:
    """Text -> stored level for every distinct cell of a column; raises `DataError` for undeclared values."""
    stored = {text: stored_value(column, text) for text in dict.fromkeys(texts)}
    if strange := [text for text, level in stored.items() if level is None]:
        counts = Counter(texts)
        first = {text: cells.where(list(texts).index(text)) for text in strange[:5]}
        listed = [f"{quoted(text)} ({counted(counts[text], 'row')}, first at {row})" for text, row in first.items()]
        more = f" and {len(strange) - 5} more" if len(strange) > 5 else ""
        what, why = f"undeclared value {quoted(strange[0])} in the column {column.name!r}", f"found {', '.join(listed)}{more}"
        raise DataError(what, where=cells.place, why=why, fix=nearest(strange[0][:80], column.values or ()))
    return {text: level for text, level in stored.items() if level is not None}


def _levels(column: Column, present: Iterable[str]) -> Group:
    """The levels in display order; `UNKNOWN` last, and only if it occurs."""
    levels = set(present)
    known = column.values if column.values is not None else tuple(sorted(levels - {UNKNOWN}))
    return (*known, UNKNOWN) if UNKNOWN in levels and UNKNOWN not in known else known


def _notes(column: Column, stored: Mapping[str, str], counts: Mapping[str, int]) -> list[Note]:
    """Notes on what parsing changed."""
    repaired = {text: level for text, level in stored.items() if text in column.repairs and text != level}
    # A value that differs from its level only in case (TRUE for True) is not noted.
    renamed = {text: level for text, level in stored.items() if text in column.aliases and text.casefold() != level.casefold()}
    missing = sum(counts[text] for text, level in stored.items() if level == UNKNOWN)
    notes = [
        Note(code, {"column": column.name, "count": sum(counts[text] for text in changed), "changes": _changes(changed, counts)})
        for code, changed in (("repaired_values", repaired), ("renamed_values", renamed))
        if changed
    ]
    if missing:
        notes.append(Note("missing_values", {"column": column.name, "count": missing}))
    return notes + suspicious_levels(column.name, set(_each(column, stored.values())))


def _changes(changed: Mapping[str, str], counts: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(f"{quoted(text)} to {quoted(changed[text])}: {counts[text]}" for text in sorted(changed))


def _unused(schema: Schema, names: Iterable[str]) -> list[Note]:
    used = {*schema.image_columns, *source_columns(schema, list(names))}
    unused = [name for name in names if name not in used and not (is_row_number(name) and not name.startswith("Unnamed"))]
    return [Note("unused_columns", {"columns": tuple(map(quoted, unused))})] if unused else []


def counted(number: int, noun: str) -> str:
    """A number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
