"""SocialCounterfactuals: attributes read off types, values and captions; whole sets where a limit is set; another layout."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import probes
from audit.api.inputs import dataset_of
from audit.errors import DataError
from audit.options.audits import AuditRequest
from audit.types import LoadOptions
from probes.counterfactual.socialcounterfactuals import WORK_SHOWN, occupation_in
from tests.probes.made.socialcounterfactuals import make


def load(folder, **options):
    return probes.get("socialcounterfactuals").load(LoadOptions(folder, **options))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("social")
    make(made)
    return made


def test_types_values_and_captions_become_attributes(folder):
    """Fifteen sets of race x gender of twelve images, one of which is missing, and three of trait x gender of eight."""
    dataset = load(folder)
    assert len(dataset.images) == 15 * 12 - 1 + 3 * 8
    assert dataset.attributes.iloc[0].to_dict() == {
        "set": "0 race gender", "occupation": "barber", "gender": "male", "race": "White", "trait": "unknown",
        "held_gender": "White", "held_race": "male", "held_trait": "unknown",
    }  # fmt: skip
    assert dataset.levels["race"] == ("White", "Black", "Indian", "Asian", "Middle Eastern", "Latino")
    assert dataset.levels["occupation"] == ("architect", "barber", "ceo", "plumber")
    assert set(dataset.levels["trait"]) == {"skinny", "obese", "young", "old"}


@pytest.mark.parametrize(
    ("caption", "values", "found"),
    [
        ("an Asian female Actor", ("Asian", "female"), "actor"),
        ("An image of a tattooed male building inspector", ("tattooed", "male"), "building inspector"),
        ("a picture of a female businessperson", ("Black", "female"), "unknown"),
        ("a White male", ("White", "male"), "unknown"),
    ],
)
def test_an_occupation_is_what_the_caption_says_besides(caption, values, found):
    assert occupation_in(caption, values) == found


def test_a_limit_takes_whole_sets(folder):
    parts = [load(folder, limit=40, seed=seed) for seed in (0, 0, 1)]
    whole = load(folder).attributes["set"].value_counts()
    for part in parts:
        sizes = part.attributes["set"].value_counts()
        assert part.limited
        assert 24 < len(part.images) <= 40
        assert all(sizes[name] == whole[name] for name in sizes.index)
    assert parts[0].fingerprint == parts[1].fingerprint != parts[2].fingerprint
    assert len(load(folder, limit=1).attributes["set"].unique()) == 1
    request = AuditRequest(model="m", probe="socialcounterfactuals", data=str(folder), limit=40)
    asked = dataset_of(probes.get("socialcounterfactuals"), request)
    assert asked.fingerprint == parts[0].fingerprint


def test_another_layout_is_described(tmp_path, folder):
    with pytest.raises(DataError, match="not laid out as SocialCounterfactuals"):
        load(tmp_path)
    pq.write_table(pa.table({"caption": ["a"], "image": [b""]}), tmp_path / "a.parquet")
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert "without counterfactual_set, a1_type, a1, a2_type, a2" in str(caught.value.why)


def test_choices_are_named_as_the_captions_name_the_work():
    assert all(work == work.lower() and shown != other for work, (shown, other) in WORK_SHOWN.items())
