"""The page and the terminal output of ``vlm-audit causes``: every sentence in every case in which it can appear."""

import csv
import io
import re
from dataclasses import replace

import pytest

from audit.extensions.causes import influence_sentences as words
from audit.extensions.causes import sentences as text
from audit.extensions.causes.exports import causes_lines, csv_table
from audit.extensions.causes.page import render_causes
from audit.records.base import Estimate
from reports.render import render_read
from tests.extensions.causes.samples import CONTRAST, INFLUENCE, plan, sample
from tests.support.page_text import text_of


@pytest.fixture(scope="module")
def facts():
    return sample()


def test_the_first_screen_says_what_made_it_how_sure_and_what_to_do(facts):
    change = facts.curve.change
    shown = text_of(render_causes(facts))
    assert facts.effect == "shown"
    assert 0.25 < change.value < 0.4
    assert (
        "The changed captions are the cause: the rate of the planted answer for woman goes from 2 % at dose 0 to 34 % at dose 1." in shown
    )
    assert f"The change is +{100 * change.value:.1f} points (95 % interval [{100 * change.low:.1f}, {100 * change.high:.1f}])" in shown
    assert "Prediction for dose 0.75, written before its models were trained: 3 of 3 held-back models lie inside" in shown
    assert "The audit reports a disparity above a dose somewhere between 0 and 0.25 (3 of 3 seeds)." in shown
    assert "Correct such captions in your data, then audit the new model." in shown
    assert (
        "21 models trained and audited (3 seeds): 12 for the curve at doses 0, 0.25, 0.5 and 1, 3 held back at 0.75, 6 with other settings"
        in shown
    )


def test_the_interventions_stand_side_by_side_with_their_cost(facts):
    arms = {arm.arm: arm for arm in facts.arms}
    assert list(arms) == ["dose 0 (captions unchanged)", "counterfactual captions", "balanced sampling"]
    assert [arm.arm for arm in facts.prevented] == ["dose 0 (captions unchanged)", "counterfactual captions"]
    effect = arms["balanced sampling"].effect
    assert effect.low < 0 < effect.high
    shown = text_of(render_causes(facts))
    assert "Shown to reduce it: “dose 0 (captions unchanged)” and “counterfactual captions”." in shown
    assert f"{100 * arms['counterfactual captions'].level:.0f} %" in shown


def test_an_intervention_that_makes_it_worse_is_said(facts):
    worse = replace(facts.arms[2], effect=Estimate(0.4, 0.2, 0.6), difference=0.4)
    changed = replace(facts, arms=(*facts.arms[:2], worse))
    assert changed.worsened == (worse,)
    assert "Shown to make it larger: “balanced sampling”." in text_of(render_causes(changed))
    assert text.prevention(replace(changed, arms=(worse,))) == (
        "None of the interventions is shown to reduce it. Shown to make it larger: “balanced sampling”."
    )


def test_an_intervention_that_may_be_as_good_as_the_best_is_named(facts):
    pair = next(pair for pair in facts.arm_differences if {pair.first, pair.second} == {arm.arm for arm in facts.prevented})
    for low, high, said in ((-0.1, 0.1, True), (0.02, 0.2, False), (-0.2, -0.02, False)):
        between = (replace(pair, outcome=Estimate((low + high) / 2, low, high)),)
        shown = text.prevention(replace(facts, arm_differences=between))
        assert ("It may be no better than “counterfactual captions”." in shown) == said


def test_a_difference_of_two_groups_is_said_as_one():
    contrast = sample(3, outcome=CONTRAST)
    said = text.causes_headline(contrast)
    assert re.search(r"accuracy is \d points? (higher|lower) for man than for woman at dose 0, and \d+ points higher at dose 1\.$", said)
    planted = replace(contrast, plan=replace(contrast.plan, outcome=replace(CONTRAST, rate="planted answer", answers={"a": "b"})))
    assert "the rate of the wrong answers that they teach is " in text.causes_headline(planted)


def test_a_dose_is_explained_and_another_setting_is_named(facts):
    assert "Dose: share of the captions chosen by the plan that were changed on purpose, from none (0) to all of them (1)." in text_of(
        render_causes(facts)
    )
    assert text.dose_sentence(replace(facts, plan=replace(facts.plan, dose="optim.lr"))) == "Dose: the setting optim.lr."


