"""Clusters that are declared to lie in one group: one that does not is refused, with its row, both values and the way out."""

from dataclasses import replace

import pandas as pd
import pytest

import audit
from audit.errors import DataError, UsageError
from audit.run import main
from audit.testing import FakeEncoder, four_faces, gender_probe
from audit.types import UNKNOWN

TABLE = pd.DataFrame(
    {"id": [f"i{row}" for row in range(80)], "race": ["A", "A", "B", "B"] * 20, "person": [f"p{row // 2}" for row in range(80)],
     "y_true": "yes", "y_pred": ["yes", "no", "yes", "yes", "no"] * 16}
)  # fmt: skip
MIXED = TABLE.assign(race=TABLE.race.where(TABLE.id != "i7", "A"))


def test_the_row_both_values_and_the_way_out_are_named(tmp_path, capsys):
    MIXED.to_csv(tmp_path / "t.csv", index=False)
    words = ["--predictions", str(tmp_path / "t.csv"), "--attributes", "race", "--cluster", "person", "--nested", "race"]
    assert main(words) == 3
    said = capsys.readouterr().err
    assert all(
        each in said for each in ("t.csv", "the row of 'i7'", "race is 'A', and 'B' in the row of 'i6'", "leave race out of --nested")
    )
    with pytest.raises(DataError, match="row 8 after the header"):
        audit.audit(predictions=MIXED.drop(columns="id"), attributes="race", cluster="person", nested="race")


def test_a_nested_design_changes_no_number_and_a_missing_value_is_no_other_group():
    known = {"predictions": TABLE, "attributes": "race", "cluster": "person", "draws": 199}
    assert audit.audit(**known, nested="race").results.audits == audit.audit(**known).results.audits
    holes = TABLE.assign(race=TABLE.race.where(TABLE.id != "i7", None))
    assert audit.audit(**{**known, "predictions": holes}, nested="race").results.audits[0].data.groups["race"][UNKNOWN] == 1


@pytest.mark.parametrize(
    ("given", "said"), [({"nested": "race"}, "requires --cluster"), ({"cluster": "person", "nested": "rase"}, "did you mean race")]
)
def test_what_is_missing_is_named(given, said):
    with pytest.raises(UsageError, match=said):
        audit.audit(predictions=TABLE, attributes="race", **given)


def test_images_are_checked_before_the_model_sees_any():
    faces = four_faces(2)
    scenes = replace(faces, attributes=faces.attributes.assign(scene=["a"] * 8), levels={**faces.levels, "scene": ("a",)})
    with pytest.raises(DataError, match="a cluster lies in two groups of 'race'"):
        audit.audit(FakeEncoder(), gender_probe(scenes), cluster="scene", nested="race")
