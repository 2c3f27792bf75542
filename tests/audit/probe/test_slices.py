"""Further slices: what counts is asked by them too, outside the verdict, and nothing twice."""

from audit.probe.variants import with_slices
from audit.types import Claim, LabelSet, Measurement, Probe
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
