"""An audit by questions, with a small honest answerer whose likelihoods can be checked in the head."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from audit.engine.answers import audit
from audit.measure.asked.interview import interview
from audit.measure.asked.questionnaire import questionnaire
from audit.records.base import Timing
from audit.results import SCHEMA_VERSION, Results, from_json, to_json
from audit.testing import FakeEncoder, png
from audit.types import Answerer, Claim, Dataset, Encoder, LabelSet, Measurement, Probe, Settings, Specification, SpecificationPlan
from tests.support.notes import sentences

LABELS = LabelSet("gender", ("Female", "Male"), {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)})
GENDER = Measurement("gender", "Who?", LABELS, "test v1", (Claim("accuracy", ("race",)),), "gender")
PLAN = SpecificationPlan("Who, otherwise?", Claim("accuracy", ("race",)), (Specification("test v1", "two", GENDER),), 0)
PROBE = Probe("test", "Who?", lambda _: None, (GENDER,), "made up", "none", ("Nothing.",), ("Everything.",), specifications=(PLAN,))


class FakeAnswerer:
    """Sees the mean colour: red is a woman, green a man, blue unclear. Of a grey image it takes the option that is shown first."""

    def __init__(self, fingerprint: str = "f" * 64):
        self.calls: list[tuple[int, int]] = []
        said = ("Text around the question: “{question}”.",)
        self.record = replace(
            FakeEncoder().record, kind="fake (generative)", fingerprint=fingerprint, parameters=1, dimensions=0, logit_scale=1.0, asked=said
        )

    def log_likelihoods(self, images, questions):
        self.calls.append((len(images), len(questions)))
        return np.array([[value for question in questions for value in self._one(image, question)] for image in images], np.float32)

    def _one(self, image, question):
        colour = np.asarray(image, np.float32).reshape(-1, 3).mean(0)
        seen = {"woman": colour[0], "man": colour[1], "unclear": colour[2]}
        first = question.text.splitlines()[1].removeprefix("- ")
        return [(seen.get(option, 0.0) - 255) / 10 - (option != first) for option in question.options]


def faces(repeat: int = 10) -> Dataset:
    """Black: a woman who is seen, a man who is unclear. White: a woman who is seen, a grey man who is whatever stands first."""
    kinds = [("Black", "Female", "red"), ("Black", "Male", "blue"), ("White", "Female", "red"), ("White", "Male", "gray")] * repeat
    attributes = pd.DataFrame([kind[:2] for kind in kinds], columns=["race", "gender"], dtype="str")
    attributes.index = pd.Index([f"{row}.png" for row in range(len(kinds))])
    # Each image is another file, though it looks the same: one more pixel than the last.
    images = [png(kind[2]) + bytes(row) for row, kind in enumerate(kinds)]
    levels = {"race": ("Black", "White"), "gender": ("Female", "Male")}
    return Dataset("faces", images, attributes, levels, "4" * 64, "made by the test", "none")


@pytest.fixture
def run(tmp_path):
    def run(model=None, probe=PROBE, **settings):
        given = Settings(min_group_size=2, draws=999, **settings)
        return audit(model or FakeAnswerer(), probe, faces(), given, cache_root=tmp_path / "cache")

    return run


def rates(audited, name):
    finding = next(each for each in audited.result.findings if each.id == name)
    return {rate.group[0]: (rate.events, rate.n) for rate in finding.by_group}


@pytest.mark.slow
def test_unclear_has_a_rate_by_group_and_is_no_right_answer(run):
    # Black: 10 women seen, 10 men unclear. White: 10 women seen, 10 grey men take "woman", which stands first.
    audited = run()

    assert rates(audited, "gender/selection_rate[unclear]/race") == {"Black": (10, 20), "White": (0, 20)}
    assert rates(audited, "gender/accuracy/race") == {"Black": (10, 20), "White": (10, 20)}
    assert audited.result.measurements[0].answer_counts == {"Female": 30, "Male": 0, "unclear": 10}
    # The order does not count for the verdict; orders and instructions are points of the curve.
    planned = ["gender/accuracy/race", "gender/selection_rate[unclear]/race"]
    assert [finding.id for finding in audited.result.findings if finding.primary] == planned
    (curve,) = audited.result.specifications
    other = "two, instruction 'choose'"
    assert [point.variant for point in curve.points] == ["two", "two, shuffled", other, f"{other}, shuffled"]


@pytest.mark.slow
def test_the_effect_of_order_is_an_outcome_by_group(run):
    # Only the grey men follow the order, and in the shuffled order "woman" does not stand first.
    assert rates(run(), "gender: order/selection_rate[same answer]/race") == {"Black": (20, 20), "White": (10, 20)}


class OneEnd(FakeAnswerer):
    """Does not look: takes the option that is shown first (0) or last (-1)."""

    def __init__(self, end: int):
        super().__init__(f"{end}" * 32)
        self.end = end

    def _one(self, image, question):
        taken = question.text.splitlines()[1:][self.end].removeprefix("- ")
        return [-float(option != taken) for option in question.options]


@pytest.mark.slow_except("0-Female-11")
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("end", "answer"), [(0, "Female"), (-1, "unclear")])
def test_a_model_that_takes_one_end_of_the_list_never_agrees_with_itself_under_shuffled_options(run, end, answer, seed):
    audited = run(OneEnd(end), replace(PROBE, specifications=()), seed=seed)

    assert set(audited.predictions["gender"].y_pred) == {answer}
    assert rates(audited, "gender: order/selection_rate[same answer]/race") == {"Black": (0, 20), "White": (0, 20)}


class Refuser(FakeAnswerer):
    """Is unclear about every image."""

    def _one(self, image, question):
        return [-float(option != "unclear") for option in question.options]


class FirstOption(FakeAnswerer):
    """Takes the option that is shown first, whatever it is."""

    def _one(self, image, question):
        return [-float(option != question.text.splitlines()[1].removeprefix("- ")) for option in question.options]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "code"), [(FakeAnswerer, "varies"), (Refuser, "unclear"), (FirstOption, "order")])
def test_a_model_that_refuses_or_takes_the_first_option_does_not_look(run, model, code):
    """The first fake sees 20 women, is unclear about 10 men and takes 10 for women: right in 20 of 40, as always "Female" would be."""
    seed = next(seed for seed in range(20) if not first_shown(seed).endswith("woman"))
    audited = run(model(), replace(PROBE, specifications=()), seed=seed)
    first, order = audited.result.measurements
    assert (first.responsiveness.code, order.responsiveness) == (code, None)
    assert first.responsiveness.same_in_another_order == {"varies": 0.75, "unclear": 1.0, "order": 0.0}[code]


def first_shown(seed: int) -> str:
    """Return the option that a seed puts first."""
    return questionnaire(PROBE, seed).probe.measurements[1].asked.text.splitlines()[1]


@pytest.mark.slow
def test_a_second_run_asks_nothing_twice(run):
    model = FakeAnswerer()
    assert isinstance(model, Answerer)
    assert not isinstance(model, Encoder)
    first = run(model)
    # 40 images in batches of 32, one row of four questions each: fixed and shuffled, another instruction fixed and shuffled.
    assert model.calls == [(32, 4), (8, 4)]
    second = run(model)

    assert len(model.calls) == 2
    assert to_json(results(first)) == to_json(results(second))


@pytest.mark.slow
@pytest.mark.parametrize("change", ["model", "label", "seed"])
def test_another_model_another_word_or_another_order_is_asked_anew(run, change):
    run()
    words = replace(LABELS, prompts={**LABELS.prompts, "Female": ("a photo of a lady",)})
    model = FakeAnswerer("e" * 64 if change == "model" else "f" * 64)
    probe = replace(PROBE, measurements=(replace(GENDER, label_set=words),)) if change == "label" else PROBE
    seed = next(seed for seed in range(1, 20) if first_shown(seed) != first_shown(0)) if change == "seed" else 0
    run(model, probe, seed=seed)

    assert sum(images for images, _ in model.calls) == 40


@pytest.mark.slow
def test_shuffling_is_the_same_in_every_run_of_one_seed(tmp_path):
    def asked(root):
        held = interview(FakeAnswerer(), PROBE, faces(1), Settings(seed=3), cache_root=root)
        return [measurement.asked for measurement in held.probe.measurements]

    assert asked(tmp_path / "first") == asked(tmp_path / "second")


@pytest.mark.slow
def test_the_results_say_word_for_word_how_it_was_asked(run):
    result = from_json(to_json(results(run()))).audits[0]

    assert result.measurements[0].asked == (
        'Which of these options best completes "a photo of a …" for this image? Reply with one option, word for word.\n'
        "- woman\n- man\n- unclear"
    )
    assert result.measurements[0].prompts == {"Female": ("woman",), "Male": ("man",), "unclear": ("unclear",)}
    assert sentences(result.model.asked)[0] == "Text around the question: “{question}”."
    assert len(result.model.asked) == 5


def test_what_is_written_for_readers_does_not_speak_of_embeddings(run):
    from reports.exports.model_card import model_cards
    from reports.render import render

    page, card = render(results(run())), model_cards(results(run()))["model_card.md"]

    assert "How the model was prompted" in page
    assert "× cosine" not in page
    assert "at its logit scale" not in page
    assert "pipeline_tag: image-text-to-text" in card


def results(audited) -> Results:
    return Results(
        SCHEMA_VERSION, "complete", "vlm-audit", ("audit",), Settings(), {}, (audited.result,), Timing("2026-01-01T00:00:00+00:00", 1.0)
    )


class Elements(HTMLParser):
    """Collects every element and attribute of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += attrs


@pytest.mark.slow
def test_markup_in_a_label_a_model_or_a_template_stays_text(run):
    from reports.exports.markdown import summary_markdown
    from reports.render import render

    hostile = "<img src=x onerror=alert(1)>\"'{{7*7}}</script><b>"
    model = FakeAnswerer()
    model.record = replace(model.record, name=f"folder/{hostile}", asked=(f"Text around the question: {hostile}",), notes=(hostile,))
    labels = LabelSet("gender", ("Female", "Male", hostile), {**LABELS.prompts, hostile: (f"a photo of {hostile}",)})
    audited = run(model, replace(PROBE, measurements=(replace(GENDER, label_set=labels),)))
    page = render(results(audited))
    plain = render(results(run()))

    found, ordinary = Elements(page), Elements(plain)
    assert set(found.names) <= set(ordinary.names)
    assert found.names.count("script") == ordinary.names.count("script")
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not [value for name, value in found.attributes if name in ("src", "href") and value == "x"]
    assert "{{7*7}}" in page
    assert "<img" not in summary_markdown(results(audited))
