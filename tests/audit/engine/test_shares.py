"""Attributes of which an image has several values: what takes a single member of a group is refused by name."""

from dataclasses import replace

import pytest

from audit.engine.probe_audit import audit
from audit.errors import UsageError
from audit.plans import PairedClaim, RightAnswer, WhatIfPlan
from audit.testing import FakeEncoder, four_faces
from audit.types import Claim, LabelSet, Measurement, Probe, Settings

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
    (found,) = run(("neutral-label",), what_ifs=(WHAT_IF,)).what_ifs
    assert "tone" not in repr(found)
