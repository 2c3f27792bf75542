"""The planned outcome of one model, by hand and by what must not matter."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from audit.errors import UsageError
from audit.extensions.causes.arms import differences, is_called
from audit.extensions.causes.facts import turn
from audit.extensions.causes.outcome import RateOutcome, rate_outcome, weighted_sum
from audit.extensions.causes.record import PlannedRate

ANSWERS = pd.DataFrame({
    "gender": ["man", "man", "woman", "woman", "woman", "woman", "person"],
    "role": ["judge", "cook", "judge", "cook", "judge", "cook", "judge"],
    "y_true": ["judge", "cook", "judge", "cook", "judge", "unknown", "judge"],
    "y_pred": ["judge", "judge", "student", "cook", "student", "cook", None],
})  # fmt: skip
CONTRAST = PlannedRate("role", "accuracy", {"gender": "man"}, {"gender": "woman"}, {}, {})
PLANTED = PlannedRate("role", "planted answer", {"gender": "woman"}, {}, {}, {"judge": "student", "cook": "elf"})


def test_a_signed_contrast_by_hand():
    # Men: 1 of 2 right. Women: 1 of 3 (the one whose role is unknown does not count). The difference is 1/6.
    outcome = rate_outcome(ANSWERS, CONTRAST, None)
    assert outcome.value == pytest.approx(1 / 6)
    assert outcome.images == (2, 3)
    # Influences: men (1 - .5)/2, (0 - .5)/2; women -(0 - 1/3)/3, -(1 - 1/3)/3, -(0 - 1/3)/3. Squares: .125 + 6/81. Five images: x 5/4.
    assert outcome.variance == pytest.approx(1.25 * (0.125 + 6 / 81))


def test_images_of_a_cluster_move_together():
    # By role: judges 1/4 + 1/9 + 1/9 = 17/36, cooks -1/4 - 2/9 = -17/36. Two clusters: 2/1 x 2 x (17/36)^2.
    outcome = rate_outcome(ANSWERS, CONTRAST, "role")
    assert outcome.clusters == 2
    assert outcome.variance == pytest.approx(4 * (17 / 36) ** 2)


def test_the_rate_of_the_planted_answer_by_hand():
    assert rate_outcome(ANSWERS, PLANTED, None).value == pytest.approx(2 / 3)
    only = PlannedRate("role", "planted answer", {"gender": "woman"}, {"gender": "man"}, {"role": "judge"}, {"judge": "student"})
    assert rate_outcome(ANSWERS, only, None).value == 1.0  # both women, and no man


def test_order_and_copies_do_not_change_the_value():
    shuffled = ANSWERS.sample(frac=1, random_state=3)
    assert rate_outcome(shuffled, CONTRAST, "role").variance == pytest.approx(rate_outcome(ANSWERS, CONTRAST, "role").variance)
    twice = pd.concat([ANSWERS, ANSWERS])
    assert rate_outcome(twice, CONTRAST, "role").value == pytest.approx(1 / 6)
    assert rate_outcome(twice, CONTRAST, "role").variance == pytest.approx(rate_outcome(ANSWERS, CONTRAST, "role").variance)


def test_what_two_models_share_cancels_in_their_difference():
    outcome = rate_outcome(ANSWERS, CONTRAST, "role")
    assert weighted_sum([outcome, outcome], np.array([1.0, -1.0])) == (0.0, pytest.approx(0.0))
    assert weighted_sum([outcome, outcome], np.array([0.5, 0.5])) == (pytest.approx(1 / 6), pytest.approx(outcome.variance))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"of": {"gendre": "man"}}, "unknown column 'gendre'"),
        ({"of": {"gender": "men"}}, "no image has the value 'men'"),
        ({"where": {"role": ["judge", "pilot"]}}, "no image has the value 'pilot'"),
    ],
)
def test_what_does_not_exist_is_named(changes, message):
    planned = PlannedRate(**{"measurement": "role", "rate": "accuracy", "of": {}, "minus": {}, "where": {}, "answers": {}, **changes})
    with pytest.raises(UsageError, match=message):
        rate_outcome(ANSWERS, planned, None)


def made(values, clusters=10, spread=0.0):
    own = pd.Series(np.tile([spread, -spread], clusters // 2))
    return [RateOutcome(value, own, (clusters,)) for value in values]


def test_arms_are_compared_seed_by_seed():
    # Values by seed: reference .3 .5, arm .1 .3: the difference is -.2 in both, and the seeds add nothing to it: residual 0.
    blocks = {"reference": dict(enumerate(made([0.3, 0.5]))), "arm": dict(enumerate(made([0.1, 0.3])))}
    (effect,) = differences(blocks, [("arm", "reference")], 0.05)
    # Nor do the ten clusters, which all agree: each arm is as uncertain as Wilson's interval of 0 of 10; t with 9 degrees of freedom.
    over_images = 2 * 3.8415 / (10 + 3.8415) ** 2
    assert (effect.value, effect.high - effect.value) == (pytest.approx(-0.2), pytest.approx(2.2622 * over_images**0.5, rel=1e-4))
    # Reference .3 .5, arm .1 .4: residuals .025 each, mean square 4 x .025^2 / 1; variance 2/2 of it, with one degree of freedom. The
    # ten clusters of the arm move it by .09 or -.09: 10/9 x 10 x (.09^2 + .09^2) / 2 for the two arms' means, in other clusters.
    moved = pd.Series([0.09, -0.09] * 5, range(10, 20))
    blocks["arm"] = {seed: RateOutcome(value, moved, (10,)) for seed, value in enumerate((0.1, 0.4))}
    blocks["reference"] = dict(enumerate(made([0.3, 0.5], spread=0.09)))
    (effect,) = differences(blocks, [("arm", "reference")], 0.05)
    of_seeds, of_images = 4 * 0.025**2, 20 / 19 * 20 * 0.09**2
    df = (of_seeds + of_images) ** 2 / (of_seeds**2 / 1 + of_images**2 / 9)
    assert effect.high - effect.value == pytest.approx(t.ppf(0.975, df) * (of_seeds + of_images) ** 0.5, rel=1e-6)
    assert differences({name: {0: own[0]} for name, own in blocks.items()}, [("arm", "reference")], 0.05) == [None]


@pytest.mark.parametrize("cluster", [None, "role"])
def test_a_difference_in_every_image_is_called_and_none_is_certain(cluster):
    """Of 60 men all are right, of 60 women none or all; Wilson's limit of 0 of 60 is 6.0 %, of 0 of 30 roles 11.4 %."""
    rows = pd.DataFrame({"gender": ["man", "woman"] * 60, "role": [f"role {n // 4}" for n in range(120)], "y_true": "yes"})
    apart, same = (
        rate_outcome(rows.assign(y_pred=np.where((rows["gender"] == "man") | equal, "yes", "no")), CONTRAST, cluster)
        for equal in (False, True)
    )
    limit = 0.0602 if cluster is None else 0.1135
    assert [is_called(outcome, 0.05) for outcome in (apart, same)] == [True, False]
    assert (apart.interval(0.05).high, same.interval(0.05).value) == (1.0, 0.0)
    for outcome in (apart, same):
        assert outcome.value - outcome.interval(0.05).low == pytest.approx(2**0.5 * limit, rel=0.05)
    # One image of them all says nothing.
    alone = rate_outcome(rows[:2].assign(y_pred=["yes", "no"], role="one"), CONTRAST, "role")
    assert (alone.interval(0.05).low, alone.interval(0.05).high, is_called(alone, 0.05)) == (-1.0, 1.0, False)


