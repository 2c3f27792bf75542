"""Does any page contradict itself? Audits drawn at random are checked against the rule book of `tests/support/coherence.py`.

Hypothesis draws designs (sizes, clusters, weights, pairs, missing truth, degenerate models, gates, comparisons). Prints progress with the
rate per 100 designs, then every broken rule with the shortest design that breaks it, and how many audits reached each verdict. Exits with 1
if a rule is broken. A long run may be split: designs depend on `--seed` plus their position, in steps of 100.
"""

import argparse
import os
import sys
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from audit.errors import AuditError
from tests.support.coherence import CHANGE_RULES, RULES, Case, broken
from tests.support.drawn_audits import Design, cases, designs

BATCH = 100


@dataclass
class Breach:
    """A rule that is broken: how often, and the shortest design that breaks it."""

    count: int
    sentence: str
    design: str

    def merge(self, other: "Breach") -> None:
        self.count += other.count
        self.sentence, self.design = min(
            (self.sentence, self.design), (other.sentence, other.design), key=lambda pair: (len(pair[1]), pair)
        )


@dataclass
class Tally:
    """The results of some designs."""

    counts: Counter = field(default_factory=Counter)
    breaches: dict[str, Breach] = field(default_factory=dict)
    cpu_seconds: float = 0.0

    def add_breach(self, rule: str, breach: Breach) -> None:
        if rule in self.breaches:
            self.breaches[rule].merge(breach)
        else:
            self.breaches[rule] = breach

    def merge(self, other: "Tally") -> None:
        self.counts += other.counts
        self.cpu_seconds += other.cpu_seconds
        for rule, breach in other.breaches.items():
            self.add_breach(rule, breach)


def check(design: Design, tally: Tally) -> None:
    """Audit a design and check all its results."""
    try:
        for case in cases(design):
            tally.counts["audits" if isinstance(case, Case) else "comparisons"] += 1
            if isinstance(case, Case):
                tally.counts.update(audit["verdict"] for audit in case.results["audits"])
            for contradiction in broken(case):
                rule, _, sentence = contradiction.partition(": ")
                tally.add_breach(rule, Breach(1, sentence, repr(design)))
    except AuditError as error:
        tally.counts[f"refused: {str(error).splitlines()[0][:60]}"] += 1
    except Exception as error:  # a bug as serious as a contradiction: exit code 70
        where = traceback.extract_tb(error.__traceback__)[-1]
        sentence = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        tally.add_breach("no audit crashes", Breach(1, sentence, repr(design)))


def check_batch(number: int, count: int) -> Tally:
    """Draw `count` designs with this seed and check them."""
    tally, started = Tally(), time.process_time()
    warnings.simplefilter("ignore")

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(designs())
    def check_one(design) -> None:
        check(design, tally)

    check_one()
    tally.cpu_seconds = time.process_time() - started
    return tally


def print_result(tally: Tally, seconds: float) -> None:
    print(f"{seconds:.0f} s; " + ", ".join(f"{count:,} {what}" for what, count in tally.counts.most_common()))
    for rule, breach in sorted(tally.breaches.items()):
        print(f"BROKEN {rule}, {breach.count} times\n  {breach.sentence}\n  {breach.design}")
    print(f"{len(tally.breaches)} of {len(RULES) + len(CHANGE_RULES)} rules broken")


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--audits", type=int, default=2000)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parse.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    started, total, checked = time.perf_counter(), Tally(), 0
    starts = range(0, arguments.audits, BATCH)
    numbers, counts = [arguments.seed + start for start in starts], [min(BATCH, arguments.audits - start) for start in starts]
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        for number, count, tally in zip(numbers, counts, pool.map(check_batch, numbers, counts), strict=True):
            total.merge(tally)
            checked += count
            rate, broken_now = total.cpu_seconds / checked, ", ".join(tally.breaches) or "nothing"
            print(f"seed {number}: {checked:,} of {arguments.audits:,}, {rate:.2f} CPU s per design, {broken_now} broken", flush=True)
    print_result(total, time.perf_counter() - started)
    return int(bool(total.breaches))


if __name__ == "__main__":
    sys.exit(main())
