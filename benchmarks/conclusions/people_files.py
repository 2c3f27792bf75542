"""Are conclusions right on files that people really have? Designs with what goes wrong in them, one audit per file.

Half of a truth that has no score, true answers that are missing by answer, columns that were made from the answers, a second annotator as a
group, rows that belong together without a word of it, and groups in which every answer is right. For each design, prints in how many files
a planned question is a disparity although nothing differs (or in the wrong direction), and in how many one is equivalent although a
difference of the tolerance or more is true: both at most 7 %; and the verdicts. Seeded: file i of a design is always the same.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

import audit
from audit.results import AuditResult, Finding

FILES, DRAWS, MOST, TOLERANCE = 200, 499, 0.07, 0.05
LABELS = np.array(["no", "yes"])


@dataclass(frozen=True)
class Design:
    """How a file is made, and what is true of it."""

    name: str
    make: Callable[[np.random.Generator], pd.DataFrame]
    true: Mapping[str, float] = field(default_factory=dict)
    """Metric -> how much larger its rate is in group b than in a. For any other metric, nothing differs."""
    attributes: Sequence[str] | None = ("group",)
    undecidable: frozenset[str] = frozenset()
    """Metrics whose true difference the design leaves open: their verdicts are not counted."""


def table(group: np.ndarray, truth: np.ndarray, answer: np.ndarray, **columns: object) -> pd.DataFrame:
    rows = {"id": [f"i{row}" for row in range(len(group))], "group": group, "y_true": LABELS[truth.astype(int)]}
    return pd.DataFrame({**rows, "y_pred": LABELS[answer.astype(int)], **columns})


def two_groups(n: int) -> np.ndarray:
    return np.repeat(["a", "b"], n)


def half_of_the_truth(source: np.random.Generator) -> pd.DataFrame:
    """A calibrated score for "yes" alone; "yes" is true more often in b, and both groups are classified equally well."""
    group = two_groups(1500)
    score = np.where(group == "a", source.beta(2, 3, 3000), source.beta(3, 2, 3000))
    truth = source.random(3000) < score
    return table(group, truth, truth).drop(columns="y_pred").assign(**{"score:yes": score.round(4)})


def verified_less(share: float) -> Callable[[np.random.Generator], pd.DataFrame]:
    """One model; of b's answers "no" only a share has a true answer."""

    def make(source: np.random.Generator) -> pd.DataFrame:
        group, truth = two_groups(1500), source.random(3000) < 0.5
        answer = source.random(3000) < np.where(truth, 0.85, 0.1)
        rows = table(group, truth, answer)
        rows.loc[(group == "b") & ~answer & (source.random(3000) >= share), "y_true"] = ""
        return rows

    return make


def unconfirmed_misses(source: np.random.Generator) -> pd.DataFrame:
    """Of true "yes", 92 % of a and 84 % of b are right; half of b's misses have no true answer."""
    group, truth = two_groups(6000), source.random(12_000) < 0.5
    answer = source.random(12_000) < np.where(truth, np.where(group == "a", 0.92, 0.84), 0.08)
    rows = table(group, truth, answer)
    rows.loc[(group == "b") & truth & ~answer & (source.random(12_000) < 0.5), "y_true"] = ""
    return rows


def made_columns(source: np.random.Generator) -> pd.DataFrame:
    """One model for all groups, and the columns that an evaluation script writes beside its answers."""
    group, truth = two_groups(600), source.random(1200) < 0.5
    answer = np.where(source.random(1200) < 0.8, truth, ~truth)
    right, at = truth == answer, np.arange(1200)
    parsed = np.where(source.random(1200) < 0.01, "?", LABELS[answer.astype(int)])
    sure = np.where(right, source.beta(6, 2, 1200), source.beta(2, 4, 1200))
    return table(
        group, truth, answer, parsed=parsed, is_correct=np.where(right, "true", "false"),
        error_type=np.where(right, "none", np.where(answer, "false alarm", "miss")),
        confidence_band=np.array(["low", "medium", "high"])[np.digitize(sure, [0.4, 0.7])],
        date=[f"2024-03-{1 + row % 28:02}" for row in at], comment=np.array(["", "fine", "blurred"])[at % 3],
        source=[f"shots/{row % 30:03}.jpg" for row in at],
    )  # fmt: skip


def two_annotators(differ: float) -> Callable[[np.random.Generator], pd.DataFrame]:
    """The group is a second annotator's judgement of the truth; both err equally often. The model is right for 90 % of all people."""

    def make(source: np.random.Generator) -> pd.DataFrame:
        real, wrong = source.random(2000) < 0.5, (1 - np.sqrt(1 - 2 * differ)) / 2
        first, second = (real ^ (source.random(2000) < wrong) for _ in range(2))
        return table(np.where(second, "b", "a"), first, real ^ (source.random(2000) < 0.1))

    return make


