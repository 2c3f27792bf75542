"""Does any page contradict itself? Audits drawn at random, each put to the rule book of `tests/support/coherence.py`.

Hypothesis draws designs (sizes, clusters, weights, pairs, missing truth, degenerate models, gates, comparisons) and shrinks what breaks a
rule. Prints every broken rule with its smallest design, and how many audits each kind of verdict came from; exits with 1 where one broke.
"""

import argparse
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from audit.errors import AuditError
from tests.support.coherence import CHANGE_RULES, RULES, Case, broken
from tests.support.drawn_audits import cases, designs

A_PART = 100


def examine(number: int, audits: int) -> tuple[Counter, dict[str, tuple[int, str, str]]]:
    """Put so many audits to the rules; return what was seen, and of every broken rule how often, one contradiction and its design."""
    seen: Counter = Counter()
    breaches: dict[str, tuple[int, str, str]] = {}
    warnings.simplefilter("ignore")

    @seed(number)
    @settings(max_examples=audits, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(designs())
    def put(design) -> None:
        try:
            for case in cases(design):
                seen["audits" if isinstance(case, Case) else "comparisons"] += 1
                if isinstance(case, Case):
                    seen.update(audit["verdict"] for audit in case.results["audits"])
                for said in broken(case):
                    name, _, what = said.partition(": ")
                    many, before, smallest = breaches.get(name, (0, what, repr(design)))
                    smaller = len(repr(design)) < len(smallest)
                    breaches[name] = (many + 1, what if smaller else before, repr(design) if smaller else smallest)
        except AuditError as error:
            seen[f"refused: {str(error).splitlines()[0][:60]}"] += 1
        except Exception as error:  # a defect as grave as a contradiction: exit code 70
            where = traceback.extract_tb(error.__traceback__)[-1]
            said = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
            breaches["no audit crashes"] = (breaches.get("no audit crashes", (0,))[0] + 1, said, repr(design))

    put()
    return seen, breaches


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--audits", type=int, default=2000)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parse.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started, seen, breaches = time.perf_counter(), Counter(), {}
    parts = [(arguments.seed + start, min(A_PART, arguments.audits - start)) for start in range(0, arguments.audits, A_PART)]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        for counted, broke in pool.map(examine, *zip(*parts, strict=True)):
            seen += counted
            for name, (many, what, design) in broke.items():
                before = breaches.get(name, (0, what, design))
                breaches[name] = (before[0] + many, *(min(before[1:], (what, design), key=lambda pair: len(pair[1]))))
    print(f"{time.perf_counter() - started:.0f} s; " + ", ".join(f"{count:,} {what}" for what, count in seen.most_common()))
    for name, (many, what, design) in sorted(breaches.items()):
        print(f"BROKEN {name}, {many} times\n  {what}\n  {design}")
    print(f"{len(breaches)} of {len(RULES) + len(CHANGE_RULES)} rules broken")
    return int(bool(breaches))


if __name__ == "__main__":
    sys.exit(main())
