"""Groups and weights of training pairs: where they are read, and how often each pair is then drawn."""

import json
from collections import Counter

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrastive.config import Config, DataConfig, ModelSource, OptimConfig, RunConfig
from contrastive.data import TrainingDataError, open_source
from contrastive.data.groups import Grouping, Groups, read_grouping, read_groups, read_weights
from contrastive.data.order import Sampling, Stream, batch_draws, batch_positions, drawn, permutation
from contrastive.data.pairs import load_pairs
from contrastive.model.preprocess import Preprocess
from contrastive.model.tokenizer import train_bpe
from strictio.errors import DataError, UsageError
from tests.contrastive.data.test_training_sources import png, write_tar

GENDERS, TONES = ["woman", "man", "man", "", "man", "woman"], ["dark", "dark", "light", "light", "dark", "dark"]
WEIGHTS = ["1", "0.5", "2", "0", "1e1", "3"]


def write_images(root):
    for i, gender in enumerate(GENDERS):
        path = root / (gender or "other") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(i))
        path.with_suffix(".txt").write_text(f"number {i}")


def names():
    return [f"{gender or 'other'}/{i}.png" for i, gender in enumerate(GENDERS)]


def as_csv(root):
    write_images(root)
    rows = zip(names(), (f"number {i}" for i in range(6)), GENDERS, TONES, WEIGHTS, strict=True)
    path = root / "pairs.csv"
    path.write_text("".join(f"{','.join(row)}\n" for row in [("image", "caption", "gender", "tone", "weight"), *rows]))
    return path


def as_json_lines(root):
    write_images(root)
    lines = [
        {"image": name, "caption": [f"number {i}"], "gender": gender or None, "tone": tone, "weight": json.loads(weight)}
        for i, (name, gender, tone, weight) in enumerate(zip(names(), GENDERS, TONES, WEIGHTS, strict=True))
    ]
    (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root / "pairs.jsonl"


def as_parquet(root):
    root.mkdir()
    gender = datasets.ClassLabel(names=["man", "woman"])
    columns = {
        "image": datasets.Image(), "caption": datasets.Value("string"), "gender": gender, "tone": datasets.Value("string"),
        "weight": datasets.Value("float64"),
    }  # fmt: skip
    rows = {
        "image": [{"bytes": png(i), "path": None} for i in range(6)], "caption": [f"number {i}" for i in range(6)],
        "gender": [gender.str2int(name) if name else None for name in GENDERS], "tone": TONES, "weight": list(map(float, WEIGHTS)),
    }  # fmt: skip
    datasets.Dataset.from_dict(rows, features=datasets.Features(columns)).to_parquet(str(root / "train.parquet"))
    return root


def as_tar(root):
    for shard, numbers in enumerate((range(2), range(2, 6))):
        members = []
        for i in numbers:
            facts = {"gender": GENDERS[i], "tone": TONES[i], "weight": json.loads(WEIGHTS[i]), "boxes": [1]}
            facts = {key: value for key, value in facts.items() if value != ""}
            members += [(f"{i}.json", json.dumps(facts).encode()), (f"{i}.png", png(i)), (f"{i}.txt", f"number {i}".encode())]
        write_tar(root / f"{shard}.tar", [("readme.json", b"{}"), *members])
    return root


KINDS = {"csv": as_csv, "json lines": as_json_lines, "parquet": as_parquet, "tar": as_tar}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep what `datasets` stores of Parquet files out of the home folder."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")


@pytest.mark.parametrize("kind", KINDS)
def test_groups_and_weights_are_columns_of_any_data(tmp_path, kind):
    data = DataConfig(str(KINDS[kind](tmp_path / "data")), groups=("gender", "tone"), weight="weight")
    source = open_source(data)
    groups = read_groups(source, data)
    assert groups.names == ("(none) × light", "man × dark", "man × light", "woman × dark")
    assert groups.group_n.tolist() == [3, 1, 2, 0, 1, 3]
    assert groups.counts.tolist() == [1, 2, 1, 2]
    assert read_weights(source, data).tolist() == [1, 0.5, 2, 0, 10, 3]
    assert [source.captions(i) for i in range(6)] == [(f"number {i}",) for i in range(6)]
    without = open_source(DataConfig(data.train))
    assert (source.identity, source.card) == (without.identity, without.card)  # so that naming groups changes no older run's identity


