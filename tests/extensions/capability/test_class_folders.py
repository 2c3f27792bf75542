"""Folders of classes, in splits or not: a split is never a class, and the error names the folder that can be read."""

import json

import pytest

import probes
from audit.errors import DataError
from audit.run import main
from audit.types import LoadOptions
from tests.support.notes import sentences
from tests.support.planted import picture
from tests.support.tiny import write_checkpoint

CLASSES = probes.get("classes")


def fill(root, *places, n=2):
    """Write `n` pictures into each folder, all unlike."""
    for number, place in enumerate(places):
        (root / place).mkdir(parents=True)
        for each in range(n):
            (root / place / f"{each}.png").write_bytes(picture(10 * number + each))
    return root


def load(root):
    return CLASSES.load(LoadOptions(str(root)))


def test_class_folders_in_splits_are_read_together_and_no_split_is_a_class(tmp_path):
    found = load(fill(tmp_path, "train/cup", "train/apple", "Val/cup", "test"))
    assert found.attributes["class"].value_counts().to_dict() == {"cup": 4, "apple": 2}
    assert "train/cup/0.png" in found.attributes.index
    assert "Splits read, with their rows: Val (2), train (4); also present, but not read: test." in sentences(found.notes)


def test_imagenets_folder_is_read_beside_files_that_are_no_table_and_named_where_it_lies_deeper(tmp_path):
    root = fill(tmp_path / "ILSVRC" / "Data" / "CLS-LOC", "train/n01440764", "train/n01443537", "val")
    (root / "meta.bin").write_bytes(b"x")
    (root / "ILSVRC2012_img_val.tar").write_bytes(b"x")
    assert set(load(root).attributes["class"]) == {"n01440764", "n01443537"}
    with pytest.raises(DataError, match=r"(?s)neither folders of classes nor a table.*--data .*/ILSVRC/Data/CLS-LOC, which has them"):
        load(tmp_path / "ILSVRC")


def test_a_split_beside_classes_is_refused_and_splits_alone_have_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"'train', which is the name of a split, beside folders of classes"):
        load(fill(tmp_path / "vehicles", "train", "bus", "car"))
    with pytest.raises(DataError, match="neither folders of classes nor a table"):
        load(fill(tmp_path / "flat", "train", "test"))


@pytest.mark.parametrize("layout", ["imagefolder", "classes"])
def test_the_command_reads_the_splits_and_one_of_them_by_a_relative_path(tmp_path, monkeypatch, capsys, layout):
    model, root = write_checkpoint(tmp_path / "ckpt.pt"), tmp_path / "data"
    if layout == "classes":
        fill(root, "train/cup", "train/apple", "test/cup", "test/apple", n=4)
    else:
        fill(root, "train", "test", n=8)
        for split in ("train", "test"):
            rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "site": "xy"[i // 4]} for i in range(8)]
            (root / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "here" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "below")
    words = ["--model", str(model), "--probe", "classes", "--data", "../../data", "--min-group-size", "2"]
    one = "test (8); also present, but not read: train"
    for more, images, said in (((), 16, "test (8), train (8)"), (("--split", "test"), 8, one)):
        assert main([*words, *more, "--out", str(tmp_path / "out")]) == 0
        facts = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))["audits"][0]
        assert facts["data"]["used"] == images
        assert said in (tmp_path / "out" / "report.html").read_text("utf-8")
        assert "train" not in facts["measurements"][0]["labels"]
    capsys.readouterr()
    assert main([*words, "--split", "tset", "--out", str(tmp_path / "other")]) == 2
    assert "has no split 'tset'" in capsys.readouterr().err


def test_the_recall_of_each_class_is_planned_where_two_groups_have_it_and_of_31_classes_of_none(tmp_path):
    """A cup in both places and a plate in both; a fork in the north alone. By the place, cups and plates can be compared."""
    for n in range(31):
        (tmp_path / f"{n}.png").write_bytes(picture(n))

    def claims(kinds):
        table = "".join(f"{n}.png,{kind},{'north' if n % 2 else 'south'}\n" for n, kind in enumerate(kinds))
        (tmp_path / "labels.csv").write_text(f"image,class,place\n{table}")
        data = load(tmp_path)
        (asked,) = CLASSES.fitted(data).measurements
        assert all(claim.primary for claim in asked.claims)
        return [(claim.metric, claim.outcome) for claim in asked.claims], sentences(data.notes)

    few, said = claims(["cup", "cup", "plate", "plate", "plate", "fork"])
    assert few == [("accuracy", None), ("true_positive_rate", "cup"), ("true_positive_rate", "plate")]
    assert not [text for text in said if "recall" in text]
    many, said = claims([f"kind{n}" for n in range(31)])
    assert many == [("accuracy", None)]
    assert "The recall of each class was not compared, because there are 31" in " ".join(said)
