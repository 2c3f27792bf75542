"""Under --no-inference no label names a group, and what rests on such a label is gone too."""

from dataclasses import replace

import pytest

import probes
from audit.errors import UsageError
from audit.naming import finding_id
from audit.probe.variants import NOT_ASKED, without_inference
from audit.testing import gender_probe
from audit.types import Claim


def test_fairface_asks_the_harmful_words_beside_person_alone():
    asked = without_inference(probes.get("fairface"))
    assert [measurement.name for measurement in asked.measurements] == ["harm-8-person"]
    assert asked.measurements[0].label_set.labels[:1] == ("person",)
    assert len(asked.measurements[0].label_set.labels) == 8
    assert (asked.specifications, asked.published, asked.what_ifs) == ((), (), ())
    assert asked.not_tested[-1] == NOT_ASKED


def test_pairs_and_curves_of_what_is_still_asked_stay():
    asked = without_inference(probes.get("emoji"))
    assert [measurement.name for measurement in asked.measurements] == ["role"]
    assert asked.paired == probes.get("emoji").paired
    assert all(point.variant == "66 names" for plan in asked.specifications for point in plan.specifications)


@pytest.mark.parametrize("name", probes.names())
def test_no_label_is_a_level_of_an_attribute_that_people_are_compared_by(name):
    """Every label that is a level of a compared attribute is found: the measurement says what it infers."""
    asked = without_inference(probes.get(name))
    made = {finding_id(measurement.name, claim) for measurement in asked.measurements for claim in measurement.claims}
    assert made or asked.analyses
    for each in asked.measurements:
        texts = [text.replace("white cane", "cane") for texts in each.label_set.prompts.values() for text in texts]
        words = {word for text in texts for word in text.casefold().split()}
        assert not words & {"woman", "man", "female", "male", "black", "white", "asian", "indian", "latino"}, each.name


def test_of_visogender_the_searches_are_left_which_name_no_pronoun_of_a_gender():
    asked = without_inference(probes.get("visogender"))
    assert [measurement.name for measurement in asked.measurements] == ["search 5", "search 10"]


def test_a_probe_that_only_infers_is_refused():
    probe = gender_probe(None)
    only = replace(probe.measurements[0], infers="gender", claims=(Claim("accuracy", ("race",)),))
    with pytest.raises(UsageError, match="cannot be asked with --no-inference"):
        without_inference(replace(probe, measurements=(only,)))