def undeclared_images(source: np.random.Generator) -> pd.DataFrame:
    """Ten rows for each of 150 images, of which an image is mostly right or mostly wrong; no column of clusters is named."""
    image = np.repeat(np.arange(150), 10)
    group, rate = np.where(image % 2, "b", "a"), source.beta(0.7, 0.3, 150)[image]
    truth = source.random(1500) < 0.5
    return table(group, truth, np.where(source.random(1500) < rate, truth, ~truth), image=[f"photo_{one:04}.jpg" for one in image])


def all_right(n: int, b: float) -> Callable[[np.random.Generator], pd.DataFrame]:
    """Every answer about a is right, and a share of those about b."""

    def make(source: np.random.Generator) -> pd.DataFrame:
        group, truth = two_groups(n), np.tile([True, False], n)
        return table(group, truth, truth ^ ((group == "b") & (source.random(2 * n) >= b)))

    return make


_OF_MIRRORS = frozenset({"true_positive_rate", "false_positive_rate"})
DESIGNS = (
    Design("row 1: half of the truth has no score", half_of_the_truth, undecidable=_OF_MIRRORS),
    Design("row 3: 60 % of b's “no” verified", verified_less(0.6)),
    Design("row 3: 20 % of b's “no” verified", verified_less(0.2)),
    Design("row 3: half of b's misses unconfirmed", unconfirmed_misses, {"true_positive_rate": -0.08, "accuracy": -0.04}),
    Design("row 4: columns made from the answers", made_columns, attributes=None),
    *(Design(f"row 5: annotators who differ in {share:.0%}", two_annotators(share)) for share in (0.04, 0.06, 0.1, 0.2)),
    Design("row 6: 150 images x 10 rows, undeclared", undeclared_images),
    Design("row 7: all right, 60 + 60 images", all_right(60, 1.0)),
    Design(
        "row 7: all right against all wrong, 60 + 60", all_right(60, 0.0),
        {"accuracy": -1.0, "true_positive_rate": -1.0, "false_positive_rate": 1.0},
    ),
    Design(
        "row 7: all right against 93 %, 60 + 60", all_right(60, 0.93),
        {"accuracy": -0.07, "true_positive_rate": -0.07, "false_positive_rate": 0.07},
    ),
    Design(
        "row 7: all right against 92 %, 600 + 600", all_right(600, 0.92),
        {"accuracy": -0.08, "true_positive_rate": -0.08, "false_positive_rate": 0.08},
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What an audit concludes from a file."""

    verdict: str
    accuses: bool
    clears: bool
    certain: bool
    """Whether a gap has an interval of width 0."""


def outcome(design: Design, number: int) -> Outcome:
    """Audit file `number` of a design."""
    rows = design.make(np.random.default_rng([sum(design.name.encode()), number]))
    given = {} if design.attributes is None else {"attributes": list(design.attributes)}
    found: AuditResult = audit.audit(predictions=rows, draws=DRAWS, **given).results.audits[0]
    counted = [finding for finding in found.findings if finding.primary and finding.metric not in design.undecidable]
    certain = any(finding.gap and finding.gap.low == finding.gap.high for finding in found.findings)
    return Outcome(
        found.verdict, any(_accuses(finding, design) for finding in counted), any(_clears(finding, design) for finding in counted), certain
    )


def _accuses(finding: Finding, design: Design) -> bool:
    """Whether it is a disparity where nothing differs, or in the wrong direction."""
    if finding.verdict != "disparity" or finding.gap is None:
        return False
    true, pair = design.true.get(finding.metric, 0.0), finding.gap.leading
    return true == 0 or pair is None or (pair.higher == ("b",)) != (true > 0)


def _clears(finding: Finding, design: Design) -> bool:
    return finding.verdict == "equivalent" and abs(design.true.get(finding.metric, 0.0)) >= TOLERANCE


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--only", default="", help="designs whose name contains this")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    start, failed = time.process_time(), 0
    print(f"{'design':<44} {'accuses':>8} {'clears':>8} {'width 0':>8}  verdicts")
    for design in DESIGNS:
        if options.only not in design.name:
            continue
        outcomes = [outcome(design, number) for number in range(options.files)]
        accuses, clears, certain = (sum(getattr(one, name) for one in outcomes) for name in ("accuses", "clears", "certain"))
        bad = max(accuses, clears) > max(MOST * options.files, 1) or certain > 0
        failed += bad
        verdicts = ", ".join(f"{verdict} {many}" for verdict, many in Counter(one.verdict for one in outcomes).most_common())
        print(f"{design.name:<44} {accuses:>8} {clears:>8} {certain:>8}  {verdicts}{'  <- too many' * bad}", flush=True)
    print(f"{failed} designs failed; {options.files} files each, {time.process_time() - start:.0f} s of CPU time")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
