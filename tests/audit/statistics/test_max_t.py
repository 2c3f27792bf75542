"""Many gaps at once: by enumeration, against the single test, its error rate, and what dependence saves."""

import itertools
from functools import partial

import numpy as np
import pytest

from audit.statistics.max_t import LabelShuffles, Wordings, _median_chance, max_t, median_gap_p, patterns
from audit.statistics.multiplicity import holm
from audit.statistics.null import gap_test, generator


def shuffles(seed=0):
    return LabelShuffles(partial(generator, seed))


def rng(seed=0):
    return np.random.default_rng(seed)


def always(events, codes):
    """Wordings for which every image counts."""
    return Wordings(events, np.ones_like(events), codes)


def independent(n, rates, groups, seed):
    """n images a group; rate j of group g is rates[g][j]."""
    codes = np.repeat(np.arange(groups), n)
    return rng(seed).random((len(codes), len(rates[0]))) < np.asarray(rates)[codes], codes


def test_patterns_keep_every_count_and_rows_may_stand_for_many_images():
    events, codes = independent(50, [[0.2, 0.5, 0.9]] * 3, 3, 0)
    counted = rng(1).random(events.shape) < 0.7
    found = patterns(events, counted, codes, 3)
    assert found.table.sum() == 150
    assert len(found.table) <= 27  # three states for each of three rates
    for j, g in itertools.product(range(3), range(3)):
        assert found.counted[:, j] @ found.table[:, g] == counted[codes == g, j].sum()
        assert found.events[:, j] @ found.table[:, g] == (events & counted)[codes == g, j].sum()
    assert (found.events <= found.counted).all()
    # More rates than bits of a byte.
    events, codes = independent(40, [[0.3] * 21] * 2, 2, 2)
    found = patterns(events, None, codes, 2)
    assert (found.events.T @ found.table).tolist() == [[events[codes == g, j].sum() for g in (0, 1)] for j in range(21)]
    events, codes = independent(40, [[0.2, 0.5]] * 3, 3, 5)
    rows, place = np.unique(np.column_stack([codes, events]), axis=0, return_inverse=True)
    weighted = patterns(rows[:, 1:].astype(bool), None, rows[:, 0], 3, np.bincount(place.ravel()))
    single = patterns(events, None, codes, 3)
    assert (weighted.table == single.table).all()
    assert (weighted.events == single.events).all()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_by_enumeration(seed):
    """Six images, two groups of three, two rates. All twenty labellings give the exact p of each gap and of the larger in null SDs."""
    events = np.array([[1, 0], [1, 1], [1, 0], [0, 1], [0, 0], [0, 1]], bool)
    codes = np.array([0, 0, 0, 1, 1, 1])
    gaps = []
    for first in itertools.combinations(range(6), 3):
        inside = np.isin(np.arange(6), first)
        gaps.append(np.abs(events[inside].mean(axis=0) - events[~inside].mean(axis=0)))
    gaps = np.array(gaps)
    observed = np.abs(events[codes == 0].mean(axis=0) - events[codes == 1].mean(axis=0))
    t_star, t = ((values - gaps.mean(axis=0)) / gaps.std(axis=0) for values in (gaps, observed))
    order = np.argsort(-t)
    first = np.mean(t_star.max(axis=1) >= t[order[0]] - 1e-9)
    second = max(first, np.mean(t_star[:, order[1]] >= t[order[1]] - 1e-9))
    # Both rates have one null, whose equal extremes no draw may tell apart.
    found = max_t(patterns(events, None, codes, 2), 2, 40_000, rng(seed))
    assert found.gap == pytest.approx(observed)
    assert found.p == pytest.approx((gaps >= observed - 1e-9).mean(axis=0), abs=0.01)
    assert found.p_adjusted[order] == pytest.approx([first, second], abs=0.02)
    assert found.null_mean == pytest.approx(gaps.mean(axis=0), abs=0.01)


def test_one_rate_is_the_single_test():
    n, k = np.array([200, 300, 250]), np.array([50, 100, 60])
    codes = np.concatenate([np.repeat(range(3), n - k), np.repeat(range(3), k)])
    found = max_t(patterns(np.repeat([False, True], [540, 210])[:, None], None, codes, 3), 30, 20_000, rng())
    alone = gap_test(k, n, 20_000, rng(1))
    assert len(codes) == 750
    assert found.gap[0] == pytest.approx(alone.gap)
    assert found.p[0] == found.p_adjusted[0]
    assert found.p[0] == pytest.approx(alone.pair_p, abs=0.01)
    assert found.null_95[0] == pytest.approx(alone.upper, abs=0.005)


