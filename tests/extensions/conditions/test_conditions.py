"""Conditions of an audit: what corruption, a printed word and an ensemble change, by group, through the engine."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.analyses.plans import ImageConditionsPlan, PromptConditionsPlan
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.extensions.conditions import computation as conditions
from audit.extensions.conditions import corruptions
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, png
from audit.types import Dataset, LabelSet, Measurement, Probe, Settings

AXES = {"bright": [1.0, 1.0, 1.0], "red": [1.0, 0.0, 0.0], "green": [0.0, 1.0, 0.0], "odd": [0.9, 1.0, 0.0]}
LABELS = LabelSet("colour", ("red", "green"), {"red": ("red",), "green": ("green",)})
ASKED = Measurement("colour", "Which colour?", LABELS, "test v1", (), truth="colour", outcomes={"red": ("red",)})
IMAGES = ImageConditionsPlan(question="Who suffers?", measurement="colour", by=("group",), corruptions=("contrast",), parameters="harmless")


def dataset(n=(40, 35, 5)):
    """Groups a and b of red and green pictures; of b the red is a tint that stands on a green picture. c is too small."""
    rows = [(g, "red" if i % 2 else "green") for g, many in zip("abc", n, strict=True) for i in range(many)]
    table = pd.DataFrame(rows, columns=["group", "colour"], index=[f"{i:03d}" for i in range(len(rows))], dtype="str")
    images = [_picture(g, colour, i) for i, (g, colour) in enumerate(rows)]
    levels = {"group": ("a", "b", "c"), "colour": ("red", "green")}
    return Dataset("tints", images, table, levels, "7" * 64, "made by the test", "none")


def _picture(group, colour, number):
    own = (200, 20, number) if colour == "red" else (20, 200, number)
    return png(own, (24, 24))


def audited(plans, data=None, encoder=None, **more):
    data = data or dataset()
    probe = Probe("p", "?", lambda options: data, (ASKED,), "ours", "none", (), (), analyses=tuple(plans), **more)
    return audit(encoder or FakeEncoder(AXES), probe, data, Settings(draws=199)).result


class Fragile(FakeEncoder):
    """Sees colours, and calls everything green that has a white strip."""

    def encode_images(self, images):
        rows = super().encode_images(images)
        for row, image in zip(rows, images, strict=True):
            pixels = np.asarray(image, float)
            if (pixels[-1, 0] == 255).all():
                row[:] = (0.0, 1.0, 0.0)
        return rows


@pytest.mark.slow
def test_no_corruption_of_a_plain_picture_s_contrast_changes_anything():
    (found,) = audited([IMAGES]).analyses["conditions"]
    assert (found.kind, found.images, found.baseline.name, found.metric) == ("images", 80, "unchanged", "accuracy")
    assert [(each.condition.series, each.condition.strength) for each in found.results] == [("contrast", s) for s in range(1, 6)]
    assert {each.verdict for each in found.results} == {"no signal"}
    assert {rate.difference for each in found.results for rate in each.by_group} == {0.0}
    assert found.baseline_by_group[2].status == "small"
    assert found.tests == 5


@pytest.mark.slow
def test_strength_0_equals_the_unchanged_predictions(monkeypatch):
    """With every corruption at strength 0 the same bytes are embedded: all 40 conditions are the baseline."""
    unchanged = corruptions.corruption("JPEG", 0)
    monkeypatch.setattr(conditions.corruptions, "corruption", lambda name, strength: unchanged)
    result = audited([replace(IMAGES, corruptions=tuple(corruptions.CORRUPTIONS))])
    (found,) = result.analyses["conditions"]
    assert len(found.results) == 40
    for each in found.results:
        assert [rate.after for rate in each.by_group] == [rate.before for rate in each.by_group]
        assert each.p == 1.0


@pytest.mark.slow
def test_a_fragile_group_is_found(monkeypatch):
    """Blue marks group b here: the corruption leaves a alone and turns all of b green."""

    def only_b(name, strength):
        def change(row, content):
            return png((20, 200, 1), (24, 24)) if 40 <= row < 75 else content

        return change

    monkeypatch.setattr(conditions.corruptions, "corruption", only_b)
    (found,) = audited([IMAGES]).analyses["conditions"]
    first = found.results[0]
    assert first.verdict == "signal"
    assert [rate.difference for rate in first.by_group] == [0.0, -17 / 35, 0.0]
    assert (first.pair.first, first.pair.second) == (("a",), ("b",))
    assert first.p_adjusted == first.p  # five alike


def test_a_printed_word_is_read():
    """Wherever a strip is white the encoder says green: reds flip to the printed word, greens keep the right answer."""
    plan = replace(IMAGES, corruptions=(), words={"red": "red", "green": "green"})
    looks, reads = audited([plan], encoder=Fragile(AXES)).analyses["conditions"]
    assert reads.question.endswith("Who answers the printed word?")
    assert [each.condition.name for each in looks.results] == ["a wrong word printed on the picture"]
    assert looks.results[0].overall.difference == pytest.approx(-39 / 80)  # 20 + 17 + 2 reds
    assert reads.baseline_overall.events == 0
    assert reads.results[0].overall.after.events == 39


def test_an_ensemble_gains_for_whom():
    """The odd template puts green nearest to every picture; together with the plain one both are told apart."""
    prompts = {"one template": {"red": ("red",), "green": ("odd",)}, "both": {"red": ("red",), "green": ("odd", "green", "green", "green")}}
    plan = PromptConditionsPlan(question="For whom?", measurement="colour", by=("group",), conditions=prompts, preset="t v1")
    result = audited([plan])
    (found,) = result.analyses["conditions"]
    assert (found.kind, found.baseline.name, found.results[0].condition.name) == ("prompts", "one template", "both")
    assert found.baseline_overall.value <= found.results[0].overall.after.value == 1.0
    assert {text_set.variant for text_set in result.text_sets} == {"one template", "both"}


@pytest.mark.slow
def test_clusters_and_json():
    data = dataset((60, 60, 0))
    data = replace(data, attributes=data.attributes.assign(who=[str(i // 3) for i in range(120)]))
    data = replace(data, levels={**data.levels, "who": tuple(map(str, range(40)))})
    result = audited([IMAGES], data, cluster="who")
    assert result.analyses["conditions"][0].baseline_by_group[0].clusters == 20
    shares = _results(result)
    assert from_json(to_json(shares)).audits[0].analyses["conditions"] == result.analyses["conditions"]


def _results(result):
    from tests.support.report_samples import results

    sample = results() if callable(results) else results
    return replace(sample, audits=(result,), paired_models=None, replicates=(), gates=())


def test_a_sample_keeps_clusters_whole(monkeypatch):
    monkeypatch.setattr(conditions, "MOST_IMAGES", 30)
    (found,) = audited([IMAGES], dataset((60, 60, 0))).analyses["conditions"]
    assert (found.images, [note.code for note in found.notes]) == (30, ["conditions_sampled"])


def test_what_is_wrong_is_refused_before_a_model_sees_an_image():
    for plan, message in (
        (replace(IMAGES, corruptions=("fog",)), "no corruption 'fog'"),
        (replace(IMAGES, corruptions=("frost",), parameters="ImageNet-C"), "no corruption 'frost'"),
        (replace(IMAGES, measurement="shade"), "no measurement 'shade'"),
        (replace(IMAGES, outcome="blue"), "no outcome 'blue'"),
        (replace(IMAGES, words={"red": "red"}), "no word for the answer 'green'"),
        (PromptConditionsPlan(question="?", measurement="colour", by=("group",), conditions={"a": {}}, preset=""), "compared with nothing"),
        (replace(IMAGES, by=("size",)), "'size', which the data do not have"),
    ):
        with pytest.raises(UsageError, match=message):
            audited([plan])
