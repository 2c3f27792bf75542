"""CelebA's own files are read as they are, and anything else is refused with what was found."""

import pytest

from audit.api.inputs import dataset_of, probes_of
from audit.errors import DataError
from audit.options.audits import AuditRequest
from audit.types import LoadOptions
from probes.faces import celeba
from tests.probes.made.celeba import make


def test_only_the_test_part_is_read_with_people_as_clusters(tmp_path):
    """160 pictures, every sixteenth of the training part; the first two are of person 0: a blond man with glasses, and a dark man."""
    make(tmp_path)
    dataset = celeba.load(LoadOptions(tmp_path))
    assert len(dataset.images) == 150
    first = dataset.attributes.loc[["000001.jpg", "000002.jpg"]]
    assert first["gender"].tolist() == ["man", "man"]
    assert first["blond_hair"].tolist() == ["blond", "not blond"]
    assert first["eyeglasses"].tolist() == ["glasses", "no glasses"]
    assert first["person"].tolist() == ["0", "0"]
    assert "000016.jpg" not in dataset.attributes.index


def test_the_root_of_torchvision_is_found(tmp_path):
    (tmp_path / "celeba").mkdir()
    make(tmp_path / "celeba")
    assert len(celeba.load(LoadOptions(tmp_path)).images) == 150


def test_without_identities_images_count_as_independent_and_the_report_says_so(tmp_path):
    make(tmp_path)
    request = AuditRequest(model="m.pt", probe="celeba", data=tmp_path)
    (with_people,) = probes_of(request)
    assert (with_people.cluster, celeba.NO_IDENTITIES in with_people.limits) == ("person", False)
    (tmp_path / "identity_CelebA.txt").unlink()
    (without,) = probes_of(request)
    assert (without.cluster, without.limits[0]) == (None, celeba.NO_IDENTITIES)
    assert without.measurements == with_people.measurements
    dataset = dataset_of(without, request)
    assert (len(dataset.images), "person" in dataset.attributes) == (150, False)
    assert pytest.approx(1.7, abs=0.01) == (1 + 19 * 0.1) ** 0.5


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("list_attr_celeba.txt", None, "no list_attr_celeba.txt among identity_CelebA.txt"),
        ("list_attr_celeba.txt", "1\nMale Young\n000001.jpg 1 1\n", "no attribute Blond_Hair in its second line"),
        ("list_attr_celeba.txt", "1\nBlond_Hair Eyeglasses Male Smiling Young\na.jpg 1 1 yes 1 1\n", "line 3 does not hold an image and 5"),
    ],
)
def test_another_layout_is_refused_with_what_was_found(tmp_path, file, text, found):
    make(tmp_path)
    (tmp_path / file).unlink()
    if text:
        (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match="is not laid out as CelebA is") as caught:
        celeba.load(LoadOptions(tmp_path))
    assert found in caught.value.why
    assert "list_eval_partition.txt: image and 0 (train), 1 (validation) or 2 (test)" in caught.value.why