def test_the_same_rate_asked_ten_times_costs_nothing():
    """Holm would multiply by ten; ten copies move together, so the largest of them is any of them."""
    events, codes = independent(150, [[0.30], [0.44]], 2, 5)
    alone = max_t(patterns(events, None, codes, 2), 30, 4999, rng(1))
    tenfold = max_t(patterns(np.repeat(events, 10, axis=1), None, codes, 2), 30, 4999, rng(1))
    assert tenfold.p_adjusted == pytest.approx(np.repeat(alone.p, 10))
    assert holm(tenfold.p)[0] == pytest.approx(min(1, 10 * alone.p[0]))


def test_a_rare_rate_is_not_drowned_by_a_common_one():
    """10 of 100 against none, beside six rates of one half whose gaps reach 10 points by chance alone."""
    events, codes = independent(100, [[0.5] * 7] * 2, 2, 7)
    events[:, 0] = (codes == 0) & (np.arange(200) < 10)
    found = max_t(patterns(events, None, codes, 2), 30, 999, rng())
    assert found.gap[0] == pytest.approx(0.1)
    assert (found.null_95[1:] > 0.1).all()
    assert found.p_adjusted[0] < 0.03


def test_adjusted_p_never_falls_below_the_raw_and_follow_the_order():
    events, codes = independent(80, [[0.5] * 6, [0.5, 0.55, 0.6, 0.65, 0.7, 0.8]], 2, 3)
    found = max_t(patterns(events, None, codes, 2), 30, 999, rng())
    assert (found.p_adjusted >= found.p - 1e-12).all()
    assert (found.p_adjusted <= holm(found.p) + 0.02).all()


def test_small_groups_and_lone_groups_take_no_part():
    codes = np.repeat([0, 1, 2], [100, 100, 10])
    events = np.stack([np.arange(210) % 2 == 0, codes == 2], axis=1)
    found = max_t(patterns(events, np.stack([np.ones(210, bool), codes != 0], axis=1), codes, 3), 30, 99, rng())
    assert found.gap[0] == pytest.approx(0.0)  # the ten of the last group would have no gap either; 100 and 100 have none
    assert np.isnan(found.gap[1])
    assert found.p_adjusted[1] == 1.0