def test_groups_come_from_names_where_there_is_no_column(tmp_path):
    write_images(tmp_path / "folder")
    as_tar(tmp_path / "tar")
    pattern = "^(?P<gender>woman|man)/(?P<number>.)"
    data = DataConfig(str(tmp_path / "folder"), groups=("gender",), group_pattern=pattern)
    assert read_groups(open_source(data), data).names == ("(none)", "man", "woman")
    data = DataConfig(str(tmp_path / "tar"), groups=("odd", "gender"), group_pattern=":(?P<odd>[135])?$")  # of names such as 1.tar:5
    groups = read_groups(open_source(data), data)
    assert [groups.names[group] for group in groups.group_n] == [
        "(none) × woman", "1 × man", "(none) × man", "3 × (none)", "(none) × man", "5 × woman",
    ]  # fmt: skip


def test_the_built_in_sets_have_columns():
    data = DataConfig("emoji", groups=("gender",))
    groups = read_groups(open_source(data), data)
    assert groups.names == ("(none)", "man", "person", "woman")
    data = DataConfig("shapes", groups=("count", "size"))
    groups = read_groups(open_source(data), data)
    assert groups.names[0] == "one × large"
    assert groups.counts.tolist() == [240] * 6


def read_both(data):
    source = open_source(data)
    return read_groups(source, data), read_weights(source, data)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"groups": ("gendr",)}, ["has no column 'gendr'", "did you mean gender"]),
        ({"groups": ("gender",), "weight": "wait"}, ["has no column 'wait'", "weight"]),
        ({"groups": ("empty",), "group_pattern": "(?P<empty>)$"}, ["no pair has a value of 'empty'", "group_pattern"]),
        ({"weight": "gender"}, ["a weight is not a number of at least 0 (pair 1, woman/0.png)", "'gender' is 'woman'", "5 more"]),
    ],
    ids=str,
)
def test_unknown_columns_and_invalid_weights(tmp_path, settings, words):
    data = DataConfig(str(as_csv(tmp_path)), **settings)
    with pytest.raises(TrainingDataError) as caught:
        read_both(data)
    assert caught.value.exit_code == 3
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("cell", ["-1", "nan", "inf", "", "x"])
def test_invalid_weights(tmp_path, cell):
    path = as_csv(tmp_path)
    path.write_text(path.read_text().replace(",1e1\n", f",{cell}\n"))
    data = DataConfig(str(path), weight="weight")
    with pytest.raises(TrainingDataError, match=r"a weight is not a number of at least 0 \(pair 5, man/4.png\)"):
        read_weights(open_source(data), data)


def test_tars_without_the_key_or_with_broken_json(tmp_path):
    data = DataConfig(str(as_tar(tmp_path)), groups=("gendr",))
    with pytest.raises(TrainingDataError, match=r"has no column 'gendr'\n.*\nfix: did you mean gender\? Known: gender, tone, weight"):
        read_groups(open_source(data), data)
    data = DataConfig(str(tmp_path), groups=("boxes",))  # a list is no group
    with pytest.raises(TrainingDataError, match="has no column 'boxes'"):
        read_groups(open_source(data), data)
    source = open_source(data)
    write_tar(tmp_path / "0.tar", [("7.json", b"{}"), ("7.png", png(7))])
    with pytest.raises(TrainingDataError, match=r"0.tar has 1 pairs, and 2 in its index\nfix: remove 0.tar.index.json"):
        source.columns(["boxes"])
    for content, words in ((b"{", "is not JSON"), (b"[]", "is not an object"), (b"[" * 100_000, "is not JSON")):
        write_tar(tmp_path / "0.tar", [("7.json", content), ("7.png", png(7)), ("7.txt", b"seven")])
        with pytest.raises(TrainingDataError, match=f"the .json file of '0.tar:7' {words}"):
            read_groups(open_source(data), data)


def test_a_folder_of_text_files_has_no_columns(tmp_path):
    write_images(tmp_path)
    data = DataConfig(str(tmp_path), groups=("gender",))
    with pytest.raises(DataError, match=r"has no column 'gender'\nwhy: images with text files have none\nfix: .*data.group_pattern"):
        read_groups(open_source(data), data)


def config_of(batch=2, sampling="balanced", **data):
    return Config(
        ModelSource("tiny-conv"), DataConfig("pairs.csv", batch=batch, **data), OptimConfig(1, lr=0.1, sampling=sampling), RunConfig("out")
    )


