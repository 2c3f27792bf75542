"""Attributes of which an image has several values: what takes a single member of a group is refused by name."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from audit.api.audit_output import assemble_results
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.output.predictions import predictions_table
from audit.plans import PairedClaim, RightAnswer, WhatIfPlan
from audit.records.base import Timing
from audit.results import to_json
from audit.testing import FakeEncoder, four_faces
from audit.types import Claim, LabelSet, Measurement, Probe, Settings
from tests.support.verified import verified

LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a woman",), "Male": ("a man",)})
CLAIMS = (Claim("accuracy", ("race",)), Claim("accuracy", ("tone",), primary=False))
ASKED = Measurement("gender", "?", LABELS, "test v1", CLAIMS, truth="gender")
PAIRS = PairedClaim("gender", "race", "Black", "White", within=("scene",), cluster="scene")
WHAT_IF = WhatIfPlan("Without race?", "gender/accuracy/race")


def data(several):
    faces = four_faces(20)
    attributes = faces.attributes.assign(
        tone=["light|dark" if row % 3 else "light" for row in range(80)], scene=[f"scene {row // 2}" for row in range(80)]
    ).astype("str")
    levels = {**faces.levels, "tone": ("light", "dark"), "scene": tuple(attributes["scene"].unique())}
    return replace(faces, attributes=attributes, levels=levels, several=several)


def run(methods=(), **asked):
    faces = data(("tone",))
    probe = Probe("p", "?", lambda options: faces, (ASKED,), "ours", "none", (), (), **asked)
    return audit(FakeEncoder(), probe, faces, Settings(draws=99), what_ifs=methods).result


@pytest.mark.parametrize(
    ("pairs", "named"),
    [
        (replace(PAIRS, attribute="tone", first="light", second="dark"), "tone"),
        (replace(PAIRS, within=("scene", "tone")), "tone"),
        (replace(PAIRS, cluster="tone"), "tone"),
    ],
)
def test_pairs_by_shares_are_refused_by_name(pairs, named):
    with pytest.raises(UsageError, match=f"pairs by '{pairs.attribute}': an image has several values of '{named}'"):
        run(paired=(pairs,))


@pytest.mark.slow
@pytest.mark.parametrize(
    "plan",
    [
        replace(WHAT_IF, finding="gender/accuracy/tone"),
        replace(WHAT_IF, cluster="tone"),
        replace(WHAT_IF, right=RightAnswer(("tone",), {("light",): "Male"}, "light is right")),
    ],
)
def test_what_ifs_by_shares_are_refused_by_name_where_they_are_asked_for(plan):
    with pytest.raises(UsageError, match="the what-if 'Without race\\?': an image has several values of 'tone'"):
        run(("neutral-label",), what_ifs=(plan,))
    assert run(what_ifs=(plan,)).findings


@pytest.mark.slow
def test_a_what_if_by_another_attribute_is_not_shown_by_shares():
    (found,) = run(("neutral-label",), what_ifs=(WHAT_IF,)).analyses["what_ifs"]
    assert "tone" not in repr(found)


def test_verify_recomputes_who_is_not_compared_by_shares(tmp_path):
    """Six images of one more tone: too few to compare, and named."""
    faces = data(("tone",))
    tone = faces.attributes["tone"].where(np.arange(len(faces.attributes)) >= 6, "light|grey")
    faces = replace(faces, attributes=faces.attributes.assign(tone=tone), levels={**faces.levels, "tone": ("light", "dark", "grey")})
    probe = Probe("p", "?", lambda options: faces, (ASKED,), "ours", "none", (), ())
    done = audit(FakeEncoder(), probe, faces, Settings(draws=99, min_group_size=10))
    results = json.loads(to_json(assemble_results([done], Settings(draws=99, min_group_size=10), [], {}, Timing("2026-01-01", 0.0))))
    pq.write_table(predictions_table([(done.result, done.predictions)]), tmp_path / "predictions.parquet")
    finding = results["audits"][0]["findings"][1]
    assert [(one["code"], one["n"]) for one in finding["uncovered"]] == [("not compared", 6)]
    assert verified(results, tmp_path / "predictions.parquet").differences == []
    finding["uncovered"] = []
    assert verified(results, tmp_path / "predictions.parquet").differences
