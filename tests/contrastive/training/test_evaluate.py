"""Retrieval over held-out pairs: several captions of one picture, one caption of several pictures."""

import numpy as np
import pytest
import torch

from contrastive.data.reading import Identities
from contrastive.training.evaluate import RECALL_AT, recall, recalls


def identities(image, text):
    return Identities(np.array(image), np.array(text))


def drawn(seed):
    """Return embeddings of up to 40 pairs of unequal multiplicities; values are few, so that different pictures and texts tie, too."""
    rng = np.random.default_rng(seed)
    image, text = rng.integers(0, rng.integers(2, 20), 40), rng.integers(0, rng.integers(2, 30), 40)
    points = rng.integers(-1, 2, (2, 40, 3)).astype(np.float32)
    return torch.from_numpy(points[0][image]), torch.from_numpy(points[1][text]), identities(image, text)


def by_loops(from_nd, to_nd, from_n, to_n, k):
    """The rule as it is worded, one query and one candidate after another."""
    queries = {int(name): from_nd[place] for place, name in enumerate(from_n)}
    candidates = {int(name): to_nd[place] for place, name in enumerate(to_n)}
    found = 0
    for name, query in queries.items():
        own = {int(b) for a, b in zip(from_n, to_n, strict=True) if a == name}
        best = max(float(query @ candidates[each]) for each in own)
        found += sum(float(query @ point) >= best for each, point in candidates.items() if each not in own) < k
    return found / len(queries)


def test_a_perfect_model_finds_every_picture_of_five_captions():
    # Three pictures at the corners of a cube, each in five rows, and five captions near it: each finds its own first. Row by row, a
    # picture would tie with its four copies: recall@1 from text to image was 0.
    near = torch.eye(3).repeat_interleave(5, 0) + 0.01 * torch.arange(5).repeat(3)[:, None]
    found = recalls(torch.eye(3).repeat_interleave(5, 0), near, identities(np.repeat(range(3), 5), range(15)))
    assert set(found.values()) == {1.0}
    assert recall(near @ torch.eye(3).repeat_interleave(5, 0).T, 1) == 0


def test_retrieval_by_hand():
    # Pictures a, b, c; captions 1 and 2 of a, 2 of b as well, 3 of c. Similarities, own ones in brackets:
    #        1      2      3
    # a    [.5]   [.1]    .4     first caption 1: found
    # b     .6    [.3]    .2     1 is before its own: found among two
    # c     .7     .3    [.3]    1 is before its own and 2 ties with it: found among three
    # To image: 1 has b and c before a: not among two; 2 has b, tied with c: found among two; 3 has a before c: found among two.
    image_nd = torch.tensor([[0.5, 0.1, 0.4], [0.5, 0.1, 0.4], [0.6, 0.3, 0.2], [0.7, 0.3, 0.3]])
    text_nd = torch.eye(3)[[0, 1, 1, 2]]
    found = recalls(image_nd, text_nd, identities([7, 7, 3, 5], [1, 2, 2, 4]))
    assert [found[f"image_to_text_recall@{k}"] for k in (1, 5)] == pytest.approx([1 / 3, 1])
    assert [found[f"text_to_image_recall@{k}"] for k in (1, 5)] == pytest.approx([0, 1])
    own = torch.tensor([[1, 1, 0], [0, 1, 0], [0, 0, 1]]).bool()
    similarity = image_nd[[0, 2, 3]]
    assert [recall(similarity, k, own) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert [recall(similarity.T, k, own.T) for k in (1, 2, 3)] == pytest.approx([0, 2 / 3, 1])


@pytest.mark.parametrize("seed", range(12))
def test_retrieval_is_what_loops_say_in_any_order_of_the_rows(seed):
    image_nd, text_nd, same = drawn(seed)
    found = recalls(image_nd, text_nd, same)
    for k in RECALL_AT:
        assert found[f"image_to_text_recall@{k}"] == pytest.approx(by_loops(image_nd, text_nd, *same, k))
        assert found[f"text_to_image_recall@{k}"] == pytest.approx(by_loops(text_nd, image_nd, *same[::-1], k))
    order = np.random.default_rng(seed).permutation(len(image_nd))
    assert recalls(image_nd[order], text_nd[order], Identities(*(each[order] for each in same))) == found
    assert recalls(image_nd.repeat(2, 1), text_nd.repeat(2, 1), Identities(*(np.tile(each, 2) for each in same))) == found


def test_pairs_that_all_differ_are_measured_as_before():
    image_nd, text_nd, _ = drawn(1)
    similarity = image_nd @ text_nd.T
    found = recalls(image_nd, text_nd, identities(range(40), range(40)))
    for k in RECALL_AT:
        for name, table in (("image_to_text", similarity), ("text_to_image", similarity.T)):
            before = ((table >= table.diagonal()[:, None]).sum(1) - 1 < k).float().mean()
            assert found[f"{name}_recall@{k}"] == float(before) == recall(table, k)


def test_what_is_not_a_number_is_never_found():
    assert recall(torch.full((3, 3), torch.nan), 3) == 0
