"""Cross tables read off the count table: equal to pandas' on the images."""

import numpy as np
import pandas as pd
import pytest

from audit.statistics.counts import count_record, crosstab
from audit.types import UNKNOWN, LabelSet, Measurement
from tests.support.answered import answered as made_up

LEVELS = {"race": ("A", "B", "C"), "gender": ("f", "m")}
ANSWERS = ("x", "y", "z")


@pytest.fixture(params=[True, False], ids=["with truth", "without"])
def answered(request):
    rng = np.random.default_rng(3)
    n = 400
    attributes = pd.DataFrame({"race": rng.choice(["A", "B", UNKNOWN], n), "gender": rng.choice(["f", "m"], n)})
    truth = rng.choice(["x", "y", UNKNOWN], n) if request.param else None
    return made_up(rng.choice(ANSWERS, n), attributes, truth, ANSWERS)


@pytest.mark.parametrize("attribute", LEVELS)
def test_it_is_the_cross_table_of_the_images(answered, attribute):
    record = count_record(Measurement("m", "?", LabelSet("l", ANSWERS, {}), "v1", ()), answered, LEVELS)
    found = crosstab(record, attribute)
    truth = np.full(len(answered.y_pred), "") if answered.y_true is None else answered.y_true
    for i, level in enumerate(found.levels):
        for t, true in enumerate(found.truths):
            for a, answer in enumerate(found.answers):
                images = (answered.attributes[attribute] == level).to_numpy() & (truth == true) & (answered.y_pred == answer)
                assert found.n[i, t, a] == images.sum()
    assert found.n.sum() == len(answered.y_pred)
    assert set(found.truths) == set(truth)
