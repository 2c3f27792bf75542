"""Planned retrieval: which images are among the first k of the gallery of their query."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from audit import measure
from audit.analyses.plans import RankingPlan
from audit.errors import UsageError
from audit.testing import FakeEncoder
from audit.types import UNKNOWN

PLAN = RankingPlan(
    "Who is found first?", {"doctor": ("a doctor",), "nurse": ("a nurse", "one nurse")}, ("gender",), "test v1", gallery="job"
)
TEXTS = {"a doctor": np.array([1.0, 0, 0]), "a nurse": np.array([0, 1.0, 0]), "one nurse": np.array([0, 3.0, 0])}
FIRST, NOT = "among the first 2 of the job", "not among the first 2 of the job"
SCORES = [("doctor", "man", 0.9), ("doctor", "man", 0.8), ("doctor", "woman", 0.1), ("doctor", "woman", 0.2),
          ("nurse", "man", 0.3), ("nurse", "woman", 0.5), ("nurse", "man", 0.1), ("pilot", "man", 0.99)]  # fmt: skip
"""Of each image its occupation, its group and its cosine with the query of its occupation."""


def images(scores=SCORES):
    """Return attributes and embeddings of length 1; the cosine with the other query is larger, so that a wrong gallery would show."""
    rows = pd.DataFrame([row[:2] for row in scores], columns=["job", "gender"], index=[f"image {i}" for i in range(len(scores))])
    vectors = np.zeros((len(scores), 3))
    for vector, (job, _, score) in zip(vectors, scores, strict=True):
        vector[["doctor", "nurse", "pilot"].index(job)] = score
        vector[2] += np.sqrt(1 - score**2)
    return rows, vectors


def retrieved(rows, vectors, plan=PLAN, k=2, **asked):
    answers = measure.predict(plan.planned(k, "search", **asked), FakeEncoder().record, vectors, TEXTS, rows)
    return dict(zip(answers.attributes.index, answers.y_pred, strict=True))


def test_the_first_two_of_each_gallery_by_hand():
    """Doctors: .9 and .8; nurses: .5 and .3. No query is about the pilot."""
    assert retrieved(*images()) == {
        "image 0": FIRST, "image 1": FIRST, "image 2": NOT, "image 3": NOT, "image 4": FIRST, "image 5": FIRST, "image 6": NOT,
    }  # fmt: skip


def test_neither_the_order_of_images_nor_the_names_of_groups_nor_lengths_matter():
    rows, vectors = images()
    order = np.random.default_rng(1).permutation(len(rows))
    assert retrieved(rows.iloc[order], vectors[order]) == retrieved(rows, vectors)
    renamed = rows.assign(gender=rows["gender"].map({"man": "b", "woman": "a"}))
    assert retrieved(renamed, vectors * 7) == retrieved(rows, vectors)


def test_one_query_ranks_all_images():
    """A doctor is .9 and .8 for the two first, and no other image is nearer than .2."""
    rows, vectors = images()
    plan = replace(PLAN, gallery=None)
    answers = retrieved(rows, vectors, plan, query="doctor")
    assert [name for name, answer in answers.items() if answer == "among the first 2"] == ["image 0", "image 1"]
    assert len(answers) == 8


def test_unknown_groups_and_galleries_of_at_most_k_images_are_not_ranked():
    rows, vectors = images()
    rows.loc["image 0", "gender"] = UNKNOWN
    answers = retrieved(rows, vectors)
    assert "image 0" not in answers
    assert [answers["image 1"], answers["image 3"], answers["image 2"]] == [FIRST, FIRST, NOT]
    assert set(retrieved(rows, vectors, k=3)) == set()


@pytest.mark.slow
def test_ties_do_not_follow_the_table_and_a_gallery_of_equal_scores_is_not_ranked():
    """Of 200 galleries of 2 men, then 2 women, all but one image tie for the second place: men must not win because they come first."""
    many = {f"job {i}": (f"job {i}",) for i in range(200)}
    rows = pd.DataFrame([(job, gender) for job in many for gender in ("man", "man", "woman", "woman")], columns=["job", "gender"]).set_axis(
        [f"image {i}" for i in range(800)]
    )
    texts = {job: np.array([1.0, 0]) for job in many}
    vectors = np.tile([0.5, np.sqrt(0.75)], (800, 1))
    plan = replace(PLAN, queries=many)
    constant = measure.predict(plan.planned(1, "search"), FakeEncoder().record, vectors, texts, rows)
    assert set(constant.y_pred) == {"not among the first 1 of the job"}
    vectors[3::4] = [0.1, np.sqrt(0.99)]
    tied = measure.predict(plan.planned(1, "search"), FakeEncoder().record, vectors, texts, rows)
    men = np.count_nonzero((tied.y_pred == "among the first 1 of the job") & (rows["gender"] == "man").to_numpy())
    assert np.count_nonzero(tied.y_pred == "among the first 1 of the job") == 200
    assert 113 <= men <= 154  # two thirds of 200 are 133; three standard deviations are 20


def test_a_measurement_without_queries_says_how_to_make_one():
    with pytest.raises(UsageError, match="has no retrieval") as caught:
        measure.predict(replace(PLAN.planned(2, "search"), retrieval=None), FakeEncoder().record, np.ones((8, 3)), TEXTS, images()[0])
    assert "RankingPlan.planned" in caught.value.fix
