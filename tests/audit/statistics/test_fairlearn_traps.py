"""What fairlearn answers without a warning where the right answer is another, beside what this package answers."""

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    selection_rate,
    true_positive_rate,
)

from audit.api.metric_frame import row_frame
from audit.errors import DataError
from audit.results import Finding
from audit.statistics.counts import count_table
from audit.statistics.findings import decide_verdicts, findings
from audit.statistics.resampling import resample_counts
from audit.types import Claim, LabelSet, Measurement, Settings
from reports.text.reasons import not_compared
from tests.support.answered import answered

G = ["a"] * 4 + ["b"] * 4
SETTINGS = Settings(min_group_size=2, draws=999)


def ask(metric, outcome, y_true, y_pred, group=G, levels=("a", "b"), settings=SETTINGS):
    """Put one claim through the whole of the statistics, verdict included."""
    y_true, y_pred = (np.array(list(map(str, each))) for each in (y_true, y_pred))
    answers = tuple(dict.fromkeys([*y_pred.tolist(), *y_true.tolist()]))
    given = answered(y_pred, pd.DataFrame({"group": group}), y_true, answers)
    return decided(given, Claim(metric, ("group",), outcome and "it"), outcome, {"group": levels}, settings)


def decided(given, claim, outcome, levels, settings=SETTINGS):
    measurement = Measurement("m", "?", LabelSet("l", given.answers, {}), "p v1", (claim,), truth="t", outcomes={"it": (outcome,)})
    return Finding.of(decide_verdicts(findings(measurement, given, levels, settings), settings, limited=False)[0][0])


def selected_frame(y_true, y_pred, groups, **given):
    return MetricFrame(metrics={"s": selection_rate}, y_true=y_true, y_pred=y_pred, sensitive_features=groups, **given)


def values(finding):
    return {rate.group[0]: rate.value for rate in finding.by_group}


def test_t1_string_labels_hide_a_total_difference():
    y_true, y_pred = ["cat"] * 8, ["cat"] * 4 + ["dog"] * 4
    assert demographic_parity_difference(y_true, y_pred, sensitive_features=G) == 0.0
    with np.errstate(invalid="ignore"):
        assert np.isnan(demographic_parity_ratio(y_true, y_pred, sensitive_features=G))
    gap = ask("selection_rate", "cat", y_true, y_pred).gap
    assert (gap.value, gap.ratio) == (1.0, 0.0)


def test_t2_only_class_one_is_looked_at():
    y_true, y_pred = [2] * 8, [2] * 4 + [3] * 4
    assert demographic_parity_difference(y_true, y_pred, sensitive_features=G) == 0.0
    assert [ask("selection_rate", outcome, y_true, y_pred).gap.value for outcome in "23"] == [1.0, 1.0]


def test_t2b_three_classes_are_one_or_an_error():
    y_true, y_pred = [0] * 8, [0, 1, 0, 1, 2, 2, 2, 2]
    assert demographic_parity_difference(y_true, y_pred, sensitive_features=G) == 0.5
    assert ask("selection_rate", "2", y_true, y_pred).gap.value == 1.0  # class 2: none of a, all of b
    with pytest.raises(ValueError):
        equalized_odds_difference(y_true, y_pred, sensitive_features=G)
    # One-vs-rest: of what is not 2, group a is never taken for 2 and group b always.
    assert ask("false_positive_rate", "2", y_true, y_pred).gap.value == 1.0


def test_t3_a_perfect_classifier_is_no_disparity():
    """Group b has no positives: its true positive rate is undefined, not 0."""
    y = [1, 0, 1, 0, 0, 0, 0, 0]
    assert equalized_odds_difference(y, y, sensitive_features=G) == 1.0
    finding = ask("true_positive_rate", "1", y, y)
    assert values(finding) == {"a": 1.0, "b": None}
    assert finding.by_group[1].status == "not estimable"
    assert (finding.gap, finding.verdict) == (None, "not estimable")

    # The other way round: all positives of a are missed, b has none. Some tools report 0 [0, 0]; here nothing is claimed.
    finding = ask("true_positive_rate", "1", [1, 1, 1, 1, 0, 0, 0, 0], [0] * 8)
    assert values(finding) == {"a": 0.0, "b": None}
    assert (finding.gap, finding.verdict) == (None, "not estimable")


@pytest.mark.parametrize("hole", [float("nan"), None])
def test_t4_a_missing_answer_is_no_answer(hole):
    assert selection_rate([1, 1, 1, 1], [1, 1, float("nan"), float("nan")]) == 0.5
    with pytest.raises(DataError, match="missing values in y_pred"):
        count_table(pd.DataFrame({"group": G[:4]}), None, np.array(["1", "1", hole, hole], dtype=object), ["group"])


