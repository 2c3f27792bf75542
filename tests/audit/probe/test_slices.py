"""Further slices: what counts is asked by them too, outside the verdict, and nothing twice. Named attributes replace those of a probe."""

from dataclasses import replace

from audit.probe.variants import by_attributes, with_slices
from audit.types import Claim, EffectClaim, LabelSet, Measurement, Probe
from probes.faces import fairface

COUNTING = Claim("accuracy", ("race",), tolerance=0.02)
CONTEXT = Claim("selection_rate", ("race",), "woman", primary=False)


def probe(*claims):
    measurement = Measurement("m", "?", LabelSet("l", ("a",), {"a": ()}), "p", claims, "truth", {"woman": ("a",)})
    return Probe("test", "?", lambda _: None, (measurement,), "none", "none", (), ())


def added(of, *slices):
    (before,), (after,) = of.measurements, with_slices(of, slices).measurements
    assert after.claims[: len(before.claims)] == before.claims
    return after.claims[len(before.claims) :]


def test_what_counts_is_asked_by_the_new_groups_and_does_not_count():
    assert added(probe(COUNTING, CONTEXT), ("race", "gender", "age")) == (
        Claim("accuracy", ("race", "gender", "age"), primary=False, tolerance=0.02),
    )


def test_a_question_that_has_the_slicing_in_another_order_is_not_asked_again():
    both = Claim("accuracy", ("race", "gender"), primary=False)
    assert added(probe(COUNTING, both), ("gender", "race"), ("race",)) == ()
    assert len(added(probe(COUNTING), ("gender", "age"), ("age", "gender"))) == 1


def test_where_nothing_counts_all_questions_are_asked():
    assert [claim.outcome for claim in added(probe(CONTEXT), ("age",))] == ["woman"]
    assert with_slices(fairface.PROBE, ()) is fairface.PROBE  # without slices the probe is the same


def test_fairface_by_all_three_attributes():
    """Gender and age accuracy, race (where nothing counts) and White or Non-White, two harms, child's three, three markednesses."""
    deep = with_slices(fairface.PROBE, [("race", "gender", "age")])
    new = [(m.name, claim.outcome) for m in deep.measurements for claim in m.claims if claim.by == ("race", "gender", "age")]
    assert ("gender", None) in new
    assert ("harm-21", "crime-related") in new
    assert len(new) == len(set(new)) == 12


def test_named_attributes_replace_those_of_a_probe():
    both = Claim("accuracy", ("race", "gender"), primary=False)
    asked = by_attributes(probe(COUNTING, CONTEXT, both), ("gender", "tone"))
    assert asked.measurements[0].claims == (replace(COUNTING, by=("gender",)), replace(COUNTING, by=("tone",)))
    assert asked.not_tested == ("differences by race, by which the probe compares: other attributes were chosen",)
    kept = by_attributes(probe(COUNTING, CONTEXT, both), ("race", "gender"))
    assert kept.measurements[0].claims == (COUNTING, CONTEXT, both, replace(COUNTING, by=("gender",)))
    assert kept.not_tested == ()


def test_effects_curves_and_published_numbers_of_other_attributes_are_left_out():
    asked = by_attributes(fairface.PROBE, ("age",))
    assert {name for m in asked.measurements for claim in m.claims for name in claim.by} == {"age"}
    assert {name for plan in asked.specifications for name in plan.claim.by} <= {"age"}
    assert all(measurement.claims for measurement in asked.measurements)
    one = probe(COUNTING).measurements[0]
    effects = (EffectClaim("superiority", "race", "a"), EffectClaim("superiority", "age", "a"))
    scored = replace(probe(COUNTING), measurements=(replace(one, effects=effects),))
    assert by_attributes(scored, ("age",)).measurements[0].effects == effects[1:]
    assert by_attributes(fairface.PROBE, ()) is fairface.PROBE
