"""Watches to draw: made from rows in memory, without a file."""

import math

import numpy as np
import pandas as pd

from audit.extensions.watch.gaps import watch_gap
from audit.extensions.watch.page import render_watch
from audit.extensions.watch.record import SCHEMA_VERSION, Look, UsedRows, Watch, WatchColumns, WatchedQuestion, WatchPlan
from audit.records.base import Timing
from audit.types import UNKNOWN, Predictions

COLUMNS = WatchColumns(("gender",), None, None, "person", ("age=18,30",), None)
GROUPS = ("man", "other", "woman")


def watched(gap=0.3, n=600, groups=GROUPS):
    """Return a watch over rows of some groups, the last of which is right less often by `gap`; a late group and an unknown value."""
    rng = np.random.default_rng(0)
    names = np.array([*groups, "late", UNKNOWN], object)[rng.choice(len(groups) + 2, n, p=[0.9 / len(groups)] * len(groups) + [0.05, 0.05])]
    truth = np.where(rng.random(n) < 0.5, "cat", "dog").astype(object)
    right = rng.random(n) < np.where(names == groups[-1], 0.9 - gap, 0.9)
    answers = np.where(right, truth, np.where(truth == "cat", "dog", "cat")).astype(object)
    attributes = pd.DataFrame({"gender": names})
    rows = Predictions(("cat", "dog"), ("cat", "dog"), np.zeros((n, 0), np.float32), answers, truth, attributes, np.zeros(0, np.float32))
    questions = (
        WatchedQuestion("predictions/accuracy/gender", "predictions", "accuracy", "gender", None, (), groups),
        WatchedQuestion("own/selection_rate[dog]/gender", "own", "selection_rate", "gender", "dog", ("dog",), groups),
    )
    plan = WatchPlan("<i>in</i>", 0.05, 0.05, ("dog=dog",), COLUMNS, questions, "2026-01-02T12:00:00+00:00")
    used = (UsedRows("day-1.csv", 0, n // 3, "a" * 64), UsedRows("day-2.csv", 0, n - n // 3, "b" * 64))
    assert math.isfinite(plan.log_threshold)
    return Watch(
        schema_version=SCHEMA_VERSION, status="complete", tool="vlm-audit 0.1.0", command=("vlm-audit watch", "in", "--out", "out"),
        plan=plan, used=used, looks=(Look("2026-01-02T12:00:00+00:00", n // 3), Look("2026-01-03T12:00:00+00:00", n)),
        gaps=tuple(watch_gap(question, rows, plan, used) for question in questions), environment={"numpy": "2.4.6"},
        timing=Timing("2026-01-03T12:00:00+00:00", 1.0),
    )  # fmt: skip


PAGES = {"watch": lambda: render_watch(watched()), "watch without an alarm": lambda: render_watch(watched(gap=0.0))}