def test_t5_strings_are_selected():
    assert selection_rate(["1"] * 4, ["1", "1", "0", "0"]) == 0.0
    assert ask("selection_rate", "1", ["1"] * 4, ["1", "1", "0", "0"], ["a", "a", "b", "b"]).overall.value == 0.5


def test_t6_one_group_is_no_parity():
    assert demographic_parity_difference([1, 0], [1, 0], sensitive_features=["x", "x"]) == 0.0
    assert demographic_parity_ratio([1, 0], [1, 0], sensitive_features=["x", "x"]) == 1.0
    finding = ask("selection_rate", "1", [1, 0], [1, 0], ["x", "x"], levels=("x",))
    assert (finding.gap, finding.verdict) == (None, "not estimable")


def test_t7_nought_over_nought_is_no_number():
    with np.errstate(invalid="ignore"):
        assert np.isnan(demographic_parity_ratio([1, 0, 1, 0], [0, 0, 0, 0], sensitive_features=["a", "a", "b", "b"]))
    finding = ask("selection_rate", "1", [1, 0, 1, 0], [0, 0, 0, 0], ["a", "a", "b", "b"])
    assert finding.gap.ratio is None
    assert (finding.gap.value, finding.gap.p) == (0.0, 1.0)


@pytest.mark.slow
def test_t8_none_of_a_hundred_is_no_certainty():
    """The bootstrap gives 0/100 the interval [0, 0]; Wilson gives [0, 3.84/103.84]."""
    y_true, y_pred, group = [1] * 200, [0] * 100 + [1] * 10 + [0] * 90, ["a"] * 100 + ["b"] * 100
    frame = selected_frame(y_true, y_pred, group, n_boot=30, ci_quantiles=[0.025, 0.975], random_state=0)
    assert [end.loc["a", "s"] for end in frame.by_group_ci] == [0.0, 0.0]
    rate = ask("selection_rate", "1", y_true, y_pred, group).by_group[0]
    assert rate.low == 0.0
    assert rate.high == pytest.approx(3.8415 / 103.8415, rel=1e-4)


@pytest.mark.slow
def test_t9_the_interval_of_a_gap_always_excludes_zero():
    """Seven groups of 60 with the same true rate of .8: the bootstrap "finds" a gap, the permutation test does not."""
    rng = np.random.default_rng(0)
    group = np.repeat(list("abcdefg"), 60)
    y_pred = (rng.random(420) < 0.8).astype(int)
    frame = selected_frame(y_pred, y_pred, group, n_boot=30, ci_quantiles=[0.025, 0.975], random_state=0)
    assert frame.difference_ci()[0]["s"] > 0
    finding = ask("selection_rate", "1", np.ones(420, int), y_pred, group.tolist(), levels=tuple("abcdefg"))
    assert finding.gap.p > 0.05
    assert finding.gap.value < finding.gap.null_95  # chance alone gives more
    assert (finding.verdict, finding.pairs) == ("inconclusive", ())


def test_t10_groups_called_none_are_groups(tmp_path):
    """pandas reads six of seven groups as missing; a frame without them compares nobody."""
    import warnings

    from audit.predictions.read import load_predictions
    from audit.predictions.rows import ColumnOptions

    names = ["NA", "None", "null", "nan", "N/A", "NULL", "Chad"]
    file = tmp_path / "p.csv"
    file.write_text("country,y_true,y_pred\n" + "".join(f"{name},1,{int(name == 'Chad')}\n" * 2 for name in names))
    read = pd.read_csv(file)
    assert read["country"].dropna().unique().tolist() == ["Chad"]
    kept = read.dropna()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = selected_frame(kept["y_true"], kept["y_pred"], kept["country"])
    assert frame.difference()["s"] == 0.0
    given = load_predictions(file, ColumnOptions()).answers[0].predictions
    assert given.attributes["country"].unique().tolist() == names
    finding = ask("selection_rate", "1", given.y_true, given.y_pred, given.attributes["country"].tolist(), levels=tuple(names))
    assert finding.gap.value == 1.0


