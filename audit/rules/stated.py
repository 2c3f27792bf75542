"""What an audit says about its data and its probe, and what was chosen: against the copy beside the answers, and the recorded command.

Anyone who deletes a note, a list of left out images or a limit from the results makes a page that does not name it. No number depends on
these, and equal copies prove nothing: they are not counted as verified, but a difference is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from verify.ledger import Difference, Ledger, Path

RUN = "vlm-audit run"
NOTES = {"--cluster": "cluster_chosen", "--weights": "weights_chosen"}
"""Option of the command -> code of the note about its column."""


def compare_stated(results: Mapping[str, Any], stated: Sequence[Mapping[str, Any]] | None, ledger: Ledger) -> None:
    """Compare the records of data and probe with their copy (None: the answers have none), and notes with the options of the command."""
    copies = {(copy["model"], copy["probe"]["name"]): copy for copy in stated or ()}
    options = _options(results["command"])
    for at, audit in enumerate(results["audits"]):
        copy = copies.get((audit["model"]["name"], audit["probe"]["name"]), {})
        for part in ("data", "probe"):
            for name, copied in copy.get(part, {}).items():
                _compare(("audits", at, part, name), audit[part].get(name), copied, ledger)
        for flag, code in NOTES.items():
            columns = [note["values"].get("column") for note in audit["data"]["notes"] if note["code"] == code]
            if flag in options and columns != [options[flag]]:
                ledger.differences.append(Difference(("audits", at, "data", code), columns, [options[flag]]))


def _compare(path: Path, recorded: Any, copied: Any, ledger: Ledger) -> None:
    """Compare a field with its copy; of a list, a difference shows what is missing, or is there in addition."""
    if recorded == copied or any(difference.path[: len(path)] == path for difference in ledger.differences):
        return
    if not (isinstance(recorded, list) and isinstance(copied, list)):
        ledger.differences.append(Difference(path, recorded, copied))
        return
    more = [Difference((*path, at), one, None) for at, one in enumerate(recorded) if one not in copied]
    missing = [Difference((*path, "missing", at), None, one) for at, one in enumerate(copied) if one not in recorded]
    ledger.differences += [*more, *missing] or [Difference(path, recorded, copied)]


def _options(command: Sequence[str]) -> dict[str, str]:
    """The options of a recorded command with their values; empty for another command than `run`.

    >>> _options(["vlm-audit run", "--cluster", "person", "--weights=w"])
    {'--cluster': 'person', '--weights': 'w'}
    """
    found = {}
    for word, after in pairwise([*command, ""] if command[:1] == [RUN] else []):
        flag, equals, value = word.partition("=")
        if flag in NOTES:
            found[flag] = value if equals else after
    return found
