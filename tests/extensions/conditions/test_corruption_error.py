"""The mean corruption error, recomputed by plain loops from the answers of each image under each kind and severity."""

import hashlib
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from audit.analyses import kinds
from audit.analyses.plans import HARMLESS, IMAGENET_C, AttackPlan, ImageConditionsPlan
from audit.engine.answers import audit
from audit.errors import UsageError
from audit.extensions.conditions import computation, imagenet_c, sentences
from audit.probe.variants import with_harmless_corruptions
from audit.results import from_json, to_json
from audit.testing import FakeEncoder, png
from audit.types import Dataset, LabelSet, Measurement, Probe, Settings
from reports.render import render
from tests.support import report_samples as samples

AXES = {"red": [1.0, 0.0, 0.0], "green": [0.0, 1.0, 0.0]}
GROUPS = {"north": 40, "south": 36, "few": 5}
LABELS = LabelSet("colour", ("red", "green"), {"red": ("red",), "green": ("green",)})
COLOUR = Measurement("colour", "Which colour?", LABELS, "test v1", (), truth="colour", outcomes={"red": ("red",)})
PLAN = ImageConditionsPlan(question="Who suffers?", measurement="colour", by=("group",), corruptions=IMAGENET_C)
# AlexNet's errors, from the table of the published evaluation, typed again.
ALEXNET = dict(
    zip(
        IMAGENET_C,
        (0.886428, 0.894468, 0.92264, 0.81988, 0.826268, 0.785948, 0.79836, 0.866816, None, 0.819324, 0.564592, 0.853204, 0.646056, 0.71784,
         0.6065),
        strict=True,
    )
)  # fmt: skip


def dataset(**columns):
    rows = [(group, "red") for group, many in GROUPS.items() for _ in range(many)]
    table = pd.DataFrame(rows, columns=["group", "colour"], index=[f"{i:03d}" for i in range(len(rows))], dtype="str").assign(**columns)
    images = [png((200, 20, number), (224, 224)) for number in range(len(rows))]
    levels = {"group": tuple(GROUPS), "colour": ("red", "green"), **{name: tuple(sorted(set(values))) for name, values in columns.items()}}
    return Dataset("tints", images, table, levels, "7" * 64, "made by the test", "none")


def fooled(row, name, severity):
    """Whether the image of a row turns green: stronger corruptions fool more, and the south twice as often."""
    draw = int(hashlib.sha256(f"{row}/{name}/{severity}".encode()).hexdigest()[:8], 16) / 16**8
    return draw < 0.06 * severity * (2 if 40 <= row < 76 else 1)


@pytest.fixture
def cheap(monkeypatch):
    """Each corruption paints the whole image, or leaves it."""

    def corruption(name, severity):
        return lambda row, content: png((20, 200, row)) if fooled(row, name, severity) else content

    monkeypatch.setattr(imagenet_c, "corruption", corruption)


def audited(plan=PLAN, data=None, **more):
    data = data or dataset()
    probe = Probe("p", "?", lambda options: data, (COLOUR,), "ours", "none", (), (), analyses=(plan,), **more)
    return audit(FakeEncoder(AXES), probe, data, Settings(draws=99)).result


def expected(rows, baseline=None):
    """mCE of some rows, its interval, and the score of each row: sums over images, severities and kinds, one after the other."""
    divided = {name: baseline[name] if baseline else 1.0 for name in IMAGENET_C if not name.startswith("frost")}
    total = 0.0
    for name, by in divided.items():
        wrong = sum(fooled(row, name, severity) for row in rows for severity in range(1, 6))
        total += wrong / (5 * len(rows)) / by
    scores = [sum(fooled(row, name, s) / (5 * by) for name, by in divided.items() for s in range(1, 6)) / len(divided) for row in rows]
    n, mean = len(rows), sum(scores) / len(rows)
    error = math.sqrt(sum((score - mean) ** 2 for score in scores) / (n - 1) / n)
    return total / len(divided), mean, error


@pytest.mark.slow
@pytest.mark.parametrize("baseline", [None, "AlexNet"])
def test_the_mean_and_its_interval_by_group(cheap, baseline):
    (record,) = audited(replace(PLAN, normalized_by=baseline)).analyses["conditions"]
    error, bounds = record.corruption_error, {"north": range(40), "south": range(40, 76), "few": range(76, 81), None: range(81)}
    assert (record.baseline.name, record.images, error.normalized_by) == ("uncorrupted, 224 pixels", 81, baseline)
    for group in (error.overall, *error.by_group):
        rows = bounds[group.group[0] if group.group else None]
        value, mean, spread = expected(rows, ALEXNET if baseline else None)
        assert value == pytest.approx(mean)  # the mean over kinds is one over images
        reach = t.ppf(0.975, len(rows) - 1) * spread
        assert (group.n, group.value) == (len(rows), pytest.approx(value))
        assert (group.low, group.high) == (pytest.approx(max(0.0, mean - reach)), pytest.approx(mean + reach))
    (north, north_error), (south, south_error) = (expected(bounds[name], ALEXNET if baseline else None)[1:] for name in ("north", "south"))
    reach = math.hypot(t.ppf(0.975, 39) * north_error, t.ppf(0.975, 35) * south_error)  # two groups are compared: one pair
    assert (error.gap.highest, error.gap.lowest) == (("south",), ("north",))
    gap = error.gap.difference
    assert (gap.value, gap.low, gap.high) == tuple(pytest.approx(south - north + side * reach) for side in (0, -1, 1))


