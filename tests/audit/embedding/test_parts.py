"""Parts: every image in one, whatever their number; receipts name what is missing."""

import numpy as np
import pytest

from audit.embedding.parts import Part, Receipt, found, leave, missing_parts
from audit.testing import FakeEncoder, four_faces

NAMES = [f"{row}.png" for row in range(1000)]
RECORD = FakeEncoder().record


@pytest.mark.slow_except("1", "2", "7")
@pytest.mark.parametrize("count", [1, 2, 7, 1500])
def test_each_image_is_in_one_part(count):
    rows = np.concatenate([Part(number + 1, count).rows(NAMES) for number in range(count)])
    assert sorted(rows.tolist()) == list(range(1000))


def test_parts_are_of_about_one_size_and_go_by_the_identifier_alone():
    """1,000 images in 7 parts: 143 each, standard deviation 11."""
    sizes = [len(Part(number, 7).rows(NAMES)) for number in range(1, 8)]
    assert 100 < min(sizes) <= max(sizes) < 190
    rows = Part(3, 7).rows(NAMES)
    assert {NAMES[::-1][row] for row in Part(3, 7).rows(NAMES[::-1])} == {NAMES[row] for row in rows}


@pytest.mark.parametrize("text", ["0/7", "8/7", "1", "1/0", "a/b", "-1/7", "1/7/2", ""])
def test_a_part_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="i/N"):
        Part.parse(text)


def receipt(part, dataset, **changes):
    return Receipt(**{
        "model": "fake", "data": dataset.name, "data_fingerprint": dataset.fingerprint, "part": part.number, "of": part.of, "rows": 4,
        "embedded": 3, "computed": 2, **changes,
    })  # fmt: skip


def test_receipts_come_back_and_one_that_is_damaged_or_of_other_data_does_not_count(tmp_path):
    data = four_faces(10)
    left = [receipt(Part(number, 3), data, exclusions=({"reason": "empty file", "count": 1, "by_group": {}},)) for number in (1, 2)]
    for each in [*left, receipt(Part(3, 3), data, data_fingerprint="5" * 64)]:
        leave(each, tmp_path, RECORD)
    folder = tmp_path / RECORD.fingerprint[:32] / "receipts"
    (folder / f"{'4' * 32}-3-of-3.json").write_text("{")
    (folder / f"{'4' * 32}-9-of-9.json").write_text((folder / left[0].name).read_text())
    for path in folder.iterdir():
        path.chmod(0o600)
    assert found(tmp_path, RECORD, data.fingerprint) == left
    assert found(tmp_path / "nowhere", RECORD, data.fingerprint) == []


def test_missing_parts_are_named_with_their_images_and_any_covering_receipt_counts():
    data = four_faces(250)  # 1,000 identifiers
    of_three = [receipt(Part(number, 3), data) for number in (1, 3)]
    [(part, count)] = missing_parts(data, of_three)
    assert (part, count) == (Part(2, 3), len(Part(2, 3).rows(data.attributes.index)))
    assert missing_parts(data, [*of_three, *of_three, receipt(Part(2, 3), data)]) == []
    assert missing_parts(data, [*of_three, receipt(Part(1, 1), data)]) == []
    assert missing_parts(data, []) == []
    # A half that was embedded covers what it holds of the third that is missing.
    halved = missing_parts(data, [*of_three, receipt(Part(1, 2), data)])
    left = {*Part(2, 3).rows(data.attributes.index).tolist()} & {*Part(2, 2).rows(data.attributes.index).tolist()}
    assert halved == [(Part(2, 3), len(left))]
