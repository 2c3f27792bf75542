"""What an audit says about its data, and what was chosen: against the copy beside the answers, and against the recorded command.

Whoever deletes a note or a limit from the results makes a page on which a choice is not named. None of these decides a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from verify.ledger import Ledger, Path

RUN = "vlm-audit run"
NOTES = {"--cluster": "cluster_chosen", "--weights": "weights_chosen"}
"""Option of the command -> code of the note about its column."""


def verify_choices(results: Mapping[str, Any], stated: Sequence[Mapping[str, Any]] | None, ledger: Ledger) -> None:
    """Compare notes and limits with their copy (None: the answers have none), and the notes with the options of the command."""
    copies = {(copy["model"], copy["probe"]): copy for copy in stated or ()}
    options = _options(results["command"])
    for at, audit in enumerate(results["audits"]):
        path, notes = ("audits", at), audit["data"]["notes"]
        if (copy := copies.get((audit["model"]["name"], audit["probe"]["name"]))) is not None:
            _compare_each((*path, "data", "notes"), notes, copy["notes"], ledger)
            for name in ("limits", "not_tested"):
                _compare_each((*path, "probe", name), audit["probe"][name], copy[name], ledger)
        for flag, code in NOTES.items():
            columns = [note["values"].get("column") for note in notes if note["code"] == code]
            if flag in options and columns != [options[flag]]:
                ledger.compare((*path, "data", code), columns, [options[flag]])


def _compare_each(path: Path, recorded: Sequence[object], copied: Sequence[object], ledger: Ledger) -> None:
    """Compare two lists whose order does not matter, so that a difference shows what is missing, or is there in addition."""
    for at, one in enumerate(recorded):
        ledger.compare((*path, at), one, one if one in copied else None)
    for at, one in enumerate(copied):
        if one not in recorded:
            ledger.compare((*path, "missing", at), None, one)


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
