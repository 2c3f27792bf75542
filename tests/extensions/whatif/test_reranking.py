"""Re-ranking: shares at every place, an order that needs no change, and what it costs."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from audit.extensions.whatif.reranking import ndcg, rerank


def test_by_hand_and_where_a_group_that_runs_out_leaves_its_places():
    """Scores .9 .8 .7 of group 0, .6 .5 of group 1, half of the places each.

    Place 1: nobody is below floor(.5); the best. Place 2: both should have one, group 1 has none. Place 3: both have floor(1.5); the best
    below ceil(1.5) = 2. Place 4: group 1 has one of two.
    """
    order = rerank(np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 0, 0, 1, 1]), np.array([0.5, 0.5]), 4)
    assert order.tolist() == [0, 3, 1, 4]
    order = rerank(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 0, 1]), np.array([0.5, 0.5]), 4)
    assert sorted(order.tolist()) == [0, 1, 2, 3]
    assert order[:2].tolist() == [0, 3]


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


@pytest.mark.parametrize(("scores", "codes"), [(np.linspace(1, 0, 40), np.arange(40) % 2), (np.zeros(6), np.array([1, 0, 1, 0, 1, 0]))])
def test_an_order_that_is_fair_stays_and_ties_keep_input_order(scores, codes):
    assert rerank(scores, codes, np.array([0.5, 0.5]), len(codes)).tolist() == list(range(len(codes)))


@pytest.mark.parametrize(("share", "k", "message"), [(1.0, 0, "k must lie"), (1.0, 5, "k must lie"), (0.7, 2, "sum to 1")])
def test_k_lies_within_the_images_and_shares_sum_to_one(share, k, message):
    with pytest.raises(ValueError, match=message):
        rerank(np.zeros(4), np.zeros(4, int), np.array([share]), k)


def test_what_it_costs():
    scores, codes = np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1])
    relevant = np.array([True, True, False, False])
    plain, fair = np.array([0, 1]), rerank(scores, codes, np.array([0.5, 0.5]), 2)
    assert ndcg(plain, relevant.astype(float)) == 1.0
    assert ndcg(fair, relevant.astype(float)) == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert np.isnan(ndcg(plain, np.zeros(4)))
    # The gain equals scikit-learn's.
    source = np.random.default_rng(1)
    gains, scores = source.random(30), source.random(30)
    order = np.argsort(-scores)[:10]
    assert ndcg(order, gains) == pytest.approx(ndcg_score(gains[None], scores[None], k=10))
