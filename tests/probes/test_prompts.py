import itertools

import pytest

from audit.errors import UsageError
from probes.prompts import fill, preset, preset_names


def test_at_least_four_presets_carry_the_whole_21_label_set():
    whole = [name for name in preset_names() if {"race_gender", "harm"} <= set(preset(name).objectives)]

    assert len(whole) >= 4
    for name in whole:
        assert len(preset(name).prompts("race_gender", "harm")) == 21


@pytest.mark.parametrize("name", preset_names())
def test_every_prompt_is_a_plain_sentence_without_slash_or_brace_or_double_space_and_articles_fit_the_next_word(name):
    for text in (text for labels in preset(name).objectives.values() for texts in labels.values() for text in texts):
        assert not set("{}/") & set(text), text
        assert "  " not in text
        assert text == text.strip()
        for article, following in itertools.pairwise(text.lower().split()):
            assert article not in ("a", "an") or article == ("an" if following[0] in "aeiou" else "a"), text


def test_rijgersberg_is_word_for_word():
    prompts = preset("rijgersberg").prompts("race_gender", "harm")

    assert prompts["Latino_Hispanic woman"] == ("a photo of a latino woman",)
    assert prompts["orangutan"] == ("a photo of an orangutan",)


@pytest.mark.parametrize("template", ["a photo", "{label} {label}", "{label.__class__}", "{label} {0}", "{label}}"])
def test_a_template_with_anything_but_one_placeholder_is_refused(template):
    with pytest.raises(UsageError, match="exactly once"):
        fill(template, "x")


def test_words_cannot_reach_into_python():
    assert fill("a {label}", "{x.__class__}") == "a {x.__class__}"


def test_an_unknown_preset_names_the_nearest_and_a_missing_objective_is_named():
    with pytest.raises(UsageError) as caught:
        preset("biton")
    assert "bitton" in caught.value.fix
    with pytest.raises(UsageError, match="'race_binary'"):
        preset("birhane").prompts("race_binary")


def test_the_same_words_under_another_template():
    portrait = preset("plain").reworded("a photo of ", "a portrait of {label}")

    assert portrait.title == "“a portrait of …” v1"
    assert portrait.prompts("age")["0-2"] == ("a portrait of a person aged 0 to 2 years",)
    assert list(portrait.prompts("race")) == list(preset("plain").prompts("race"))
    with pytest.raises(UsageError, match="'A photo of a female' of preset 'bitton' does not begin with 'a photo of '"):
        preset("bitton").reworded("a photo of ", "{label}")