def test_the_planted_answer_is_explained_where_it_is_the_outcome(facts):
    assert "Planted answer: the wrong one that the changed captions teach, “student” for “judge”." in text_of(render_causes(facts))
    assert "lanted answer" not in text_of(render_causes(sample(3, outcome=CONTRAST)))


def test_one_seed_claims_no_spread():
    one = sample(3, outcome=CONTRAST, seeds=(0,))
    assert one.effect == "one seed"
    assert one.curve.spread_model is None
    shown = text_of(render_causes(one))
    assert "The changed captions are the cause in the one seed that was trained" in shown
    assert "with one seed, nothing shows how much another run would differ" in shown
    assert "With one seed there is no prediction interval, so the models at dose 0.75 check nothing." in shown
    assert "band" not in shown
    assert "Add seeds: one seed does not show how much another run would differ." in shown
    assert "The outcome’s difference is significant above a dose somewhere between 0 and 0.25 (1 of 1 seed)." in shown


def test_without_an_effect_nothing_is_called_a_cause(facts):
    curve = replace(facts.curve, change=Estimate(0.01, -0.05, 0.07))
    none = replace(facts, curve=curve)
    assert (none.effect, none.prevented) == ("not shown", ())
    shown = text_of(render_causes(none))
    assert "We found no evidence that the changed captions move the outcome" in shown
    assert "are the cause" not in shown
    assert "No effect of the dose is shown, so nothing can be shown to prevent it." in shown


def test_a_held_back_model_outside_its_interval_is_said(facts):
    held = (replace(facts.held_back[0], value=0.9, inside=False), *facts.held_back[1:])
    outside = replace(facts, held_back=held, beforehand=False)
    shown = text_of(render_causes(outside))
    assert "Prediction for dose 0.75, not written before its models were trained: 2 of 3 held-back models lie inside" in shown
    assert "Do not predict other doses from this curve" in shown


def test_verdicts_that_never_or_always_turn(facts):
    audit = facts.turns[0]
    never = replace(audit, seeds=tuple(replace(seed, low=1.0, high=None) for seed in audit.seeds), low=None, high=None, turned=0)
    assert text.turn_sentence(facts, never) == "The audit’s verdict does not turn up to the largest dose, 1, in 3 of 3 seeds."
    always = replace(audit, seeds=tuple(replace(seed, low=None, high=0.0) for seed in audit.seeds), low=None, high=None, turned=0)
    assert text.turn_sentence(facts, always) == "The audit reports a disparity at the smallest dose already, 0, in 3 of 3 seeds."
    mixed = replace(audit, seeds=(audit.seeds[0], never.seeds[1], always.seeds[2]), turned=1)
    assert text.turn_sentence(facts, mixed) == (
        "The audit reports a disparity above a dose somewhere between 0 and 0.25 (1 of 3 seeds); it does so at the smallest dose already, "
        "0, in 1 of 3 seeds; it does not turn up to the largest dose, 1, in 1 of 3 seeds."
    )
    assert "the audit’s verdict turns here" not in render_causes(replace(facts, turns=(never,)))


def test_a_disparity_at_dose_zero_is_not_put_down_to_the_captions(facts):
    points = (replace(facts.points[0], audit_called=1), *facts.points[1:])
    assert "At dose 0, where nothing was changed, the audit reports a disparity in 1 of 3 models" in text.null_sentence(
        replace(facts, points=points)
    )
    assert text.null_sentence(facts) == ""


def test_the_terminal_says_the_same(facts):
    lines = causes_lines(facts)
    assert lines.startswith("The changed captions are the cause")
    assert "0.75 (held back)" in lines
    assert "What to do next:" in lines
    assert all(len(line) <= 80 for line in lines.splitlines())


def test_one_row_per_model(facts):
    rows = list(csv.DictReader(io.StringIO(csv_table(facts))))
    assert [row["model"] for row in rows] == [model.name for model in facts.models]
    assert len(rows) == 21
    held = [row for row in rows if row["part"] == "held back"]
    assert [row["inside"] for row in held] == ["yes"] * 3
    assert all(float(row["predicted_low"]) < float(row["outcome"]) < float(row["predicted_high"]) for row in held)


def test_hostile_names_stay_text():
    arms = (replace(plan().arms[0], name="<script>alert(1)</script>"),)
    page = render_read(sample(arms=arms, title="<img src=x>"))
    assert "<script>alert" not in page
    assert "<img src=x>" not in page


