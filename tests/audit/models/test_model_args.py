"""``--model-args``: two notations, read strictly."""

import shlex

import pytest

from audit.errors import UsageError
from audit.models.model_args import MAX_LENGTH, by_model, parse_model_args, read_overrides, refuse_overrides
from audit.run import parser


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("activation=gelu", {"activation": "gelu"}),
        ("activation=gelu mean=0.5,0.5,0.5 std=1,1,1", {"activation": "gelu", "mean": "0.5,0.5,0.5", "std": "1,1,1"}),
        ("mean=0.5,0.5,0.5,activation=gelu", {"mean": "0.5,0.5,0.5", "activation": "gelu"}),
        ("  image-head-width = 80 ,\n tokenizer=my folder/a=b.txt", {"image_head_width": "80", "tokenizer": "my folder/a=b.txt"}),
        ('{"activation": "gelu", "mean": [0.5, 0.5, 0.5]}', {"activation": "gelu", "mean": "0.5,0.5,0.5"}),
        ('{"causal": false, "text_head_width": 64, "layer_norm_eps": 1e-6}',
         {"causal": "false", "text_head_width": "64", "layer_norm_eps": "1e-06"}),
    ],
)  # fmt: skip
def test_names_and_values_are_found(text, found):
    assert parse_model_args(text) == found


@pytest.mark.parametrize(
    "text",
    ["gelu", "gelu activation=gelu", "activation=gelu activation=relu", "activation=", "{", '{"a": 1, "a": 2}', '{"a": {"b": 1}}',
     '{"a": null}', "[" * 9, "{" * 5000, "a=" + "x" * MAX_LENGTH],
)  # fmt: skip
def test_what_is_neither_is_the_users_mistake(text):
    with pytest.raises(UsageError) as caught:
        parse_model_args(text)
    assert caught.value.exit_code == 2


def test_a_statement_is_checked_by_name_and_type():
    assert read_overrides(parse_model_args("mean=0.1,0.2,0.3")).mean == (0.1, 0.2, 0.3)
    with pytest.raises(UsageError, match="unknown model override 'activatoin'") as caught:
        read_overrides({"activatoin": "gelu"})
    assert (caught.value.where, "did you mean activation" in caught.value.fix) == ("--model-args", True)


def test_a_model_that_says_it_itself_takes_no_statement():
    refuse_overrides({}, "a folder")
    refuse_overrides(None, "a folder")
    with pytest.raises(UsageError, match="mean cannot be set for a folder"):
        refuse_overrides({"mean": "0,0,0"}, "a folder")


@pytest.mark.parametrize(
    ("words", "stated"),
    [
        ("--model a.pt --model-args activation=gelu --model b.pt --model c.pt --model-args=mean=0,0,0 --probe emoji",
         [{"activation": "gelu"}, {}, {"mean": "0,0,0"}]),
        ("--model-args 'activation=gelu std=1,1,1' --model a.pt --model b.pt --model-args activation=relu",
         [{"activation": "gelu", "std": "1,1,1"}, {"activation": "relu", "std": "1,1,1"}]),
    ],
)  # fmt: skip
def test_what_is_stated_is_about_the_model_before_it_and_before_the_first_about_all(words, stated):
    assert by_model(parser().parse_args(shlex.split(words)).model_args, len(stated)) == stated


def test_a_fact_is_stated_once_about_a_model():
    with pytest.raises(UsageError, match="gives activation twice"):
        by_model([(1, "activation=gelu"), (1, "activation=relu")], 1)
    assert by_model([(1, "activation=gelu"), (1, "mean=0,0,0")], 1) == [{"activation": "gelu", "mean": "0,0,0"}]
    assert by_model([], 2) == [{}, {}]
