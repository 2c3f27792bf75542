"""How a page was made: date, command, settings, versions and hash, for audits and comparisons."""

from __future__ import annotations

import datetime as dt
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

from audit.naming import natural_order
from audit.records.base import Timing
from audit.types import Settings
from reports.table import Row, Table
from reports.text.numbers import count, exact_points, in_words, short_hashes

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
"""Not from strftime, which depends on the locale."""


_LONGEST_HEAD = 80
"""The most characters of a title in the header of printed pages."""


def css_text(text: str) -> str:
    r"""Return text for a CSS string, with every character but ASCII letters, digits and spaces escaped.

    Examples
    --------
    >>> css_text('a"</style>')
    'a\\22 \\3c \\2f style\\3e '
    """
    return "".join(char if char == " " or (char.isascii() and char.isalnum()) else f"\\{ord(char):x} " for char in text)


@dataclass(frozen=True, kw_only=True)
class About:
    """What every page says about itself."""

    title: str
    tool: str
    short_hashes: str = ""
    """Used in the style sheet (header of printed pages): only hexadecimal digits, spaces and plus signs, regardless of the file."""
    created: str = ""

    @property
    def running_head(self) -> str:
        """Name and date for the header of printed pages, as the content of a CSS string: nothing in the file can end the string."""
        title = self.title if len(self.title) <= _LONGEST_HEAD else f"{self.title[:_LONGEST_HEAD]}…"
        return css_text(" · ".join(filter(None, (title, self.created))))


@dataclass(frozen=True, kw_only=True)
class Provenance(About):
    """Header, footer and the section “Reproduce” of a page rendered from one file."""

    command: str
    seconds: str
    settings: Table
    environment: Table
    equivalence_level: float
    """Level of the intervals that decide equivalence, in percent."""
    file: str
    sha256: str
    pictures: bool
    """Whether the page shows images of the data."""
    examples: bool
    """Whether some of them were requested by --include-examples."""


class Made(Protocol):
    """Facts that say how they were made."""

    @property
    def tool(self) -> str: ...
    @property
    def command(self) -> Sequence[str]: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def timing(self) -> Timing: ...


def provenance(
    facts: Made,
    title: str,
    hashes: Sequence[str],
    file: str,
    text: str,
    *,
    pictures: bool = False,
    examples: bool = False,
) -> Provenance:
    """Return the provenance of a page.

    `hashes` are those of the models; `text` is the content of the rendered `file`.
    """
    return Provenance(
        title=title,
        tool=facts.tool,
        created=written_date(facts.timing.created),
        command=" ".join([facts.command[0], shlex.join(facts.command[1:])]) if facts.command else "",
        seconds=f"{facts.timing.wall_s:.1f}",
        settings=_settings(facts.settings),
        environment=_environment(facts),
        equivalence_level=round(100 * (1 - 2 * facts.settings.alpha), 6),
        short_hashes=short_hashes(hashes),
        file=file,
        sha256=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        pictures=pictures,
        examples=examples,
    )


def _environment(facts: Made) -> Table:
    rows = tuple(Row((part, facts.environment[part])) for part in natural_order(facts.environment))
    return Table("Versions", "Environment of the run", ("Part", "Version or value"), rows)


def written_date(created: str) -> str:
    """Format an ISO time as a date; other texts stay unchanged.

    Examples
    --------
    >>> written_date("2026-01-02T12:00:00+00:00")
    '2 January 2026, 12:00 UTC'
    """
    try:
        moment = dt.datetime.fromisoformat(created).astimezone(dt.UTC)
    except ValueError:
        return created
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment:%Y, %H:%M} UTC"


def _settings(settings: Settings) -> Table:
    """Return the table of settings: name, value, meaning, and who chose it."""
    ratio = settings.ratio_tolerance
    meaning = {
        "alpha": (f"{settings.alpha:g}", "error rate of every test, and of the intervals"),
        "tolerance": (
            exact_points(settings.tolerance),
            "groups shown to differ by less are equivalent; a probe may set its own for a question",
        ),
        "ratio_tolerance": ("none" if ratio is None else f"{ratio:g}", "the same as a factor, for answers and errors rarer than 10 %"),
        "min_group_size": (in_words(settings.min_group_size, "image"), "smaller groups are shown, not judged"),
        "draws": (count(settings.draws), "shuffles of a permutation test; the smallest possible p is 1 / (draws + 1)"),
        "seed": (str(settings.seed), "of the random draws: the same seed gives the same numbers"),
        "limit": ("all images" if settings.limit is None else in_words(settings.limit, "image"), "a sample of the images instead of all"),
        "max_skip": (f"{100 * settings.max_skip:g} %", "share of unreadable images above which the audit stops"),
    }
    default = Settings()
    chosen = {True: "the program's default", False: "set for this run"}
    rows = tuple(
        Row((name.replace("_", "-"), *meaning[name], chosen[getattr(settings, name) == getattr(default, name)]))
        for name in (field.name for field in fields(Settings))
        if name in meaning
    )
    return Table("Thresholds", "Settings that affect numbers", ("Setting", "Value", "Meaning", "Chosen by"), rows)