@pytest.mark.parametrize(
    ("sampling", "data", "words"),
    [
        ("balanced", {}, "needs the setting data.groups"),
        ("weighted", {"groups": ("gender",)}, "needs the setting data.weight"),
        ("natural", {"weight": "w"}, "data.weight has no effect"),
        ("natural", {"groups": ("a", "a")}, "data.groups must be names of columns, each of them once"),
        ("natural", {"groups": ("a",), "group_pattern": "("}, "data.group_pattern must be a regular expression"),
        ("natural", {"groups": ("a",), "group_pattern": "(a)"}, "data.group_pattern must be a regular expression with a named group"),
        ("natural", {"groups": ("a",), "group_pattern": "(?P<b>a)"}, "data.groups must be one or more of the named groups"),
    ],
)
def test_incompatible_settings(sampling, data, words):
    with pytest.raises(UsageError, match=words):
        config_of(sampling=sampling, **data)


# How often each pair is drawn.


def test_balanced_by_hand():
    # 3 men and 1 woman, 4 draws an epoch: the woman twice, two of the men once. Over epochs the three men take turns.
    sampling, men = Sampling.balanced(np.array([0, 0, 1, 0])), Counter()
    for epoch in range(300):
        positions, before = drawn(7, epoch, sampling)
        assert Counter(positions.tolist())[2] == 2
        assert before[positions == 2].tolist() == [0, 1]
        assert len({*positions.tolist()} - {2}) == 2
        men.update(positions[positions != 2].tolist())
    assert sum(men.values()) == 600
    assert min(men.values()) > 200 - 4 * 8  # 200 each, give or take sqrt(300 * 2/3 * 1/3) = 8


def test_equal_weights_and_groups_of_one_are_the_natural_order():
    for sampling in (Sampling.weighted(np.full(100, 0.3)), Sampling.balanced(np.zeros(100, int)), Sampling.balanced(np.arange(100))):
        for step in range(12):
            np.testing.assert_array_equal(batch_positions(5, step, 100, 30, None, sampling), batch_positions(5, step, 100, 30))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=40).filter(any), st.integers(0, 5), st.integers(1, 4))
def test_draws_are_the_expected_number_up_to_rounding(weights, epoch, groups):
    weight_n, n = np.array(weights), len(weights)
    group_n = np.arange(n) % groups
    sampling = Sampling.weighted(weight_n, group_n)
    positions, _ = drawn(3, epoch, sampling)
    assert (np.diff(positions) >= 0).all()
    counts, expected = np.bincount(positions, minlength=n), n * weight_n / weight_n.sum()
    assert counts.sum() == n
    assert np.abs(counts - expected).max() < 1 + 1e-9
    assert not counts[weight_n == 0].any()
    by_group = [(counts[group_n == group].sum(), expected[group_n == group].sum()) for group in range(groups)]
    assert max(abs(count - mean) for count, mean in by_group) < 1 + 1e-9


def test_the_mean_over_epochs_is_the_expected_number():
    # Fractions of a draw are drawn in that share of the epochs: 400 epochs, so within 4 standard errors of at most 0.025.
    weight_n = np.array([0.2, 1.0, 0.7, 3.3, 0.8, 0.0, 2.0])
    sampling = Sampling.weighted(weight_n)
    counts = sum(np.bincount(drawn(0, epoch, sampling)[0], minlength=7) for epoch in range(400)) / 400
    np.testing.assert_allclose(counts, sampling.expected_n, atol=0.1)
    np.testing.assert_allclose(sampling.expected_n, 7 * weight_n / 8)


def test_the_start_of_the_ruler_is_random():
    # With a fixed start of 1/2, no order of these pairs would give the first one a draw: it is 0.2 of one, next to whole ones or to 1.8.
    sampling = Sampling.weighted(np.array([0.2, 1.0, 1.0, 1.8]))
    times = sum(0 in drawn(0, epoch, sampling)[0] for epoch in range(400))
    assert 80 - 4 * 8 < times < 80 + 4 * 8


def test_every_selection_of_a_large_group_occurs():
    # 6 men and 3 women: 4.5 draws each. Of the 15 selections of 4 men and the 6 of 5, each occurs in 300 epochs (mean 10, and 25).
    group_n = np.array([0] * 6 + [1] * 3)
    chosen = Counter(tuple(p for p in drawn(2, epoch, Sampling.balanced(group_n))[0].tolist() if p < 6) for epoch in range(300))
    assert Counter(map(len, chosen)) == {4: 15, 5: 6}


