"""What-ifs through the engine: adding 'child' on a planted set moves the harm rate as computed by hand; nothing else changes."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audit.embedding.cache import EmbeddingCache, image_key
from audit.embedding.embed import DECODE_POLICY
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.measure.embedded import fit_half
from audit.plans import RightAnswer, WhatIfPlan
from audit.types import Claim, Dataset, LabelSet, Measurement, Probe, Settings
from reports.text.notes import sentence

# To the fake encoder an image is its mean colour: red is a person, green a thief, blue a child.
AXES = {"a person": [1.0, 0.0, 0.0], "a thief": [0.0, 1.0, 0.0], "a child": [0.0, 0.0, 1.0]}
PERSON, THIEF, CHILD_THIEF, CHILD_PERSON = (230, 60, 20), (60, 230, 20), (20, 130, 200), (130, 20, 200)
LABELS = LabelSet("two", ("person", "thief"), {"person": ("a person",), "thief": ("a thief",)})
HARM = Measurement("harm", "?", LABELS, "p v1", (Claim("selection_rate", ("age",), "crime"),), outcomes={"crime": ("thief",)})
RIGHT = RightAnswer(("age",), {("young",): "person", ("old",): "person"}, "images answered with 'person'")
PLAN = WhatIfPlan("Crime-related words by age", "harm/selection_rate[crime]/age", neutral={"child": ("a child",)}, right=RIGHT)
PROBE = Probe("planted", "?", lambda _: None, (HARM,), "made up", "none", ("Nothing.",), ("Everything.",), what_ifs=(PLAN,))
KINDS = [("young", PERSON, 60), ("young", CHILD_THIEF, 40), ("young", CHILD_PERSON, 100), ("old", PERSON, 160), ("old", THIEF, 40)]


def png(colour, number):
    buffer = io.BytesIO()
    image = Image.new("RGB", (16, 16), colour)
    image.putpixel((number % 16, number // 16), (colour[0], colour[1], 19))  # every picture has content of its own
    image.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def faces():
    images = [png(colour, number) for _, colour, n in KINDS for number in range(n)]
    rows = pd.DataFrame({"age": [age for age, _, n in KINDS for _ in range(n)]}, dtype="str")
    rows.index = pd.Index([f"{row}.png" for row in range(len(rows))])
    return Dataset("faces", images, rows, {"age": ("young", "old")}, "4" * 64, "made by the test", "none")


@pytest.fixture
def run(fake_encoder, tmp_path, faces):
    def run(probe=PROBE, **given):
        encoder = type(fake_encoder)(AXES, logit_scale=10.0)
        return audit(encoder, probe, faces, Settings(draws=1999), cache_root=tmp_path / "cache", **given)

    return run


@pytest.mark.slow
def test_adding_child_moves_the_harm_rate_as_computed_by_hand(run, faces):
    """Of the young 40 of 200 are thieves and all of them look like children more; of the old 40 of 200 are, and none does.

    Whatever half is shown: the young rate falls to 0, the old rate stays, and 'child' takes every image that looks like a child.
    """
    (found,) = run(what_ifs=["neutral-label"]).result.analyses["what_ifs"]
    (point,) = found.target.points
    # The half that is shown, from the same hashes of content.
    rows = ~fit_half([image_key(content, DECODE_POLICY) for content in faces.images], 0)
    kind, what_if = np.repeat(np.arange(len(KINDS)), [n for _, _, n in KINDS])[rows], point.what_if
    young, old = np.isin(kind, [0, 1, 2]), np.isin(kind, [3, 4])
    by_group = {each.group: each for each in what_if.by_group}

    assert by_group[("young",)].before == pytest.approx((kind == 1).sum() / young.sum())
    assert by_group[("young",)].after == 0.0
    assert by_group[("young",)].moved == pytest.approx(np.isin(kind, [1, 2]).sum() / young.sum())
    assert by_group[("old",)].before == by_group[("old",)].after == pytest.approx((kind == 4).sum() / old.sum())
    # Persons are right: without 'child' those of kinds 0, 2 and 3, with it those of 0 and 3.
    assert what_if.utility.before == pytest.approx(np.isin(kind, [0, 2, 3]).mean())
    assert what_if.utility.after == pytest.approx(np.isin(kind, [0, 3]).mean())
    assert what_if.gap.value == pytest.approx((kind == 4).sum() / old.sum())
    assert what_if.gap.value > what_if.gap_before.value + 0.05  # both rates fall or stay, and the gap grows
    assert sentence(found.cost) == RIGHT.sentence


def test_the_audit_is_the_same_with_and_without(run):
    with_them, without = run(what_ifs=["all"]).result, run().result
    assert without.analyses["what_ifs"] == ()
    # Besides what they tried there are the texts that they needed.
    assert with_them.texts == (*without.texts, "a child")
    assert replace(with_them.with_analyses({"what_ifs": ()}), texts=without.texts, text_sets=()) == without
    assert with_them.analyses["what_ifs"]


def test_extra_prompts_are_embedded_once_and_kept(run, fake_encoder, tmp_path):
    run(what_ifs=["neutral-label"])
    assert len(EmbeddingCache(tmp_path / "cache", fake_encoder.record.fingerprint, "text", 3)) == 3


def test_a_method_that_does_not_exist_is_refused_before_any_work(run, faces):
    with pytest.raises(UsageError, match="neutral-lable"):
        run(what_ifs=["neutral-lable"])


@pytest.mark.slow
def test_a_probe_without_plans_has_no_what_ifs(run):
    assert run(replace(PROBE, what_ifs=()), what_ifs=["all"]).result.analyses["what_ifs"] == ()
