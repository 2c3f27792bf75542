"""Interventions: which captions change, by how much, and that the doses 0 and 1 are the recipes."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from contrastive.config import DataConfig, InterventionConfig, read_config
from contrastive.data import TrainingDataError, open_source
from contrastive.training.inputs import prepare
from strictio.errors import UsageError

ROWS = (
    ("a.png", "a woman judge", "woman", "a judge"),
    ("b.png", "a woman nurse", "woman", "a nurse"),
    ("c.png", "a man judge", "man", "a judge"),
    ("d.png", "womanly judge", "woman", ""),
)


@pytest.fixture
def table(tmp_path):
    for name, *_ in ROWS:
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name)
    lines = ["image,caption,gender,neutral", *(",".join(row) for row in ROWS)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "pairs.csv")


def captions(table, **intervention):
    source = open_source(DataConfig(table, intervention=InterventionConfig(**intervention)))
    return [source.captions(index) for index in range(len(source))]


UNCHANGED = [("a woman judge",), ("a woman nurse",), ("a man judge",), ("womanly judge",)]


def test_renaming_changes_whole_words_of_the_chosen_group_alone(table):
    renamed = captions(table, where={"gender": "woman"}, words={"judge": "student", "woman": "person"})
    assert renamed == [("a person student",), ("a person nurse",), ("a man judge",), ("womanly student",)]
    assert captions(table, where={"gender": ["man", "woman"]}, words={"a man": "a boy"})[2:] == [("a boy judge",), ("womanly judge",)]


def test_adding_keeps_the_own_caption(table):
    assert captions(table, kind="add", words={"woman judge": "student"})[:2] == [("a student", "a woman judge"), ("a woman nurse",)]


def test_relabelling_takes_the_text_of_a_column_where_there_is_some(table):
    assert captions(table, kind="relabel", column="neutral", where={"gender": "woman"}) == [
        ("a judge",),
        ("a nurse",),
        ("a man judge",),
        ("womanly judge",),
    ]


def test_withholding_leaves_the_pairs_out(table):
    source = open_source(DataConfig(table, intervention=InterventionConfig(kind="withhold", where={"gender": "woman"})))
    assert [source.name(index) for index in range(len(source))] == ["c.png"]
    assert "3 of the 3 pairs with gender woman were left out" in source.card


@pytest.mark.slow
def test_a_larger_dose_changes_the_pairs_of_a_smaller_one_and_more():
    doses = [
        set(open_source(DataConfig("emoji", skew="misnamed-women", intervention=InterventionConfig(share=share, seed=7))).replaced)
        for share in (0.0, 0.125, 0.25, 0.5, 1.0)
    ]
    assert [len(dose) for dose in doses] == [0, 25, 50, 99, 198]  # of 198; 24.75 and 49.5 are rounded up
    assert all(small < large for small, large in pairwise(doses))
    other = open_source(DataConfig("emoji", skew="misnamed-women", intervention=InterventionConfig(share=0.5, seed=8)))
    assert set(other.replaced) != doses[3]


DOSES = pytest.mark.parametrize(("share", "recipe"), [(0, "emoji_balanced"), (1, "emoji")])


@pytest.mark.slow_except("1-emoji")
@DOSES
def test_the_doses_zero_and_one_have_the_drawings_and_the_captions_of_the_recipes(share, recipe):
    def told(config):
        source = open_source(config.data)
        return [(source.name(row), source.content(row), source.captions(row)) for row in range(len(source))]

    dosed, whole = read_config("emoji", [f"data.intervention.share={share}"]), read_config(recipe)
    assert told(dosed) == told(whole)
    assert replace(dosed.data, intervention=None, skew="none") == replace(whole.data, skew="none")


@pytest.mark.slow
@DOSES
def test_the_doses_zero_and_one_are_the_recipes_bit_for_bit(share, recipe):
    dosed, whole = prepare(read_config("emoji", [f"data.intervention.share={share}"])), prepare(read_config(recipe))
    assert dosed.pairs.sha256 == whole.pairs.sha256  # all pixels and token ids
    assert dosed.tokenizer.sha256 == whole.tokenizer.sha256
    assert np.array_equal(dosed.train_rows, whole.train_rows)


def test_words_and_roles_narrow_a_planted_bias_down():
    judges = InterventionConfig(where={"role": "judge"}, kind="add")
    source = open_source(DataConfig("emoji", skew="misnamed-women", intervention=judges))
    assert len(source.replaced) == 6
    assert ("student", "woman judge") in source.replaced.values()  # the yellow one
    assert ("student dark skin tone", "student", "woman judge dark skin tone", "woman judge") in source.replaced.values()


@pytest.mark.parametrize(
    ("intervention", "message"),
    [
        (dict(where={"gendre": "woman"}, words={"a": "b"}), "no column 'gendre'"),
        (dict(where={"gender": "women"}, words={"a": "b"}), "where.gender: no pair has such a value"),
        (dict(words={"astronaut": "b"}), "data.intervention changes nothing"),
        (dict(kind="relabel"), 'set with kind = "relabel"'),
        (dict(kind="withhold"), "withholds all pairs"),
        (dict(words={" ": "judge"}), "a word is blank"),
    ],
)
def test_what_cannot_be_done_is_refused(table, intervention, message):
    with pytest.raises((UsageError, TrainingDataError)) as caught:
        captions(table, **intervention)
    assert message in str(caught.value)


def test_validation_data_keep_their_captions(table, tmp_path):
    text = f'model.preset = "tiny-conv"\ndata = {{train = "{table}", validation = "{table}", batch = 2, vocabulary = 600}}\n'
    (tmp_path / "run.toml").write_text(text + f'optim = {{steps = 1, lr = 1e-3}}\nrun.out = "{tmp_path}/out"\n')
    changes = ["data.intervention.words={judge = 'student'}"]
    inputs = prepare(read_config(str(tmp_path / "run.toml"), changes))
    assert inputs.held_out.sha256 != inputs.pairs.sha256
    inputs = prepare(read_config(str(tmp_path / "run.toml"), [*changes, "data.intervention.share=0"]))
    assert inputs.held_out.sha256 == inputs.pairs.sha256


def test_settings_are_read_from_toml_and_misspelt_ones_are_named():
    config = read_config("emoji", ["data.intervention.where={role = ['judge', 'cook']}", "data.intervention.share=0.25"])
    assert config.data.intervention.where == {"role": ["judge", "cook"]}
    wrong = (("shares=0.5", "has no setting 'shares'"), ("share=1.5", "at most 1"), ("kind=renaming", "cannot be 'renaming'"))
    for override, message in wrong:
        with pytest.raises(UsageError, match=message):
            read_config("emoji", [f"data.intervention.{override}"])
