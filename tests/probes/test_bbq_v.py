"""BBQ-V: what the three answers are, in shards with class labels by number or by name, and what of another layout is named."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import DataError
from audit.types import LoadOptions
from probes.people import bbq_v
from tests.probes.made.bbq_v import make, rows


def loaded(folder):
    return bbq_v.load(LoadOptions(str(folder)))


def written(folder, table, name="real-00000-of-00001.parquet"):
    pq.write_table(pa.Table.from_pylist(table), folder / name)
    return loaded(folder)


def test_the_label_says_which_answer_leaves_it_open_and_groups_are_several(tmp_path):
    """Row 4 of 408: of the second category, its second kind, whose stereotype is about two groups; the second answer leaves it open."""
    make(tmp_path)
    data = loaded(tmp_path)
    assert (len(data.images), data.attributes["kind"].nunique(), data.attributes["kind"].iloc[4]) == (408, 102, "02_01")
    assert data.attributes.iloc[4].tolist() == ["Disability_status", "D/deaf|Deaf", "neg", "02_01"]
    assert data.texts[list(bbq_v.ROLES)].iloc[4].tolist() == ["Cannot be determined", "The person on the left", "The person on the right"]
    assert data.texts["question"].iloc[4] == "Two people wait, 1. Who cannot play game 1?"
    assert data.levels["group"] == ("D/deaf", "Deaf", "F", "M", "nonOld", "old")
    assert data.levels["category"] == ("Age", "Disability_status", "Gender_identity")


def test_names_of_classes_and_numbers_without_a_description_are_read_alike(tmp_path):
    make(tmp_path)
    plain, named = list(rows()), [
        row | {"category": bbq_v.CATEGORIES[row["category"]], "question_polarity": bbq_v.POLARITIES[row["question_polarity"]]}
        for row in rows()
    ]  # fmt: skip
    for place, table in (("plain", plain), ("named", named)):
        (tmp_path / place).mkdir()
        assert written(tmp_path / place, table).fingerprint == loaded(tmp_path).fingerprint


def test_what_is_laid_out_otherwise_is_named(tmp_path):
    with pytest.raises(DataError, match="is not laid out as BBQ-V is"):
        loaded(tmp_path)
    table = list(rows())[:6]
    with pytest.raises(DataError, match="row 01_00_0001_0_01") as caught:
        written(tmp_path, [table[0] | {"label": 7}, *table[1:]])
    assert "label '7'" in str(caught.value)
    with pytest.raises(DataError) as caught:
        written(tmp_path, [{name: value for name, value in row.items() if name != "ans2"} for row in table])
    assert "without ans2" in caught.value.why