def test_blocks_do_not_change_the_result(monkeypatch):
    events, codes = independent(60, [[0.4, 0.5], [0.6, 0.5]], 2, 1)
    whole = max_t(patterns(events, None, codes, 2), 30, 500, rng(4))
    monkeypatch.setattr("audit.statistics.max_t._CELLS", 64)
    parts = max_t(patterns(events, None, codes, 2), 30, 500, rng(4))
    assert parts.p == pytest.approx(whole.p, abs=0.06)
    assert parts.null_mean == pytest.approx(whole.null_mean, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("runs", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_family_wise_error_is_kept_and_planted_gaps_are_found(runs):
    """Eight rates that hang together and 4 groups of 60, without a difference; then one rate with 25 points of it."""
    source, alarms, found = rng(11), [], []
    for run in range(runs):
        common = source.random((240, 1))
        events = np.hstack([(0.6 * common + 0.4 * source.random((240, 1))) < 0.4 for _ in range(8)])
        codes = np.repeat(range(4), 60)
        alarms.append(max_t(patterns(events, None, codes, 4), 30, 199, source).p_adjusted.min() <= 0.05)
        if run < 40:
            events[codes == 0, 3] |= source.random(60) < 0.5
            found.append(max_t(patterns(events, None, codes, 4), 30, 199, source).p_adjusted[3] <= 0.05)
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert np.mean(found) > 0.8


@pytest.mark.slow
def test_the_median_gap_by_enumeration():
    """Three events among six images in two groups of three: of 20 labellings 2 have a gap of 1, all others one of 1/3."""
    codes = np.array([0, 0, 0, 1, 1, 1])
    median, p = median_gap_p(always(np.array([True, True, False, False, False, True])[:, None], codes), 0, 2, 999, shuffles())
    assert (median, p) == (pytest.approx(1 / 3), 1.0)
    extreme = always(np.array([True, True, True, False, False, False])[:, None], codes)
    assert [median_gap_p(extreme, 0, 2, 99_999, shuffles(seed))[1] for seed in range(10)] == pytest.approx([0.1] * 10, abs=0.05)


def test_the_median_gap_equals_a_plain_loop():
    """Not all of 40 images count for every rate; of the third no image of some group does, in some shuffles."""
    events, counted = (rng(seed).random((40, 4)) < share for seed, share in ((1, 0.5), (2, [0.9, 0.8, 0.05, 1.0])))
    answers = Wordings(events, counted, rng(3).integers(3, size=40))
    events, counted, codes = answers.events, answers.counted, answers.codes

    def median(labels):
        rates = [[events[counted[:, j] & (labels == g), j].mean() if (counted[:, j] & (labels == g)).any() else np.nan for g in range(3)]
                 for j in range(4)]  # fmt: skip
        high, low = int(np.argmax(rates[0])), 2 - int(np.argmin(rates[0][::-1]))
        return np.nanmedian([rate[high] - rate[low] for rate in rates])

    drawn = [median(labels) for part in shuffles().parts(np.bincount(codes), 500) for labels in part]
    reached = np.flatnonzero(np.array(drawn) >= median(codes) - 1e-12)
    found = median_gap_p(answers, 0, 2, 500, shuffles())
    order = rng(4).permutation(40)
    assert found == median_gap_p(Wordings(events[order], counted[order], codes[order]), 0, 2, 500, shuffles())
    assert found == pytest.approx((median(codes), 50 / (reached[49] + 1)))
    assert 0.1 < found[1] < 0.9


@pytest.mark.slow
def test_no_shuffle_is_made_where_a_bound_says_what_they_would_give():
    """The bound is never below the chance: here of 30 points in most of twelve wordings, and of the gaps that some shuffle has."""
    source, codes = rng(3), np.repeat([0, 1, 2], [200, 150, 90])
    latent = source.random(440) + np.array([0.0, 0.3, 0.15])[codes]
    answers = always(np.stack([latent + 0.1 * source.standard_normal(440) > 0.9 for _ in range(12)], axis=1), codes)
    never = LabelShuffles(lambda name: pytest.fail("shuffled"))
    assert median_gap_p(answers, 0, 30, 99, never)[1] == 1 / 100
    assert median_gap_p(answers, 0, 30, 999, shuffles())[1] == 1 / 1000
    groups = np.arange(3)
    drawn = np.concatenate([answers.medians(part, 0, groups) for part in shuffles().parts(answers.sizes, 4000)])
    for gap in np.quantile(drawn[drawn > 0], [0.5, 0.9, 0.99, 1.0]):
        assert _median_chance(answers, gap, groups) >= np.mean(drawn >= gap - 1e-12)


def test_shuffles_of_one_audit_are_those_of_each_question_alone(monkeypatch):
    """Whoever asked before, and for however many; too many to keep are shuffled anew."""
    sizes, shared = np.array([3, 1, 2]), shuffles(7)
    few = np.concatenate(list(shared.parts(sizes, 70)))
    list(shared.parts(sizes[::-1], 6))
    first, second = shared.parts(sizes, 100)
    assert (len(first), len(second)) == (64, 36)
    assert (np.concatenate([first, second])[:70] == few).all()
    assert np.shares_memory(first, next(shared.parts(sizes, 6)))
    assert all(sorted(labels) == [0, 0, 0, 1, 2, 2] for labels in few.tolist())
    assert (next(shuffles(8).parts(sizes, 64)) != first).any()
    monkeypatch.setattr("audit.statistics.max_t._MOST_KEPT", 35)
    anew = [np.concatenate(list(shuffles(7).parts(sizes, 6))) for _ in range(2)]
    assert (anew[0] == few[:6]).all()
    assert not np.shares_memory(*anew)


def test_median_gap_of_all_specifications():
    """Twelve specifications of one question, each a noisy reading of the same difference of 30 points between b and a."""
    source, codes = rng(3), np.repeat([0, 1, 2], 150)
    latent = source.random(450) + np.array([0.0, 0.3, 0.15])[codes]
    events = np.stack([latent + 0.1 * source.standard_normal(450) > 0.5 for _ in range(12)], axis=1)
    median, p = median_gap_p(always(events, codes), 0, 30, 999, shuffles())
    assert median == pytest.approx(np.median(events[codes == 1].mean(axis=0) - events[codes == 0].mean(axis=0)))
    assert p <= 0.02
    # None without two groups.
    events, codes = independent(20, [[0.5]] * 2, 2, 0)
    assert median_gap_p(always(events, codes), 0, 30, 99, shuffles()) is None


@pytest.mark.parametrize("runs", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_the_groups_are_picked_anew_in_each_shuffle(runs):
    """Seven groups that do not differ: the two that lie farthest apart always look different, and the null allows for it."""
    source, alarms = rng(4), []
    codes = np.repeat(np.arange(7), 60)
    for run in range(runs):
        latent = source.random((420, 1))
        events = (0.7 * latent + 0.3 * source.random((420, 5))) < 0.5
        alarms.append(median_gap_p(always(events, codes), 0, 30, 99, shuffles(run))[1] <= 0.05)
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
