"""What only people know about a question or a group, from their TOML file; what they leave out is "not stated", never a default.

::

    [default]
    owner = "A. Example"

    [questions."harm-21/selection_rate[crime-related]/race"]
    tolerance_reason = "the product's requirement 17"

    [questions."harm-21/selection_rate[crime-related]/race".groups."Black"]
    hazard = "pictures of people are sorted among those of criminals"
"""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from pydantic import StrictStr

from audit.errors import DataError, UsageError, nearest
from audit.results import Finding, Results
from audit.types import Group
from reports.text.numbers import clean
from strictio.files import read_text
from strictio.schema import from_dict, record

NOT_STATED = "not stated"
_MOST_BYTES, _MOST_CHARACTERS = 1 << 20, 2000


@record
class Stated:
    """Statements about a group, a question, or everything; an empty one is not stated."""

    labelled: StrictStr = ""
    """How the group was labelled, and by whom."""
    hazard: StrictStr = ""
    """What may happen to people of the group."""
    tolerance_reason: StrictStr = ""
    mitigation: StrictStr = ""
    owner: StrictStr = ""
    review_date: StrictStr | dt.date = ""
    signature: StrictStr = ""


@record
class StatedAboutQuestion(Stated):
    """Statements about a question, and about its groups."""

    groups: Mapping[str, Stated] = field(default_factory=dict)


@record
class Statements:
    """The file."""

    default: Stated = Stated()
    questions: Mapping[str, StatedAboutQuestion] = field(default_factory=dict)

    def about(self, finding: Finding, group: Group) -> dict[str, str]:
        """The statements about a group: its own, else those about the question, else the default."""
        question = self.questions.get(finding.id, StatedAboutQuestion())
        levels = (question.groups.get(" x ".join(group), Stated()), question, self.default)
        return {name: next((text for level in levels if (text := _text(level, name))), NOT_STATED) for name in NAMES}


NAMES = tuple(Stated.__annotations__)


def read_statements(path: Path, results: Results) -> Statements:
    """Read the file; raises DataError if it is not TOML, UsageError for a name, question or group that does not exist, or a long text."""
    where = str(path)
    try:
        table = tomllib.loads(read_text(path, _MOST_BYTES))
    except OSError as error:
        raise DataError("the statements cannot be read", where=where, why=error.strerror, fix="--statements profile.toml") from error
    except (ValueError, RecursionError) as error:  # from UTF-8 or TOML
        raise DataError("the statements are not TOML", where=where, why=str(error)[:200], fix="see docs/output.md") from error
    statements = from_dict(Statements, table, "the statements")
    _check_names(statements, results, where)
    for stated in (statements.default, *statements.questions.values()):
        _check_lengths(stated, where)
    return statements


def _check_names(statements: Statements, results: Results, where: str) -> None:
    groups: dict[str, set[str]] = {}
    for audit in results.audits:
        for finding in audit.findings:
            groups.setdefault(finding.id, set()).update(" x ".join(rate.group) for rate in finding.by_group)
    for question, stated in statements.questions.items():
        if question not in groups:
            raise UsageError(f"no question {question[:80]!r} in these results", where=where, fix=nearest(question[:80], groups))
        for group in stated.groups:
            if group not in groups[question]:
                what = f"no group {group[:80]!r} in the question {question!r}"
                raise UsageError(what, where=where, fix=nearest(group[:80], groups[question]))


def _check_lengths(stated: Stated, where: str) -> None:
    for about in (stated, *(stated.groups.values() if isinstance(stated, StatedAboutQuestion) else ())):
        if long := [name for name in NAMES if len(_text(about, name)) > _MOST_CHARACTERS]:
            what = f"the statement {long[0]!r} has more than {_MOST_CHARACTERS:,} characters"
            raise UsageError(what, where=where, fix="write a sentence, and name the document with the rest")


def _text(stated: Stated, name: str) -> str:
    value = getattr(stated, name)
    return value.isoformat() if isinstance(value, dt.date) else clean(value).strip()