def test_t11_a_missing_group_is_an_error_and_unknown_is_shown():
    holes = ["a", "a", None, None, "b", "b", "b", "b"]
    with pytest.raises(ValueError):
        selected_frame([1] * 8, [1] * 8, holes)
    with pytest.raises(DataError, match="missing values in group"):
        ask("selection_rate", "1", [1] * 8, [1] * 8, holes)
    named = ["a", "a", "unknown", "unknown", "b", "b", "b", "b"]
    finding = ask("selection_rate", "1", [1] * 8, [1, 1, 0, 0, 1, 1, 1, 1], named)
    shown = [(rate.group[0], rate.n, rate.status) for rate in finding.by_group]
    assert shown == [("a", 2, "ok"), ("b", 4, "ok"), ("unknown", 2, "unknown")]
    assert finding.gap.value == 0.0  # the unknown images, none of them selected, are outside the gap
    assert finding.overall.n == 8
    assert not_compared(finding.by_group) == ["Not compared: unknown (n\u00a0=\u00a02)."]


def test_t12_an_absent_group_is_shown_as_absent():
    """fairlearn: a row of NaN that `difference()` skips, or, for one attribute, no row at all."""
    rows = pd.DataFrame({"group": pd.Categorical(["a", "a", "b", "b"], categories=["a", "b", "c"])})
    frame = selected_frame([1] * 4, [1, 1, 1, 0], rows)
    assert "c" not in frame.by_group.dropna().index
    assert frame.difference()["s"] == 0.5
    finding = ask("selection_rate", "1", [1] * 4, [1, 1, 1, 0], ["a", "a", "b", "b"], levels=("a", "b", "c"))
    assert (finding.by_group[2].status, finding.by_group[2].n, finding.by_group[2].value) == ("absent", 0, None)
    assert not_compared(finding.by_group) == ["Not compared: c (n\u00a0=\u00a00)."]


def test_t12_an_intersection_that_nobody_has_is_shown_as_absent():
    """Black women 1 of 2, white women 2 of 2, black men 0 of 2, no white men: fairlearn has a row of NaN and passes over it."""
    rows = pd.DataFrame({"race": ["b", "b", "w", "w", "b", "b"], "gender": ["f"] * 4 + ["m"] * 2})
    y_pred = np.array([1, 0, 1, 1, 0, 0])
    frame = selected_frame(y_pred, y_pred, rows)
    assert np.isnan(frame.by_group.loc[("w", "m"), "s"])
    assert frame.difference()["s"] == 1.0  # and says nothing of white men
    given, claim = answered(y_pred.astype(str), rows, None, ("0", "1")), Claim("selection_rate", ("race", "gender"), "it")
    finding = decided(given, claim, "1", {"race": ("b", "w"), "gender": ("f", "m")})
    assert {rate.group: (rate.n, rate.value, rate.status) for rate in finding.by_group} == {
        ("b", "f"): (2, 0.5, "ok"), ("b", "m"): (2, 0.0, "ok"), ("w", "f"): (2, 1.0, "ok"), ("w", "m"): (0, None, "absent"),
    }  # fmt: skip
    assert not_compared(finding.by_group) == ["Not compared: w × m (n\u00a0=\u00a00)."]


def test_t13_the_work_does_not_grow_with_the_images(monkeypatch):
    """Whether 8 or 8,000 images: fairlearn reads the same few counts (of two groups and of all), and draws no bootstrap."""
    from fairlearn import metrics

    calls = []

    class Watched(MetricFrame):
        def __init__(self, **given):
            calls.append((len(given["y_pred"]), "n_boot" in given))
            super().__init__(**given)

    monkeypatch.setattr(metrics, "MetricFrame", Watched)
    y_pred = [1, 0, 0, 0, 1, 1, 1, 0]
    few = ask("selection_rate", "1", [1] * 8, y_pred)
    many = ask("selection_rate", "1", [1] * 8000, y_pred * 1000, G * 1000)
    assert calls == [(8, False), (8, False)]
    assert values(few) == values(many) == {"a": 0.25, "b": 0.75}


@pytest.mark.slow
def test_t13_a_rare_group_vanishes_from_the_bootstrap():
    """One image of group b: in a third of the replicates there is none, so the gap "may be 0"; b itself is "certainly 1"."""
    y_pred, group = [1, 0] * 49 + [1], ["a"] * 98 + ["b"]
    frame = selected_frame([1] * 99, y_pred, group, n_boot=200, ci_quantiles=[0.025, 0.975], random_state=1)
    assert frame.difference()["s"] == 0.5
    assert frame.difference_ci()[0]["s"] == 0.0
    assert [end["s"]["b"] for end in frame.by_group_ci] == [1.0, 1.0]
    finding = ask("selection_rate", "1", [1] * 99, y_pred, group)
    assert (finding.by_group[1].status, finding.gap) == ("small", None)
    assert finding.by_group[1].low == pytest.approx(0.2065, abs=1e-4)  # Wilson, 1 of 1: z^2 = 3.84, 1 / (1 + 3.84)
    drawn = resample_counts(np.array([[49, 49], [0, 1]]), 200, np.random.default_rng(1))
    assert (drawn.sum(axis=2) == [98, 1]).all()


