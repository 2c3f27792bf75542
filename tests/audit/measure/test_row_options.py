"""Options and questions that differ from row to row: by hand, by invariance, and against the plain measurement of one question for all."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit.data.changed.subset import part_of
from audit.engine.answers import audit
from audit.errors import DataError, UsageError
from audit.measure.row_options import questions_of_rows
from audit.probe.check import mistakes
from audit.testing import FakeEncoder, png
from audit.types import Claim, Dataset, LabelSet, Measurement, Probe, RowOptions, Settings
from tests.audit.measure.asked.test_interview import FakeAnswerer, faces

AXES = {"red": [1.0, 0, 0], "green": [0, 1.0, 0], "blue": [0, 0, 1.0]}
COLOURS = {"red": "red", "green": "lime", "blue": "blue"}
ROLES = LabelSet("role", ("stereotyped", "other", "unclear"), {})
OPTIONS = RowOptions({"unclear": "c", "stereotyped": "a", "other": "b"}, question="q")
CLAIMS = (
    Claim("accuracy", ("group",)), Claim("selection_rate", ("group",), "unclear"), Claim("rate_among_answered", ("group",), "stereotyped"),
)  # fmt: skip
MEASURED = Measurement(
    "answer", "What is answered?", ROLES, "ours v1", CLAIMS, "truth",
    {"unclear": ("unclear",), "stereotyped": ("stereotyped",)}, kind="row_options", options=OPTIONS,
)  # fmt: skip
# What the picture shows, and the options of its row: group 1 is answered stereotyped, other, unclear; group 2 other, unclear, unclear.
ROWS = [
    ("1", "red", "red hair", "green hair", "blue, or who knows", "stereotyped"),
    ("1", "green", "red hat", "green hat", "blue, or unsure", "stereotyped"),
    ("1", "blue", "green hat", "red hat", "blue, or unsure", "unclear"),
    ("2", "red", "green hat", "red hat", "blue, or unsure", "other"),
    ("2", "blue", "red hair", "green hair", "blue, or who knows", "other"),
    ("2", "blue", "red hat", "green hat", "blue, or unsure", "unknown"),
]


def rows(kinds=ROWS, repeat=1) -> Dataset:
    kinds = list(kinds) * repeat
    ids = [f"{place}.png" for place in range(len(kinds))]
    attributes = pd.DataFrame({"group": [row[0] for row in kinds], "truth": [row[5] for row in kinds]}, index=ids, dtype="str")
    texts = pd.DataFrame([row[2:5] for row in kinds], columns=["a", "b", "c"], index=ids, dtype="str").assign(q="What colour is it?")
    levels = {"group": ("1", "2"), "truth": (*ROLES.labels, "unknown")}
    images = [png(COLOURS[row[1]]) + bytes(place) for place, row in enumerate(kinds)]
    return Dataset("rows", images, attributes, levels, "5" * 64, "made by the test", "none", texts=texts)


def probe(*measurements: Measurement) -> Probe:
    return Probe("rows", "?", lambda _: None, measurements or (MEASURED,), "ours", "none", ("None.",), ("All.",))


def run(dataset, *measurements, model=None, root=None, fewest=2, **settings):
    given = Settings(min_group_size=fewest, draws=99, **settings)
    return audit(model or FakeEncoder(AXES), probe(*measurements), dataset, given, cache_root=root)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


def values(audited, metric):
    finding = next(each for each in audited.result.findings if each.metric == metric)
    return {rate.group[0]: (rate.events, rate.n) for rate in finding.by_group}


@pytest.mark.slow
def test_each_row_is_answered_among_its_own_options_and_the_three_numbers_have_their_own_denominators(root):
    audited = run(rows(), root=root)

    # The last row has no known truth and is not scored. Of the others group 1 answers stereotyped, other, unclear; group 2 other, unclear.
    assert audited.predictions["answer"].y_pred.tolist() == ["stereotyped", "other", "unclear", "other", "unclear"]
    assert values(audited, "accuracy") == {"1": (2, 3), "2": (1, 2)}
    # No true answer is one of both groups, so they are not compared at equal true shares; the shares given stand beside the true ones.
    shares = next(finding.shares for finding in audited.result.findings if finding.metric == "selection_rate")
    assert {share.group[0]: (share.given, share.n) for share in shares} == {"1": (1 / 3, 3), "2": (1 / 2, 2)}
    assert values(audited, "rate_among_answered") == {"1": (1, 2), "2": (0, 1)}
    record = audited.result.measurements[0].row_texts
    # 4 hats and hairs, 2 ways to be unsure; the first three distinct rows are shown.
    assert (record.rows, record.questions, record.options, record.private) == (6, 1, 6, False)
    assert record.labels == ROLES.labels
    assert record.examples[0] == ("What colour is it?", "red hair", "green hair", "blue, or who knows")
    # Texts of rows are no attributes, and stand in no list of texts that is printed.
    assert set(audited.predictions["answer"].attributes.columns) == {"group", "truth"} == set(audited.result.counts[0].attributes)
    assert audited.result.texts == ()


@pytest.mark.slow
def test_the_order_of_rows_and_the_names_of_roles_move_no_rate(root):
    first = run(rows(), root=root)
    backwards = run(part_of(rows(), [5, 3, 0, 4, 1, 2]), root=root)
    renamed = {"stereotyped": "S", "other": "O", "unclear": "U", "unknown": "unknown"}
    again = rows()
    again = replace(
        again, attributes=again.attributes.replace({"truth": renamed}), levels={**again.levels, "truth": tuple(renamed.values())}
    )
    other = replace(
        MEASURED, label_set=LabelSet("role", ("S", "O", "U"), {}), claims=CLAIMS[:2], outcomes={"unclear": ("U",)},
        options=RowOptions({"S": "a", "O": "b", "U": "c"}, question="q"),
    )  # fmt: skip

    for metric in ("accuracy", "selection_rate"):
        assert values(first, metric) == values(backwards, metric) == values(run(again, other, root=root), metric)
    assert first.result.findings == backwards.result.findings
    assert again.fingerprint == rows().fingerprint
    assert part_of(again, [0, 1]).fingerprint != part_of(replace(again, texts=again.texts.assign(a="x")), [0, 1]).fingerprint


GENDER = LabelSet("gender", ("Female", "Male"), {"Female": ("a photo of a woman",), "Male": ("a photo of a man",)})
PLAIN = Measurement("gender", "Who?", GENDER, "test v1", (Claim("accuracy", ("race",)),), "gender")
BY_ROW = replace(
    PLAIN, label_set=LabelSet("gender", GENDER.labels, {}), kind="row_options", options=RowOptions({"Female": "f", "Male": "m"})
)


def with_texts(dataset: Dataset, **texts: str) -> Dataset:
    return replace(dataset, texts=pd.DataFrame(texts, index=dataset.attributes.index, dtype="str"))


@pytest.mark.slow
@pytest.mark.parametrize("model", [FakeEncoder, FakeAnswerer])
def test_the_same_options_in_every_row_give_the_plain_measurement_exactly(root, model):
    data = with_texts(faces(), f="a photo of a woman", m="a photo of a man")
    plain, by_row = (run(data, each, model=model(), root=root) for each in (PLAIN, BY_ROW))

    assert plain.result.findings == by_row.result.findings
    for name, predictions in plain.predictions.items():
        np.testing.assert_array_equal(predictions.scores, by_row.predictions[name].scores)
        np.testing.assert_array_equal(predictions.y_pred, by_row.predictions[name].y_pred)


@pytest.mark.slow
def test_a_slow_loop_over_rows_gives_the_same_scores_to_the_last_digits(root):
    rng = np.random.default_rng(0)
    words = [f"word {i}" for i in range(12)]
    axes = {word: rng.normal(size=3).tolist() for word in reversed(words)}
    n = 60
    texts = pd.DataFrame([rng.choice(words, 3, replace=False) for _ in range(n)], columns=["a", "b", "c"])
    images = [png(tuple(int(value) for value in rng.integers(1, 255, 3))) for _ in range(n)]
    attributes = pd.DataFrame({"group": rng.choice(["1", "2"], n)}, dtype="str")
    data = Dataset("rows", images, attributes, {"group": ("1", "2")}, "6" * 64, "made up", "none", texts=texts)
    asked = replace(MEASURED, truth=None, claims=CLAIMS[1:], options=replace(OPTIONS, question=None))
    encoder = FakeEncoder(axes, logit_scale=7.0)
    found = run(data, asked, model=encoder, root=root).predictions["answer"]

    from strictio.images.decode import decode

    for place in range(n):
        image = encoder.encode_images([decode(images[place]).image])[0].astype(float)
        vectors = [np.array(axes[texts.loc[place, name]], np.float32).astype(float) for name in "abc"]
        cosine = [image @ vector / np.linalg.norm(image) / np.linalg.norm(vector) for vector in vectors]
        weights = np.exp(7.0 * np.array(cosine))
        np.testing.assert_allclose(found.scores[place], weights / weights.sum(), rtol=2e-7)
        assert found.y_pred[place] == ROLES.labels[int(np.argmax(cosine))]


class Counting(FakeEncoder):
    """Remembers every text that it was given."""

    def __init__(self):
        super().__init__(AXES)
        self.texts: list[str] = []

    def encode_texts(self, texts):
        self.texts += texts
        return super().encode_texts(texts)


@pytest.mark.slow
def test_each_distinct_text_is_embedded_once(root):
    encoder = Counting()
    run(rows(repeat=5), model=encoder, root=root)

    assert sorted(encoder.texts) == ["blue, or unsure", "blue, or who knows", "green hair", "green hat", "red hair", "red hat"]


@pytest.mark.slow
def test_a_generative_model_is_asked_each_rows_question_once_ever(root):
    class Colours(FakeAnswerer):
        def _one(self, image, question):
            self.asked.append(question)
            seen = np.asarray(image, np.float32).reshape(-1, 3).mean(0)
            return [max(seen[place] for place, word in enumerate(AXES) if word in option) / 99 for option in question.options]

    model = Colours()
    model.asked = []
    audited = run(rows(), model=model, root=root)

    assert audited.predictions["answer"].y_pred.tolist() == ["stereotyped", "other", "unclear", "other", "unclear"]
    first = model.asked[0]
    assert first.text.splitlines()[0] == "What colour is it? Reply with one option, word for word."
    assert set(first.options) == {"red hair", "green hair", "blue, or who knows"}  # "unclear" is one of the data's own: no fourth option
    assert len(model.asked) == 2 * 6  # six rows, in a fixed and in a shuffled order
    assert audited.result.measurements[1].answer_counts == {"same answer": 5, "another answer": 0}  # of those that are scored
    run(rows(), model=model, root=root)
    assert len(model.asked) == 2 * 6
    changed = rows()
    changed.texts.loc["0.png", "q"] = "And which colour is this?"
    run(changed, model=model, root=root)
    assert len(model.asked) == 2 * 7  # the same image with another question is asked anew, the others are not


def test_a_row_without_options_is_not_asked_and_half_a_row_is_refused_by_name(root):
    data = rows()
    data.texts.loc["1.png", ["a", "b", "c", "q"]] = ""
    audited = run(data, root=root)
    assert audited.predictions["answer"].attributes.index.tolist() == ["0.png", "2.png", "3.png", "4.png"]
    assert audited.result.measurements[0].row_texts.rows == 5

    data.texts.loc["2.png", "b"] = ""
    with pytest.raises(DataError, match="an empty option") as caught:
        run(data, root=root)
    assert caught.value.where == "the row of '2.png'"
    data.texts.loc["2.png", "b"] = "Green hat "
    with pytest.raises(DataError, match="two equal options"):
        run(data, root=root)
    with pytest.raises(UsageError, match="no column of texts 'c'"):
        run(replace(data, texts=data.texts.drop(columns="c")), root=root)
    with pytest.raises(UsageError, match="no column of texts 'a'"):
        run(replace(data, texts=None), root=root)


NAMES = LabelSet("name", ("right", "wrong"), {})
NAMED = Measurement(
    "name", "?", NAMES, "ours v1", (Claim("accuracy", ("group",)),), "right", kind="row_options",
    options=RowOptions({"right": "a"}, others="wrong", private=True),
)  # fmt: skip


def named() -> Dataset:
    shown = [("1", "red", "red"), ("1", "red", "green"), ("1", "blue", "blue"), ("2", "green", "red"), ("2", "green", "green")]
    data = rows([(group, seen, f"{name} Miller", "", "", "right") for group, seen, name in shown])
    attributes = data.attributes.rename(columns={"truth": "right"})
    return replace(data, attributes=attributes, levels={"group": ("1", "2"), "right": ("right",)}, texts=data.texts[["a"]])


def test_among_the_options_of_all_rows_an_image_is_right_or_wrong_and_no_name_is_kept(root, caplog):
    audited = run(named(), NAMED, root=root)

    # Three names. Group 1: red is red, red is not green, blue is blue; group 2: green is not red, green is green.
    assert audited.predictions["name"].y_pred.tolist() == ["right", "wrong", "right", "wrong", "right"]
    assert values(audited, "accuracy") == {"1": (2, 3), "2": (1, 2)}
    # A constant "right" is no answer that a model could give.
    assert all(rate.baseline is None for rate in audited.result.findings[0].by_group)
    record = audited.result.measurements[0].row_texts
    assert (record.options, record.private, record.examples) == (3, True, ())
    assert "Miller" not in repr(audited) + caplog.text

    with pytest.raises(DataError, match="fewer than two options"):
        run(part_of(named(), [0, 3]), NAMED, root=root, fewest=1)


class Blind(FakeEncoder):
    """Every text is the same to it, so that all options of a row tie."""

    def encode_texts(self, texts):
        return np.ones((len(texts), 3), np.float32)


def test_rows_share_a_question_by_what_a_model_reads():
    """Six rows have three distinct sets of options; with the question before them, of which one differs, four."""
    data = rows()
    texts = data.texts.assign(q=["What?"] * 5 + ["Which?"])
    asked = questions_of_rows(MEASURED, texts, texts.index)
    assert [reading.tolist() for reading in asked.readings] == [[0, 1, 2, 2, 0, 1], [0, 1, 2, 2, 0, 3]]
    assert asked.guessed == 1 / 3
    assert questions_of_rows(MEASURED, texts, texts.index[[5, 0]]).readings[0].tolist() == [0, 1]
    assert questions_of_rows(NAMED, named().texts, named().texts.index).guessed == 1 / 3  # three names
    assert questions_of_rows(replace(MEASURED, options=None), texts, texts.index) is None
    assert questions_of_rows(MEASURED, texts, texts.index[:0]) is None
    assert questions_of_rows(MEASURED, texts.set_axis(["same"] * 6), texts.index) is None


def test_a_tie_goes_to_no_role_but_to_the_text_that_comes_first(root):
    # The texts in their order: blue, green, red; blue is "unclear". Of rows 1 and 2 green is "other", of rows 3 and 4 "stereotyped".
    assert set(run(rows(), model=Blind(AXES), root=root).predictions["answer"].y_pred) == {"unclear"}
    two = {"label_set": LabelSet("two", ("stereotyped", "other"), {}), "options": RowOptions({"stereotyped": "a", "other": "b"})}
    blind = replace(MEASURED, truth=None, claims=CLAIMS[2:], outcomes={"stereotyped": ("stereotyped",)}, **two)
    tied = run(rows(), blind, model=Blind(AXES), root=root).predictions["answer"]
    assert tied.y_pred.tolist() == ["other", "other", "stereotyped", "stereotyped", "other", "other"]
    # Three names that tie are no identification: only who is first in the alphabet, "blue Miller", is right.
    assert run(named(), NAMED, model=Blind(AXES), root=root).predictions["name"].y_pred.tolist() == [
        "wrong",
        "wrong",
        "right",
        "wrong",
        "wrong",
    ]


def test_a_generative_model_that_takes_the_first_option_is_not_right_for_the_order_of_roles(root):
    class First(FakeAnswerer):
        def _one(self, image, question):
            return [-float(option != question.text.splitlines()[1].removeprefix("- ")) for option in question.options]

    two = {"label_set": LabelSet("two", ("stereotyped", "other"), {}), "options": RowOptions({"stereotyped": "a", "other": "b"})}
    asked = replace(MEASURED, truth=None, claims=CLAIMS[2:], outcomes={"stereotyped": ("stereotyped",)}, **two)
    given = run(rows(), asked, model=First(), root=root).predictions["answer"].y_pred.tolist()
    assert given == ["other", "other", "stereotyped", "stereotyped", "other", "other"]


def test_a_stem_stands_before_each_option_for_a_dual_encoder_alone(root):
    encoder = Counting()
    run(
        rows(ROWS[:1]),
        replace(MEASURED, truth=None, claims=CLAIMS[1:], options=replace(OPTIONS, stem="q")),
        model=encoder,
        root=root,
        fewest=1,
    )
    assert sorted(encoder.texts) == [f"What colour is it? {each}" for each in ("blue, or who knows", "green hair", "red hair")]


def test_accuracy_is_refused_where_only_unclear_is_right(root):
    data = rows()
    with pytest.raises(DataError, match="the right answer is 'unclear' in every row"):
        run(replace(data, attributes=data.attributes.assign(truth=["unclear"] * 5 + ["unknown"])), root=root)


def test_no_error_about_a_private_text_holds_it(root):
    class Broken(FakeEncoder):
        def encode_texts(self, texts):
            return np.full((len(texts), 3), np.nan, np.float32)

    with pytest.raises(DataError, match="not finite for a private text") as caught:
        run(named(), NAMED, model=Broken(AXES), root=root)
    assert "Miller" not in f"{caught.value} {caught.value.why} {caught.value.where}"


def test_the_options_of_all_rows_are_left_out_for_a_generative_model_and_a_note_says_so(root):
    data = named()
    data = replace(data, texts=data.texts.assign(b="a woman", c="a man", q="Who?"))
    two = {"label_set": LabelSet("two", ("stereotyped", "other"), {}), "options": RowOptions({"stereotyped": "b", "other": "c"})}
    both = replace(MEASURED, truth=None, claims=CLAIMS[2:], outcomes={"stereotyped": ("stereotyped",)}, **two)
    audited = run(data, NAMED, both, model=FakeAnswerer(), root=root)

    assert [measurement.name for measurement in audited.result.measurements] == ["answer", "answer: order"]
    assert "not_asked_among_others" in {note.code for note in audited.result.model.asked if not isinstance(note, str)}


def test_mistakes_of_a_probe_with_row_options_are_named():
    def first(**changes):
        return next(mistake.what for mistake in mistakes(probe(replace(MEASURED, **changes))) if "prompts" not in mistake.what)

    assert not list(mistakes(probe()))
    assert first(options=None).startswith("kind is 'row_options' and options are None")
    assert first(kind="zero_shot").startswith("kind is 'zero_shot' and options are")
    assert "the labels are 'other', 'stereotyped', 'unclear'" in first(options=RowOptions({"stereotyped": "a"}))