def test_a_difference_of_zero_everywhere_is_not_called():
    assert not is_called(made([0.0])[0], 0.05)
    assert is_called(made([0.3], spread=0.02)[0], 0.05)
    assert not is_called(made([0.1], spread=0.02)[0], 0.05)  # 10/9 x 10 x .0004 = .0667^2, times 2.26 = .15


def test_where_a_verdict_turns():
    never = turn("audit", {0: {0.0: False, 1.0: False}})
    assert (never.turned, never.low, never.seeds[0].high) == (0, None, None)
    always = turn("audit", {0: {0.0: True, 1.0: True}})
    assert (always.turned, always.seeds[0].low, always.seeds[0].high) == (0, None, 0.0)
    both = turn(
        "contrast", {0: {0.0: False, 0.5: True, 1.0: True}, 1: {0.0: False, 0.5: False, 1.0: True}, 2: {0.0: True, 0.5: True, 1.0: False}}
    )
    assert (both.turned, both.low, both.high) == (2, 0.0, 1.0)


def drawn(rng, difference=0.0, roles=33, images=5):
    """Answers of one model: women and men of the same roles, whose difficulty they share."""
    difficulty = np.repeat(rng.beta(8, 2, roles), images)
    right = {group: rng.random(len(difficulty)) < difficulty - shift for group, shift in (("man", 0.0), ("woman", difference))}
    names = np.repeat([f"role {n}" for n in range(roles)], images)
    table = pd.concat([
        pd.DataFrame({"gender": group, "role": names, "y_true": names, "y_pred": np.where(of_group, names, "other")})
        for group, of_group in right.items()
    ])  # fmt: skip
    return table.reset_index(drop=True)


@pytest.mark.slow
def test_the_planned_difference_is_called_by_chance_in_one_of_twenty_models_without_one():
    rng = np.random.default_rng(17)
    called = [is_called(rate_outcome(drawn(rng), CONTRAST, "role"), 0.05) for _ in range(400)]
    assert 0.02 < np.mean(called) < 0.08
    assert np.mean([is_called(rate_outcome(drawn(rng, 0.3), CONTRAST, "role"), 0.05) for _ in range(20)]) > 0.9
