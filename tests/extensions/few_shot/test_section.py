"""The section on few-shot probes: the dots are where the numbers say, and the sentences hold them."""

from dataclasses import replace

import pytest

import audit
from audit.extensions.few_shot import section as export
from audit.extensions.few_shot import sentences as text
from audit.extensions.few_shot.record import DrawnRate, FewShot, Shots
from audit.extensions.few_shot.section import _chart
from audit.testing import FakeEncoder
from reports.render import render


def records():
    """Return analyses that fill every part of the section."""
    rate = DrawnRate("woman", 40, 0.8, 0.7, 0.9)
    shots = Shots(1, 0.1, 20, (("nurse", 1),), rate, (rate,))
    return (FewShot("Who learns?", "role", "gender", 20, 100, 20, 40, 3, None, (shots,)),)


@pytest.fixture(scope="module")
def found():
    return audit.audit(model=FakeEncoder(), probe="fewshot", draws=99).results


@pytest.mark.slow
def test_a_row_for_zero_shot_and_each_number_of_images_by_each_group(found):
    """Three genders, five tones; zero-shot, 1, 2, 4 drawings a role, all: 5 x 3 and 5 x 5 rows; the export lacks zero-shot: 4 x 8."""
    by_gender, by_tone = found.audits[0].analyses["few_shot"]
    assert [len(_chart(each).rows) for each in (by_gender, by_tone)] == [15, 25]
    assert [row.above for row in _chart(by_gender).rows][::3][0] == "Zero-shot"
    assert len(list(export.table(found)[1])) == 32
    page = render(found)
    assert "What a few examples teach" in page
    assert "tested on 330 images, none of them in training; 3 draws." in page


def test_the_sentences_name_who_gains_or_say_that_it_is_undecided(found):
    result = found.audits[0]
    none = tuple(
        replace(
            each, conditions=replace(each.conditions, results=tuple(replace(one, verdict="no signal") for one in each.conditions.results))
        )
        for each in result.analyses["few_shot"]
    )
    quiet = result.with_analyses({"few_shot": none})
    assert text.few_shot_result(quiet, found.settings).startswith("None of 8 gains over zero-shot")
    assert "undecided" in text.few_shot_result(quiet, found.settings)
    assert text.line(quiet, found.settings) == ""
    one = replace(none[0].conditions.results[0], verdict="signal", p_adjusted=0.01)
    loud = result.with_analyses({"few_shot": (replace(none[0], conditions=replace(none[0].conditions, results=(one,))), none[1])})
    said = text.line(loud, found.settings)
    assert said.startswith("Not planned: 1 of 5 gains over zero-shot")
    assert "With 1 image of each class," in said
    assert text.few_shot_result(result.with_analyses({"few_shot": ()}), found.settings).startswith("No gain over zero-shot")
