"""Counterfactual captions: which pairs get them, which words are swapped, and what is trained and evaluated."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from contrastive.config import CounterfactualConfig, DataConfig, InterventionConfig, read_config
from contrastive.data import open_source
from contrastive.training.inputs import prepare
from strictio.errors import UsageError

TEXTS = ("a woman judge", "A Man and his dog", "WOMAN", "womanly", "a man sees a woman")


@pytest.fixture
def table(tmp_path):
    for i in range(5):
        Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(tmp_path / f"{i}.png")
    lines = ["image,caption", *(f"{i}.png,{text}" for i, text in enumerate(TEXTS))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    return str(tmp_path / "pairs.csv")


def counterfactual(*swap, **settings):
    return CounterfactualConfig(swap or (("man", "woman"),), **settings)


def captions(source):
    return [source.captions(index) for index in range(len(source))]


def test_the_own_caption_stays_and_the_swapped_one_follows(table):
    source = open_source(DataConfig(table, counterfactual=counterfactual(("man", "woman"), ("his", "her"))))
    assert captions(source) == [
        ("a woman judge", "a man judge"), ("A Man and his dog", "A Woman and her dog"), ("WOMAN", "MAN"), ("womanly",),
        ("a man sees a woman", "a woman sees a man"),
    ]  # fmt: skip
    assert source.card.endswith(
        "). Counterfactual captions: 4 of the 4 pairs whose captions have one of the words also have their captions with these words "
        "swapped: man and woman, his and her."
    )
    assert source.card.startswith("Trained on the 5 pairs in pairs.csv")


@pytest.mark.slow
def test_a_share_of_the_pairs_nested_by_the_seed():
    shares = [open_source(DataConfig("emoji", counterfactual=counterfactual(share=share, seed=3))) for share in (0.0, 0.25, 0.5, 1.0)]
    changed = [set(source.replaced) for source in shares]
    whole = len(changed[-1])
    assert [len(some) for some in changed] == [0, int(whole / 4 + 0.5), int(whole / 2 + 0.5), whole]
    assert all(small < large for small, large in pairwise(changed))
    assert (
        f"{len(changed[1])} of the {whole} pairs whose captions have one of the words, drawn at random with seed 3, also" in shares[1].card
    )
    assert set(open_source(DataConfig("emoji", counterfactual=counterfactual(share=0.5, seed=4))).replaced) != changed[2]


def test_after_a_planted_bias_both_are_in_the_card(table):
    planted = InterventionConfig(words={"woman judge": "woman student"})
    source = open_source(DataConfig(table, intervention=planted, counterfactual=counterfactual()))
    assert source.captions(0) == ("a woman student", "a man student")
    assert "“woman judge” became “woman student”" in source.card
    assert "Counterfactual captions: 4 of the 4 pairs" in source.card
    assert "planted nothing" not in source.card


def test_half_of_the_draws_are_swapped_and_evaluation_is_not(table, tmp_path):
    text = f'model.preset = "tiny-conv"\ndata = {{train = "{table}", validation = "{table}", batch = 2, vocabulary = 600}}\n'
    (tmp_path / "run.toml").write_text(text + f'optim = {{steps = 1, lr = 1e-3}}\nrun.out = "{tmp_path}/out"\n')
    inputs = prepare(read_config(str(tmp_path / "run.toml"), ["data.counterfactual.swap=[['man', 'woman']]"]))
    row = np.array([0])
    own, other = (inputs.tokenizer([text]) for text in ("a woman judge", "a man judge"))
    drawn = [inputs.pairs.batch(row, epoch, 0, 0)[1] for epoch in range(200)]
    swapped = sum(ids.shape == other[:, : ids.shape[1]].shape and bool((ids == other[:, : ids.shape[1]]).all()) for ids in drawn)
    assert 60 < swapped < 140  # 100, give or take sqrt(200) / 2 = 7
    for pairs in (inputs.pairs, inputs.held_out):
        ids = pairs.plain(row)[1]
        assert (ids == own[:, : ids.shape[1]]).all()
    assert "Counterfactual captions" in inputs.data_card
    assert inputs.held_out.sha256 != inputs.pairs.sha256


@pytest.mark.parametrize(
    ("swap", "words"),
    [
        ((), "pairs of words, such as"),
        ((("man", " "),), "pairs of words, such as"),
        ((("man", "Man"),), "each of them once; more than once: man"),
        ((("his", "her"), ("him", "her")), "more than once: her"),
    ],
)
def test_invalid_pairs_of_words(swap, words):
    with pytest.raises(UsageError, match=words):
        CounterfactualConfig(swap)


def test_unused_words_and_remote_shards_are_refused(table):
    with pytest.raises(UsageError, match=r"data\.counterfactual changes nothing"):
        open_source(DataConfig(table, counterfactual=counterfactual(("boy", "girl"))))
    with pytest.raises(UsageError, match=r"data\.counterfactual cannot change shards at URLs"):
        open_source(DataConfig("https://host/{0..1}.tar", counterfactual=counterfactual()))
