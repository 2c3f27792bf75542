"""``vlm-audit verify DIR|PACK``: recomputes the numbers with `verify`; then renders the page, summary, card and tables again.

The first step shares no code with this program; the second one is this program's own code, and its outcome is named apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest

from strictio.console import prepare_streams
from strictio.limits import parse_json
from verify import command
from verify.command import Rendered
from verify.source import Source, UnreadableError

OF_ROWS = frozenset({"tables/near_duplicates.csv"})
"""Tables that do not follow from the results."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    return command.parser(renders=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Verify a folder or an archive, print the result and return the exit code."""
    prepare_streams()
    return command.main(argv, rendered_again)


def rendered_again(source: Source) -> Rendered:
    """Render again what follows from the results alone, and name the files that have other bytes."""
    from audit.output.directory import AUDIT, COMPARISON
    from audit.version import __version__

    names, here = source.names(), f"vlm-audit {__version__}"
    name = AUDIT if AUDIT in names else COMPARISON
    try:
        facts = source.read(name).decode()
        tool = parse_json(facts)["tool"]
        if tool != here:
            return Rendered(omitted=f"they are of {ascii(str(tool))[1:-1][:80]}, and this is {here}")
        files = _files(name, facts)
    except MemoryError:
        raise
    except Exception as error:  # results that contradict themselves
        return Rendered(problems=(f"{name} cannot be rendered ({type(error).__name__}: {ascii(str(error))[1:-1][:200]})",))
    others = {name for name in names if name.startswith(("tables/", "model_card")) and name not in OF_ROWS} - {*files}
    problems = [problem for name, text in files.items() if (problem := _problem(source, name, text, names))]
    problems += [f"{ascii(name)[1:-1]}: no such file follows from the results" for name in sorted(others)]
    return Rendered(len(files), tuple(problems))


def _files(name: str, facts: str) -> Mapping[str, str]:
    from audit import results
    from audit.output.directory import AUDIT
    from audit.records import comparison
    from reports.rendered import files_of_audit, files_of_comparison

    return files_of_audit(results.from_json(facts), facts) if name == AUDIT else files_of_comparison(comparison.from_json(facts))


def _problem(source: Source, name: str, text: str, names: set[str]) -> str:
    """Say how a file differs from what follows from the results; empty if it does not."""
    if name not in names:
        return f"{name}: it follows from the results, and is missing"
    expected = text.encode()
    try:
        found = source.read(name)
    except UnreadableError as error:
        return str(error).split(",", maxsplit=1)[0]
    if found == expected:
        return ""
    lines = zip_longest(found.split(b"\n"), expected.split(b"\n"))
    line = next(number for number, (one, other) in enumerate(lines, 1) if one != other)
    return f"{name}: line {line:,} is not what follows from the results"


if __name__ == "__main__":
    sys.exit(main())
