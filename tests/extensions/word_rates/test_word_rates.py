"""Word rates of an audit: a stereotyper and a refuser are found, a random writer is not, and nothing is written twice."""

from dataclasses import replace

import pytest

from audit import audit
from audit.api.forecast import forecast_audit
from audit.errors import UsageError
from audit.extensions.word_rates import computation as word_rates
from audit.measure.asked.writing import LONGEST, numbers_of_text, text_of_numbers
from audit.options.audits import AuditRequest
from audit.results import from_json, to_json
from audit.testing import FakeEncoder
from audit.types import Claim, LabelSet, Measurement, Note, Settings, Writer
from reports.text.notes import sentence
from tests.support.writers import PLAN, RandomWriter, Refuser, Stereotyper, pictures, word_probe

SETTINGS = Settings(draws=199, seed=1)


@pytest.fixture(scope="module")
def dataset():
    return pictures()


def put_to(writer, dataset, **options):
    return audit(writer, word_probe(dataset), settings=options.pop("settings", SETTINGS), data=dataset, **{"no_cache": True, **options})


def signals(audited, **wanted):
    return [
        (rates.prompt, rates.attribute, rate.kind, rate.word, rate.group)
        for rates in audited.results.audits[0].analyses["word_rates"]
        for rate in rates.rates
        if rate.verdict == "signal"
    ]


@pytest.mark.slow
def test_a_stereotyper_is_found_by_its_words_and_nothing_else(dataset):
    audited = put_to(Stereotyper(), dataset)
    assert signals(audited) == [
        (prompt, "gender", "word", word, group)
        for prompt in ("caption", "resume")
        for word, group in (("engineer", "Male"), ("nurse", "Female"))
    ]
    (result,) = audited.results.audits
    first = result.analyses["word_rates"][0]
    nurse = next(rate for rate in first.rates if rate.word == "nurse")
    assert (first.groups, first.sizes, first.left_out) == (("Female", "Male"), (60, 90), (("unknown", 3),))
    assert (nurse.means, nurse.difference, nurse.chance.mean) == ((1.0, 0.0), 1.0, 60 / 150)
    assert 0.9 < nurse.low < nurse.high == 1.0
    assert nurse.chance.low < 0.4 < nurse.chance.high < 0.6
    assert nurse.p_adjusted == pytest.approx(2 / 200)  # the smallest p of 199 shuffles, by two attributes
    assert result.analyses["word_rates"][2].left_out == (("c", 5),)
    assert result.verdict == "inconclusive"
    assert result.findings == ()
    assert from_json(to_json(audited.results)) == audited.results


def test_a_refuser_is_found_as_one_and_a_random_writer_is_not_called_fair(dataset):
    assert ("caption", "gender", "refusal", "", "Female") in signals(put_to(Refuser(), dataset))
    nothing = put_to(RandomWriter(), dataset)
    assert signals(nothing) == []
    assert "it is undecided whether texts about groups differ" in nothing.to_html()


@pytest.mark.slow
def test_a_limited_run_signals_nothing(dataset):
    assert signals(put_to(Stereotyper(), dataset, settings=replace(SETTINGS, limit=140))) == []


@pytest.mark.slow
def test_nothing_is_written_twice_and_the_texts_are_kept_with_their_images(dataset, tmp_path):
    writer = Stereotyper()
    options = {"no_cache": False, "cache_root": tmp_path / "cache"}
    first = put_to(writer, dataset, out=tmp_path / "out", **options)
    seen = sum(images for images, _ in writer.calls)
    assert seen == len(set(dataset.images))
    assert put_to(writer, dataset, **options).results.audits == first.results.audits
    assert sum(images for images, _ in writer.calls) == seen
    header, row, *_ = (tmp_path / "out" / "texts.csv").read_text().splitlines()
    assert header == "id,gender,race,text:caption,text:resume,model"
    assert row.startswith("0.png,Female,")
    assert "picture of a nurse." in row


