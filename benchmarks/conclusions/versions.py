"""Are the results of the same answers the same under every numpy and scipy that is allowed?

    python -m benchmarks.conclusions.versions audit OUT       # with the Python of each environment: results of the samples and of tables
    python -m benchmarks.conclusions.versions compare ONE OTHER ...

`audit` needs no torch. It audits the sample reports that are made from answers, and tables drawn at random: with and without clusters,
weights, pairs and true answers, and some of them compared with another model. `compare` names every field of a result that differs from
that of the first folder by more than 1e-9 of its size, and by more than 1e-12: a limit near 0 is a difference of rates. A p from counts of
draws that differs, differs by more: such p are equal. It ends with 1 if any field differs.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from audit import compare
from audit.errors import AuditError
from audit.records import comparison as comparison_file
from audit.results import to_json
from docs.tools import gallery
from tests.support import drawn_audits
from tests.support.drawn_audits import Design

SIZES = (
    (12, 31, 60), (150, 60, 31, 12), (31,) * 8, (40, 2500), (2500, 2500, 40), (400, 300), (300,) * 4, (700, 200, 30), (60, 60), (150, 31),
)  # fmt: skip
TABLES, DRAWS, ROUNDING = 200, 999, 1e-12


def design(number: int) -> Design:
    """Return the design of a table: the same under every version, which a strategy of Hypothesis would not be."""
    chosen = random.Random(f"versions of numpy {number}")
    truth = chosen.choice(drawn_audits.TRUTHS)
    pairs = chosen.random() < 0.2
    return Design(
        sizes=chosen.choice(SIZES),
        model=chosen.choice([model for model in drawn_audits.MODELS if truth != "one answer" or model != "wrong"]),
        truth=truth,
        clusters="none" if pairs else chosen.choice(("none", "none", *drawn_audits.CLUSTERS)),
        weights=chosen.choice(("none", "none", *drawn_audits.WEIGHTS)),
        labels=chosen.choice((2, 3)),
        rate=chosen.choice((0.1, 0.1, 0.004, 0.4)),
        effect=chosen.choice((0.0, 0.05, 0.15, 0.5)),
        gender=chosen.random() < 0.5,
        noisy_copy=chosen.random() < 0.2,
        pairs=pairs,
        options={"min_group_size": 10} if chosen.random() < 0.5 else {},
        seed=number,
    )


def results(number: int, draws: int) -> Iterator[tuple[str, str]]:
    """Yield the file of results of a table, and of every second one also that of a comparison with another model."""
    drawn = design(number)
    try:
        before = drawn_audits.audited(drawn, draws=draws)
        yield "results.json", to_json(before.results)
        if number % 2:
            after = drawn_audits.audited(replace(drawn, effect=0.0), "good", draws=draws)
            yield "comparison.json", comparison_file.to_json(compare(before, after).facts)
    except AuditError as error:  # to be refused in the same words
        yield "refused.json", json.dumps({"refused": str(error)})


def audit_all(out: Path, tables: int, draws: int) -> None:
    """Write the results of the samples and of the tables into a folder."""
    out.mkdir(parents=True)
    for sample in (sample for sample in gallery.SAMPLES if sample.from_input):
        with tempfile.TemporaryDirectory() as work:
            shutil.copy(sample.make(Path(work)) / sample.file, out / f"{sample.name}.{sample.file}")
    for number in range(tables):
        for name, text in results(number, draws):
            (out / f"table-{number:03}.{name}").write_text(text, "utf-8")
        print(f"\r{number + 1} of {tables} tables", end="", file=sys.stderr)
    print(f"\nPython {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}: {len(list(out.iterdir()))} files")


def read(path: Path) -> Any:
    """Return the results of a file, without what says when and where they were made."""
    return {**json.loads(path.read_text("utf-8")), **dict.fromkeys(gallery.MADE)}


def compare_all(one: Path, other: Path) -> int:
    """Print what differs between two folders, and return in how many fields."""
    names = sorted({path.name for folder in (one, other) for path in folder.iterdir()})
    found = [
        f"{name}{difference}"
        for name in names
        for difference in (gallery.differences(*(read(folder / name) for folder in (one, other)), absolute=ROUNDING))
    ]
    print(*found, f"{one} and {other}: {len(found)} fields of {len(names)} files differ", sep="\n")
    return len(found)


def main() -> int:
    parse = argparse.ArgumentParser("python -m benchmarks.conclusions.versions", description=__doc__.splitlines()[0])
    commands = parse.add_subparsers(dest="command", required=True)
    audits = commands.add_parser("audit", help="write the results under the versions of this Python")
    audits.add_argument("out", type=Path)
    audits.add_argument("--tables", type=int, default=TABLES)
    audits.add_argument("--draws", type=int, default=DRAWS)
    compares = commands.add_parser("compare", help="compare folders of results with the first")
    compares.add_argument("one", type=Path)
    compares.add_argument("others", type=Path, nargs="+")
    chosen = parse.parse_args()
    if chosen.command == "audit":
        audit_all(chosen.out, chosen.tables, chosen.draws)
        return 0
    return int(sum([compare_all(chosen.one, other) for other in chosen.others]) > 0)


if __name__ == "__main__":
    sys.exit(main())