@pytest.fixture(scope="module")
def left_out():
    return sample(influence=INFLUENCE)


def with_influence(facts, **changes):
    return replace(facts, influence=replace(facts.influence, **changes))


def test_groups_of_captions_stand_with_their_effects_and_the_proxies_with_their_correlation(left_out):
    influence = left_out.influence
    tracin, similarity = influence.proxies
    assert (tracin.correlation.value, influence.judgement(tracin)) == (1.0, "explains")
    assert influence.judgement(similarity) == "does not explain"  # in reverse
    shown = text_of(render_causes(left_out))
    assert "6 groups of captions left out one at a time at dose 1, 3 seeds. With all groups, the rate of the planted answer" in shown
    assert "2 of them have an effect (joint 95 % intervals); the largest is without “women in the planted roles” (100 pairs): −" in shown
    assert "a perfect proxy would be expected to reach" in shown
    assert f"TracIn: rank correlation with leaving out {words.correlation(tracin.correlation)} over 6 groups. At least 0.5" in shown
    assert f"Gradient similarity: rank correlation with leaving out {words.correlation(similarity.correlation)} over 6 groups." in shown
    assert "Not offered as an explanation: it is under 0.5." in shown
    assert "The loss of a pair depends on the other pairs of its batch. The batches are the first 8 of the run" in shown
    assert "Groups of captions left out together: each was left out alone." in shown
    lines = causes_lines(left_out)
    assert "What each group of captions does:" in lines
    assert all(len(line) <= 80 for line in lines.splitlines())


def test_a_page_without_such_groups_has_no_word_of_them(facts):
    shown = text_of(render_causes(facts)) + causes_lines(facts)
    for word in ("TracIn", "left out one", "Gradient similarity", "group of captions"):
        assert word not in shown


def test_every_judgement_of_a_proxy_in_words(left_out):
    influence = left_out.influence
    check = influence.proxies[0]

    def said(estimate, **changes):
        return words.proxy_sentence(replace(influence, **changes), replace(check, correlation=estimate))

    wide = Estimate(0.6, -0.1, 0.9)
    assert said(wide) == (
        "TracIn: rank correlation with leaving out 0.6 [−0.1, 0.9] over 6 groups. "
        "Not offered as an explanation: its interval is not above 0."
    )
    assert said(None) == (
        "TracIn: rank correlation with leaving out unknown over 6 groups. Not offered as an explanation: it is the same for all groups."
    )
    assert said(wide, reliability=0.1).endswith("Not offered as an explanation, because it cannot be judged.")


def test_an_order_that_is_chance_is_said(left_out):
    noisy = with_influence(left_out, agreement=0.1, reliability=0.2)
    assert words.order_sentence(noisy.influence) == (
        "The order of the effects has a rank correlation of 0.1 between two seeds: it is mostly chance, and even a perfect proxy would be "
        "expected to reach only 0.45 against the mean of 3 seeds. So no proxy can be judged. "
        "More seeds, or larger groups, may show an order."
    )
    none = with_influence(left_out, agreement=-0.3, reliability=0.0)
    assert "−0.3 between two seeds: it is mostly chance, and the mean over seeds has no order" in text_of(render_causes(none))
    equal = with_influence(left_out, agreement=None, reliability=None)
    assert words.order_sentence(equal.influence).startswith("Because all effects of a seed are equal, it is unknown")


def test_effects_without_an_interval_or_without_evidence(left_out):
    groups = tuple(replace(group, effect=None) for group in left_out.influence.groups)
    single = with_influence(left_out, groups=groups, agreement=None, reliability=None, seeds=(0,))
    shown = text_of(render_causes(single))
    assert "left out one at a time at dose 1, 1 seed." in shown
    assert "With one seed, the effects have no interval." in shown
    assert "With one seed, it is unknown how much of the order of the groups is chance, so no proxy can be judged." in shown
    only = (replace(left_out.influence.groups[0], effect=Estimate(-0.3, -0.4, -0.2)), *groups[1:])
    assert "1 of them has an effect (joint 95 % intervals): without “women" in text_of(render_causes(with_influence(left_out, groups=only)))
    groups = tuple(replace(group, effect=Estimate(0.01, -0.2, 0.2)) for group in left_out.influence.groups)
    assert "We found no evidence that leaving one of them out changes it (joint 95 % intervals)." in text_of(
        render_causes(with_influence(left_out, groups=groups))
    )