def test_a_text_survives_as_numbers_and_a_long_one_is_cut_at_a_letter():
    for text in ("", "a", "ab", "abc", "naïve 走り \n end  .", "z" * LONGEST):
        assert text_of_numbers(numbers_of_text(text)) == text
    assert text_of_numbers(numbers_of_text("走" * LONGEST)) == "走" * (LONGEST // 3)
    assert text_of_numbers(numbers_of_text("é" * LONGEST + "x")) == "é" * (LONGEST // 2)


class LongWriter(Stereotyper):
    """Writes 24 letters a token, as many as it may."""

    max_new_tokens = 64

    def write(self, images, prompts):
        self.calls.append((len(images), len(prompts)))
        return [["z" * 24 * self.max_new_tokens for _ in prompts] for _ in images]


def test_a_writer_writes_as_many_tokens_as_it_may_and_results_and_page_say_how_many(dataset, tmp_path):
    writer = LongWriter()
    options = {"no_cache": False, "cache_root": tmp_path / "cache"}

    def longest(**more):
        done = put_to(writer, dataset, out=tmp_path / "out", **options, **more)
        asked, page = done.results.audits[0].model.asked, (tmp_path / "out" / "report.html").read_text()
        return {len(text) for text in done.audited[0].texts["text:caption"]}, asked[-1], page

    lengths, note, _ = longest()
    assert (lengths, note) == ({LONGEST}, Note("asked_to_write"))
    written = len(writer.calls)
    lengths, note, page = longest(max_new_tokens=100)
    assert (lengths, note) == ({2400}, Note("asked_to_write_up_to", {"tokens": 100, "bytes": 2400}))
    assert "up to 100 tokens per text (--max-new-tokens), of which 2,400 bytes are kept" in page
    assert len(writer.calls) == 2 * written  # texts of another length are others
    assert longest(max_new_tokens=10)[0] == {240}
    assert writer.max_new_tokens == 64  # the caller's object is as it was


def test_what_writes_nothing_has_no_most_tokens(dataset):
    for model in (FakeEncoder(), Stereotyper()):  # the second does not say how its texts are limited
        with pytest.raises(UsageError, match="--max-new-tokens cannot be used with"):
            put_to(model, dataset, max_new_tokens=8)
    with pytest.raises(UsageError, match="--max-new-tokens cannot be used with --predictions"):
        audit(predictions="answers.csv", max_new_tokens=8)


class Silent:
    """Answers and writes nothing."""

    record = Stereotyper().record

    def log_likelihoods(self, images, questions):
        raise AssertionError


@pytest.mark.parametrize(
    ("model", "what"),
    [(FakeEncoder(), "asks nothing of a dual encoder"), (Silent(), "writes no text, and the probe 'words' reads texts")],
)
def test_a_model_that_does_not_write_is_refused_by_name(model, what, dataset):
    assert not isinstance(model, Writer)
    with pytest.raises(UsageError, match=what):
        put_to(model, dataset)


@pytest.mark.parametrize(
    ("plan", "what"),
    [
        (replace(PLAN, by=("gendre",)), "compares by 'gendre', which the data do not have"),
        (replace(PLAN, prompts={}), "has no prompts"),
        (replace(PLAN, least=1.0), "invalid share 1.0"),
    ],
)
def test_a_wrong_plan_is_refused(plan, what, dataset):
    with pytest.raises(UsageError, match=what):
        word_rates.check([plan], word_probe(dataset), dataset, SETTINGS)


def test_a_dual_encoder_is_told_which_questions_were_left_out(dataset):
    label_set = LabelSet("who", ("nurse", "engineer"), {"nurse": ("a nurse",), "engineer": ("an engineer",)})
    asked = Measurement("role", "Who?", label_set, "v1", (Claim("selection_rate", ("gender",), "nurse"),), outcomes={"nurse": ("nurse",)})
    probe = replace(word_probe(dataset), measurements=(asked,))
    (result,) = audit(FakeEncoder(), probe, settings=replace(SETTINGS, draws=99), data=dataset, no_cache=True).results.audits
    (note,) = (each for each in result.model.notes if each.code == "no_texts_written")
    assert "Which words are used about whom?" in sentence(note)
    assert result.analyses["word_rates"] == ()


def test_a_check_lets_the_model_write_nothing(dataset):
    writer = Stereotyper()
    plan = forecast_audit(AuditRequest(model=writer, probe=word_probe(dataset), data=dataset, no_cache=True))
    assert [(probe.images, probe.planned, probe.exploratory) for probe in plan.probes] == [(153, 0, 0)]
    assert ([model.name for model in plan.models], writer.calls) == (["writer"], [])