def test_the_steps_of_an_epoch_are_all_that_was_drawn_and_depend_on_seed_and_step_alone():
    sampling = Sampling.balanced(np.array([0] * 27 + [1] * 3))
    steps = [batch_draws(4, step, 30, 10, None, sampling) for step in range(9)]
    for epoch in range(3):
        positions = np.concatenate([part for part, _ in steps[3 * epoch : 3 * epoch + 3]])
        np.testing.assert_array_equal(np.sort(positions), drawn(4, epoch, sampling)[0])
        assert (positions >= 27).sum() == 15
    for cache in (drawn, permutation):
        cache.cache_clear()
    resumed = batch_draws(4, 5, 30, 10, None, Sampling.balanced(np.array([0] * 27 + [1] * 3)))
    np.testing.assert_array_equal(resumed, steps[5])
    assert not np.array_equal(batch_positions(5, 5, 30, 10, None, sampling), steps[5][0])


def test_shards_read_one_after_another_give_what_was_drawn():
    # A buffer of one: block by block, and within a block in order of the positions, as often as drawn.
    sampling = Sampling.weighted(np.array([0.0, 2, 1, 1, 3, 0, 0, 1]))
    stream = Stream((3, 2, 3), buffer=1)
    for epoch in range(5):
        positions = np.concatenate([batch_positions(1, 4 * epoch + step, 8, 2, stream, sampling) for step in range(4)])
        blocks = np.searchsorted([3, 5], positions, side="right")
        assert sorted(positions.tolist()) == [1, 1, 2, 3, 4, 4, 4, 7]
        assert (np.diff(blocks) != 0).sum() == 2
        assert all((np.diff(positions[blocks == block]) >= 0).all() for block in range(3))


def test_copies_of_a_pair_in_an_epoch_have_captions_and_shifts_of_their_own(tmp_path):
    as_csv(tmp_path)
    tokenizer = train_bpe(["number 0 1 2 3 4 5"], 530, context=12)
    for memory_gib in (1.0, 0.0):  # in memory, and decoded on demand
        data = DataConfig(str(tmp_path / "pairs.csv"), templates=("{caption}", "see {caption}"), memory_gib=memory_gib)
        pairs = load_pairs(open_source(data), Preprocess(8), tokenizer, data)
        rows = np.full(40, 2)
        pixels, ids = pairs.batch(rows, 3, 1, 2, np.arange(40))
        assert len(np.unique(ids.numpy(), axis=0)) == 2
        assert len(np.unique(pixels.reshape(40, -1).numpy(), axis=0)) > 5
        alone = pairs.batch(rows[:1], 3, 1, 2)
        assert (pixels[0] == alone[0][0]).all()  # the first is the one that there would be without sampling
        again = pairs.batch(rows[5:6], 3, 1, 2, np.array([5]))
        assert (pixels[5] == again[0][0]).all()


# What the data card says.


def test_the_data_card_says_what_was_drawn(tmp_path):
    path = str(as_csv(tmp_path))
    config = config_of(batch=2, groups=("gender",))
    config = Config(config.model, DataConfig(path, batch=2, groups=("gender",)), config.optim, config.run)
    grouping = read_grouping(open_source(config.data), config, np.arange(6))
    assert grouping.sentences == (
        "Training drew every group equally often, and within a group every pair equally often.",
        "Its pairs are of the 3 groups of gender ((none) 1, man 3, woman 2).",
        "A pair was drawn up to 2 times per epoch.",
    )
    config = Config(config.model, DataConfig(path, batch=4, weight="weight"), OptimConfig(1, lr=0.1, sampling="weighted"), config.run)
    grouping = read_grouping(open_source(config.data), config, np.arange(6))
    assert grouping.sentences == (
        "Training drew pairs in proportion to the weights in the column weight; 1 with weight 0 were never drawn.",
        "A pair was drawn up to 4 times per epoch.",
        "A batch of 4 holds up to 2.4 copies of a pair on average: the loss counts them as wrong answers for each other.",
    )
    assert grouping.warnings == grouping.sentences[-1:]
    with pytest.raises(TrainingDataError, match="all weights of training pairs are 0 in the column 'weight'"):
        read_grouping(open_source(config.data), config, np.array([3]))


def test_many_groups_are_not_all_listed():
    groups = Groups.of(["id"], [[str(i // 2) for i in range(99)]])
    assert groups.sentence == "the 50 groups of id (smallest 49 1, largest 9 2)"


def test_groups_and_weights_are_part_of_what_a_resumed_run_must_share():
    config = config_of(groups=("gender",))
    grouping = Grouping(config, Groups.of(["gender"], [["a", "b"]]))
    swapped = Grouping(config, Groups.of(["gender"], [["b", "a"]]))
    assert Grouping(config).identity == {}
    assert grouping.identity == Grouping(config, Groups.of(["gender"], [["a", "b"]])).identity != swapped.identity
    assert Grouping(config, weight_n=np.array([1.0, 2.0])).identity != Grouping(config, weight_n=np.array([2.0, 1.0])).identity