@pytest.mark.slow
def test_each_kind_has_its_error_and_frost_is_not_in_the_mean(cheap):
    (record,) = audited(replace(PLAN, normalized_by="AlexNet")).analyses["conditions"]
    assert [kind.kind for kind in record.corruption_error.kinds] == list(IMAGENET_C)
    for kind in record.corruption_error.kinds:
        wrong = [fooled(row, kind.kind, severity) for row in range(40) for severity in range(1, 6)]
        assert kind.by_group[0] == pytest.approx(sum(wrong) / len(wrong))
        assert kind.in_mean == (kind.kind != "frost (procedural)")
        assert kind.baseline == ALEXNET[kind.kind]
        severities = [result for result in record.results if result.condition.series == kind.kind]
        assert kind.overall == pytest.approx(sum(1 - result.overall.after.value for result in severities) / 5)


@pytest.mark.slow
def test_images_of_one_cluster_count_together(cheap):
    """With 27 clusters of three, the error comes from sums over clusters and 26 degrees of freedom."""
    data = dataset(who=[f"{row // 3:02d}" for row in range(81)])
    (record,) = audited(data=data, cluster="who").analyses["conditions"]
    overall = record.corruption_error.overall
    names = [name for name in IMAGENET_C if not name.startswith("frost")]
    scores = [sum(fooled(row, name, s) for name in names for s in range(1, 6)) / 70 for row in range(81)]
    mean = sum(scores) / 81
    sums = [sum(scores[row] - mean for row in range(start, start + 3)) for start in range(0, 81, 3)]
    reach = t.ppf(0.975, 26) * math.sqrt(27 / 26 * sum(value**2 for value in sums)) / 81
    assert (overall.low, overall.high) == (pytest.approx(mean - reach), pytest.approx(mean + reach))


def test_images_without_variation_have_wilson_s_interval(cheap, monkeypatch):
    monkeypatch.setattr(imagenet_c, "corruption", lambda name, severity: lambda row, content: content)
    (record,) = audited().analyses["conditions"]
    few = record.corruption_error.by_group[2]
    z2 = norm.ppf(0.975) ** 2
    assert (few.value, few.low, few.status) == (0.0, 0.0, "small")
    assert few.high == pytest.approx(z2 / (5 + z2))
    assert record.corruption_error.gap.difference.low < 0 < record.corruption_error.gap.difference.high
    assert "That difference could be chance alone." in sentences.error_in_words(record)


@pytest.mark.slow
def test_no_mean_without_all_kinds_or_for_an_outcome(cheap):
    assert audited(replace(PLAN, corruptions=IMAGENET_C[:3])).analyses["conditions"][0].corruption_error is None
    assert audited(replace(PLAN, outcome="red")).analyses["conditions"][0].corruption_error is None


@pytest.mark.slow
def test_it_is_on_the_page_with_frost_named_as_procedural(cheap):
    result = audited(replace(PLAN, normalized_by="AlexNet"))
    (record,) = result.analyses["conditions"]
    text = sentences.error_in_words(record)
    assert "14 kinds of corruption at five severities, each divided by the published error of AlexNet" in text
    assert "frost, which is procedural here, is left out" in text
    assert "Highest for south" in text
    sample = replace(samples.results(samples.fairface()), audits=(result,))
    assert from_json(to_json(sample)).audits[0].analyses["conditions"] == result.analyses["conditions"]
    page = render(samples.results(samples.fairface().with_analyses({"conditions": result.analyses["conditions"]})))
    assert "frost (procedural), not in the mean" in page
    assert "not comparable" in page
    assert "published parameters of ImageNet-C" in page


def test_harmless_takes_our_own_eight_kinds():
    probe = Probe("p", "?", None, (COLOUR,), "ours", "none", (), (), analyses=(replace(PLAN, normalized_by="AlexNet"),))
    (plan,) = with_harmless_corruptions(probe).analyses
    assert set(plan.corruptions) == set(HARMLESS) == set(computation.corruptions.CORRUPTIONS)
    assert (plan.parameters, plan.normalized_by, plan.resized) == ("harmless", None, False)
    attack = replace(probe, analyses=(AttackPlan(question="?", measurement="colour", by=("group",)),))
    with pytest.raises(UsageError, match="--harmless cannot be used with the probe 'p'"):
        with_harmless_corruptions(attack)
    counted = [kinds.extra_pictures(chosen.analyses, 500).changed for chosen in (probe, with_harmless_corruptions(probe))]
    assert counted == [400 * 76, 400 * 40]


@pytest.mark.slow
def test_other_sizes_are_resized_for_the_baseline_too():
    """On images of 24 pixels, the baseline and each condition see 224 pixels."""
    seen = []

    class Watching(FakeEncoder):
        def encode_images(self, images):
            seen.extend(np.asarray(image).shape for image in images)
            return super().encode_images(images)

    data = dataset()
    data = replace(data, images=[png((200, 20, number), (24, 24)) for number in range(81)])
    probe = Probe("p", "?", lambda options: data, (COLOUR,), "ours", "none", (), (), analyses=(replace(PLAN, corruptions=("contrast",)),))
    audit(Watching(AXES), probe, data, Settings(draws=99))
    assert sorted(set(seen)) == [(24, 24, 3), (224, 224, 3)]
