"""Does a watch raise false alarms, and how soon does it detect a gap? Streams with known rates, looked at after every batch.

A design is a stream of rows of two or more groups that arrive in random order. Where no gap exceeds the tolerance, at most 5 % of the
streams may ever raise an alarm, at any look. Where one does, prints how many of the streams raise it, and the median number of rows until
then. One question is watched, so that the number of tests is that of the ordered pairs of groups. Seeded: stream i of a design is always
the same.
"""

import argparse
import math
import sys
from dataclasses import dataclass

import numpy as np

from audit.statistics.betting import log_wealth, rounds_of

ALPHA, BATCH, STREAMS = 0.05, 50, 2000


@dataclass(frozen=True)
class Stream:
    """Rows of groups with known rates."""

    shares: tuple[float, ...]
    """How often each group arrives."""
    rates: tuple[float, ...]
    tolerance: float = 0.0
    rows: int = 2000
    drift: float = 0.0
    """By how much all rates fall from the first row to the last."""

    @property
    def has_gap(self) -> bool:
        return max(self.rates) - min(self.rates) > self.tolerance + 1e-12

    def draw(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        group = rng.choice(len(self.shares), self.rows, p=self.shares)
        rate = np.array(self.rates)[group] - self.drift * np.arange(self.rows) / self.rows
        return group, rng.random(self.rows) < rate


NULLS: dict[str, Stream] = {
    "two equal groups, 80 %": Stream((0.5, 0.5), (0.8, 0.8)),
    "two equal groups, 50 %": Stream((0.5, 0.5), (0.5, 0.5)),
    "a group of 10 %, rates of 80 %": Stream((0.9, 0.1), (0.8, 0.8)),
    "a group of 1 %, rates of 50 %": Stream((0.99, 0.01), (0.5, 0.5)),
    "rates of 99 %": Stream((0.7, 0.3), (0.99, 0.99)),
    "rates of 1 %": Stream((0.7, 0.3), (0.01, 0.01)),
    "rates of 0.1 %, a group of 5 %": Stream((0.95, 0.05), (0.001, 0.001)),
    "seven groups from 2 % to 30 %": Stream((0.3, 0.2, 0.2, 0.15, 0.08, 0.05, 0.02), (0.8,) * 7),
    "a gap equal to the tolerance of 5 points": Stream((0.6, 0.4), (0.85, 0.8), 0.05),
    "the same near 100 %": Stream((0.6, 0.4), (1.0, 0.95), 0.05),
    "both rates fall by 30 points, a group of 10 %": Stream((0.9, 0.1), (0.9, 0.9), drift=0.3),
}
PLANTED: dict[str, Stream] = {
    "5 points, equal groups, 85 and 80 %": Stream((0.5, 0.5), (0.85, 0.8), rows=20_000),
    "5 points, equal groups, 55 and 50 %": Stream((0.5, 0.5), (0.55, 0.5), rows=20_000),
    "5 points, equal groups, 99 and 94 %": Stream((0.5, 0.5), (0.99, 0.94), rows=20_000),
    "5 points, a group of 10 %, 85 and 80 %": Stream((0.9, 0.1), (0.85, 0.8), rows=40_000),
    "5 points, a group of 2 %, 6 and 1 %": Stream((0.02, 0.98), (0.06, 0.01), rows=40_000),
    "5 points in one of seven groups": Stream((0.3, 0.2, 0.2, 0.15, 0.08, 0.05, 0.02), (0.85, 0.8, *(0.85,) * 5), rows=20_000),
    "10 points, tolerance 5": Stream((0.5, 0.5), (0.9, 0.8), 0.05, 20_000),
    "20 points, equal groups, 90 and 70 %": Stream((0.5, 0.5), (0.9, 0.7), rows=4000),
}


def alarm_row(stream: Stream, seed: int) -> int | None:
    """The row of the first look at which a test has reached the threshold; looks are after every batch."""
    group, event = stream.draw(seed)
    groups = range(len(stream.rates))
    threshold = math.log(len(groups) * (len(groups) - 1) / ALPHA)
    first: list[int] = []
    for one, other in ((one, other) for one in groups for other in groups if one < other):
        rows = np.flatnonzero((group == one) | (group == other))
        rounds = rounds_of(group[rows] == one, event[rows])
        for differences in (rounds.differences, -rounds.differences):
            reached = np.flatnonzero(log_wealth(differences, stream.tolerance) >= threshold)
            first += [int(rows[rounds.rows[reached[0]]]) + 1] if len(reached) else []
    return math.ceil(min(first) / BATCH) * BATCH if first else None


def measure(stream: Stream, streams: int) -> tuple[float, float]:
    """The share of streams that ever raise an alarm, and the median number of rows until then (of those that do; nan if none)."""
    rows = [row for seed in range(streams) if (row := alarm_row(stream, seed)) is not None]
    return len(rows) / streams, float(np.median(rows)) if rows else math.nan


def main(streams: int = STREAMS) -> int:
    """Print a line per design; 1 if a null design raises more alarms than it may, or a planted gap is missed in more than a tenth."""
    failed = []
    print(f"{streams:,} streams per design without a gap beyond the tolerance, a look after every {BATCH} rows: share that ever alarm")
    for name, stream in NULLS.items():
        share, _ = measure(stream, streams)
        # Of so many streams, a true share of 5 % exceeds this in one of a thousand runs.
        failed += [name] if share > ALPHA + 3.1 * math.sqrt(ALPHA * (1 - ALPHA) / streams) else []
        print(f"  {name:<48} {share:7.2%}  (max {stream.rows:,} rows)", flush=True)
    fewer = max(streams // 10, 20)
    print(f"{fewer:,} streams per design with a gap: share detected, and the median number of rows until then")
    for name, stream in PLANTED.items():
        share, rows = measure(stream, fewer)
        failed += [name] if share < 0.9 else []
        print(f"  {name:<48} {share:7.1%}  {rows:8,.0f} rows  (max {stream.rows:,})", flush=True)
    print("failed: " + "; ".join(failed) if failed else "all as promised")
    return int(bool(failed))


if __name__ == "__main__":
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--streams", type=int, default=STREAMS)
    sys.exit(main(parse.parse_args().streams))
