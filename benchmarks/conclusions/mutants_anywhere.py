"""Do the tests notice a fault anywhere? Seeded faults in all packages, each against the tests that run its line.

Faults are those of `benchmarks.conclusions.mutants`, chosen from all places that a test runs by the hash of their names and a seed. Record
first which tests run which line, in the widest tier that counts, with `pip install coverage`:

    pytest -n 3 -m 'not calibration' -p tests.support.covered_lines
    python -m benchmarks.conclusions.mutants_anywhere --faults 200 --seed 1

The tests of `make test` come first, the quickest before the others, and what is slow after them: what kills a fault says in which tier.
"""

import argparse
import ast
import hashlib
import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterator

from benchmarks.conclusions.mutants import LIBRARIES, ROOT, Fault, killer, places_in
from tests.support.covered_lines import PACKAGES, seconds_and_tiers, tests_by_line

TOGETHER = 40
"""How many tests one call of pytest runs; the first are the quickest, and most faults end there."""


def places(covered: dict[str, dict[int, set[str]]]) -> dict[Fault, int]:
    """Return all faults at lines that a test runs, with their lines."""
    found = {}
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for fault, node, _ in places_in(name, ast.parse(path.read_text("utf-8"))):
            if covered.get(name, {}).get(node.lineno):
                found.setdefault(fault, node.lineno)
    return found


def chosen(faults: dict[Fault, int], many: int, seed: int) -> list[Fault]:
    """Return as many faults as asked, by the hash of their names."""
    return sorted(faults, key=lambda fault: hashlib.sha256(f"{seed} {fault}".encode()).hexdigest())[:many]


def stages(tests: set[str], known: dict[str, tuple[float, bool]]) -> Iterator[list[str]]:
    """Yield the tests in the order in which they are asked."""
    for slow in (False, True):
        ordered = sorted((test for test in tests if known[test][1] is slow), key=lambda test: (known[test][0], test))
        yield from (["-m", "not calibration", *ordered[begin : begin + TOGETHER]] for begin in range(0, len(ordered), TOGETHER))


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--faults", type=int, default=200)
    parse.add_argument("--seed", type=int, default=1)
    arguments = parse.parse_args()
    os.chdir(ROOT)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    covered, known = tests_by_line(), seconds_and_tiers()
    lines = places(covered)
    for library in LIBRARIES:  # once, for every child
        importlib.import_module(library)
    counted: Counter[str] = Counter()
    for fault in chosen(lines, arguments.faults, arguments.seed):
        tests = covered[fault.path][lines[fault]] & known.keys()
        before = os.times().children_user
        found = killer(fault, list(stages(tests, known)))
        tier = "SURVIVES" if not found else "slow" if known.get(found, (0, False))[1] else "test"
        print(f"{tier:<9}{fault!s:<100} {len(tests):5} tests {os.times().children_user - before:6.1f} CPU s  {found}", flush=True)
        counted[tier] += 1
    print(f"of {len(lines)} places: " + ", ".join(f"{count} {tier}" for tier, count in counted.most_common()))
    return int(counted["SURVIVES"] > 0)


if __name__ == "__main__":
    sys.exit(main())
