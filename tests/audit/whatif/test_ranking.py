"""Re-ranking: shares at every place, an order that needs no change, and what it costs."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from audit.whatif.ranking import ndcg, rerank


def test_by_hand():
    """Scores .9 .8 .7 of group 0, .6 .5 of group 1, half of the places each.

    Place 1: nobody is below floor(.5); the best. Place 2: both should have one, group 1 has none. Place 3: both have floor(1.5); the best
    below ceil(1.5) = 2. Place 4: group 1 has one of two.
    """
    order = rerank(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 0, 0, 1, 1]), np.array([0.5, 0.5]), 4)
    assert order.tolist() == [0, 3, 1, 4]


@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.7, 0.2, 0.1], [0.25] * 4])
def test_every_group_keeps_its_share_within_one_place(shares):
    source = np.random.default_rng(0)
    codes = source.choice(len(shares), 2000, p=np.roll(shares, 1))
    scores = source.random(2000) + 0.5 * codes
    order = rerank(scores, codes, np.array(shares), 150)
    assert len(set(order.tolist())) == 150
    for k in range(1, 151):
        assert (np.abs(np.bincount(codes[order[:k]], minlength=len(shares)) - np.array(shares) * k) <= 1 + 1e-9).all()
    for group in range(len(shares)):  # within a group by score
        inside = scores[order][codes[order] == group]
        assert (np.diff(inside) <= 0).all()


def test_an_order_that_is_fair_stays():
    scores, codes = np.linspace(1, 0, 40), np.arange(40) % 2
    assert rerank(scores, codes, np.array([0.5, 0.5]), 40).tolist() == list(range(40))


def test_ties_keep_input_order():
    assert rerank(np.zeros(6), np.array([1, 0, 1, 0, 1, 0]), np.array([0.5, 0.5]), 6).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_group_that_runs_out_leaves_its_places():
    order = rerank(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 0, 1]), np.array([0.5, 0.5]), 4)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert order[:2].tolist() == [0, 3]


@pytest.mark.parametrize("k", [0, 5])
def test_k_lies_within_the_images(k):
    with pytest.raises(ValueError, match="k must lie"):
        rerank(np.zeros(4), np.zeros(4, int), np.array([1.0]), k)


def test_shares_sum_to_one():
    with pytest.raises(ValueError, match="sum to 1"):
        rerank(np.zeros(4), np.zeros(4, int), np.array([0.7]), 2)


def test_what_it_costs():
    scores, codes = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1])
    relevant = np.array([True, True, False, False])
    plain, fair = np.array([0, 1]), rerank(scores, codes, np.array([0.5, 0.5]), 2)
    assert ndcg(plain, relevant.astype(float)) == 1.0
    assert ndcg(fair, relevant.astype(float)) == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert np.isnan(ndcg(plain, np.zeros(4)))


def test_gain_equals_scikit_learn():
    source = np.random.default_rng(1)
    gains, scores = source.random(30), source.random(30)
    order = np.argsort(-scores)[:10]
    assert ndcg(order, gains) == pytest.approx(ndcg_score(gains[None], scores[None], k=10))