TABLE = pd.DataFrame({"group": ["a", "a", "b", "b"], "y_true": 1, "y_pred": [1, 0, 1, 0], "n": [1, 4, 3, 2]})


def frame_of(table, **given):
    return MetricFrame(metrics={"s": selection_rate, "t": true_positive_rate}, y_true=table["y_true"], y_pred=table["y_pred"],
                       sensitive_features=table["group"], **given)  # fmt: skip


def test_t14_a_metric_without_weights_is_silently_unweighted():
    """1 of 5 and 3 of 5, read as 1 of 2 and 1 of 2."""
    partial = frame_of(TABLE, sample_params={"t": {"sample_weight": TABLE["n"]}})
    assert partial.by_group["s"].tolist() == [0.5, 0.5]
    assert partial.by_group["t"].tolist() == [0.2, 0.6]
    images = TABLE.loc[TABLE.index.repeat(TABLE["n"])]
    for metric in ("selection_rate", "true_positive_rate"):
        finding = ask(metric, "1", images["y_true"], images["y_pred"], images["group"].tolist())
        assert values(finding) == {"a": 0.2, "b": 0.6}


def test_t14_flat_weights_and_groups_of_weight_zero_are_errors():
    with pytest.raises(ValueError):
        frame_of(TABLE, sample_params={"sample_weight": TABLE["n"]})
    with pytest.raises(ValueError, match="non-zero"):
        MetricFrame(metrics={"t": true_positive_rate}, y_true=TABLE["y_true"], y_pred=TABLE["y_pred"],
                    sensitive_features=TABLE["group"], sample_params={"t": {"sample_weight": [0, 0, 3, 2]}})  # fmt: skip
    # An empty group never reaches fairlearn: it has no row in the count table, and is shown as absent (T12).


@pytest.mark.slow
def test_t14_the_bootstrap_of_a_count_table_means_nothing():
    """5,000 + 5,000 images at 20 %: its interval covers the whole scale, Wilson's is 2.2 points wide."""
    table = TABLE.assign(n=[1000, 4000, 1000, 4000])
    weights = {name: {"sample_weight": table["n"]} for name in "st"}
    frame = frame_of(table, sample_params=weights, n_boot=100, ci_quantiles=[0.025, 0.975], random_state=1)
    low, high = (end["s"] for end in frame.overall_ci)
    assert (low, high) == (0.0, 1.0)
    finding = ask("selection_rate", "1", [1] * 10_000, ([1] * 1000 + [0] * 4000) * 2, ["a"] * 5000 + ["b"] * 5000)
    assert finding.by_group[0].high - finding.by_group[0].low == pytest.approx(0.022, abs=5e-4)


def test_t14_the_overall_rate_includes_the_group_and_its_distance_has_no_sign():
    """All of a are selected and none of b. Against all, a's own images halve the distance, and who is ahead is not said."""
    y_pred = [1] * 4 + [0] * 4
    assert selected_frame(y_pred, y_pred, G).difference(method="to_overall")["s"] == 0.5
    contrasts = ask("selection_rate", "1", [1] * 8, y_pred).contrasts
    assert [(contrast.first, contrast.second, contrast.difference) for contrast in contrasts] == [(("a",), (), 1.0), (("b",), (), -1.0)]


def test_t14_the_type_of_an_answer_depends_on_how_it_was_asked():
    """A single metric makes `difference()` a number, a dict of one a Series; ours is always the latter."""
    y_pred = [1] * 4 + [0] * 4
    bare = MetricFrame(metrics=selection_rate, y_true=y_pred, y_pred=y_pred, sensitive_features=G)
    assert (np.ndim(bare.difference()), type(selected_frame(y_pred, y_pred, G).difference())) == (0, pd.Series)
    ours = row_frame(pd.DataFrame({"group": G}), *[pd.Series(y_pred).astype(str)] * 2, "selection_rate", frozenset({"1"}))
    assert ours.difference().to_dict() == {"selection_rate": 1.0}


def test_t14_words_are_no_classes_to_a_true_positive_rate():
    """Two words are an error, three too; ours is the rate of the word that is asked about, whatever else occurs."""
    y_true, y_pred = ["cat"] * 8, ["cat"] * 4 + ["dog"] * 2 + ["cow"] * 2
    for words in (6, 8):
        with pytest.raises(ValueError):
            true_positive_rate(y_true[:words], y_pred[:words])
    assert values(ask("true_positive_rate", "cat", y_true, y_pred)) == {"a": 1.0, "b": 0.0}
