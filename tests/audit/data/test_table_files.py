"""The command with tables of every kind: what is read gives the same audit, what is not ends with a code and a way out."""

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.errors import UsageError
from audit.testing import four_faces
from contrastive.config import DataConfig
from contrastive.data import open_source
from tests.support.command import command
from tests.support.limits import GIB, limited

PROBE = """from dataclasses import replace
from audit.data import load_dataset
from audit.data.schema import Schema
from audit.testing import gender_probe
PROBE = replace(gender_probe(None), load=lambda options: load_dataset(options.location, Schema(), name="given", licence="none"))
"""
MODEL = """from audit.testing import FakeEncoder


class Faces(FakeEncoder):
    def __init__(self, device="cpu", dtype="float32"):
        super().__init__()
        del self.record
"""
ANSWERS = [["id", "race", "y_true", "y_pred"], *([str(i), ("Métis", "01", "1")[i % 3], "ab"[i % 2], "ab"[i // 2 % 2]] for i in range(180))]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """48 pictures, their table, a probe and a model."""
    folder = tmp_path_factory.mktemp("faces")
    faces = four_faces(12)
    (folder / "probe.py").write_text(PROBE)
    (folder / "model.py").write_text(MODEL)
    for name, content in zip(faces.attributes.index, faces.images, strict=True):
        (folder / name).write_bytes(content)
    table = faces.attributes.rename_axis("file").reset_index()
    assert list(table.columns) == ["file", "race", "gender"]
    table.to_csv(folder / "faces.csv", index=False)
    return folder


def as_csv(rows, mark=",", encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows(rows)
    return text.getvalue().encode(encoding)


def as_json(rows):
    return "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:]).encode()


def as_excel(rows):
    book, content = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(content)
    return content.getvalue()


def as_parquet(rows):
    content = io.BytesIO()
    pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(content)
    return content.getvalue()


KINDS = {
    "x.csv": as_csv, "x.tsv": lambda rows: as_csv(rows, "\t"), "x.txt": lambda rows: as_csv(rows, ";"), "x.jsonl": as_json,
    "x.ndjson.gz": lambda rows: gzip.compress(as_json(rows)), "x.csv.gz": lambda rows: gzip.compress(as_csv(rows)), "x.xlsx": as_excel,
    "x.parquet": as_parquet,
}  # fmt: skip


def audited(done, out):
    assert done.returncode == 0, done.stderr
    return json.loads((out / "results.json").read_text())["audits"][0]


def refused(done, code, *words):
    assert done.returncode == code, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr


# ---- one reader ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_same_predictions_in_every_kind_of_file_are_the_same_audit(tmp_path):
    found = []
    for name, write in KINDS.items():
        (tmp_path / name).write_bytes(write(ANSWERS))
        done = command("--predictions", name, "--attributes", "race", "--out", f"out-{name}", cwd=tmp_path)
        found.append(audited(done, tmp_path / f"out-{name}")["findings"])
    assert all(each == found[0] for each in found)
    assert {rate["group"][0] for rate in found[0][0]["by_group"]} == {"Métis", "01", "1"}  # 1 and 01 are two groups


@pytest.mark.slow
def test_the_same_labels_in_every_kind_of_file_are_the_same_audit(faces, tmp_path):
    rows = list(csv.reader((faces / "faces.csv").read_text().splitlines()))
    found = []
    for name, write in KINDS.items():
        (faces / name).write_bytes(write(rows))
        done = command("--model", "model.py:Faces", "--probe", "probe.py", "--data", name, "--out", tmp_path / name, cwd=faces)
        (faces / name).unlink()
        found.append(audited(done, tmp_path / name))
    assert len(found[0]["findings"]) > 0
    assert all(each["findings"] == found[0]["findings"] for each in found)
    assert len({each["data"]["fingerprint"] for each in found}) == 1


def test_training_reads_the_same_files(faces):
    rows = [["image", "caption"], ["000.png", "a judge"], ["001.png", "a thief, é"]]
    identities = set()
    for name, write in KINDS.items():
        if name != "x.parquet":  # whose images are in it
            (faces / name).write_bytes(write(rows))
            source = open_source(DataConfig(str(faces / name)))
            (faces / name).unlink()
            assert [source.captions(row) for row in range(2)] == [("a judge",), ("a thief, é",)]
            identities.add(source.identity)
    assert len(identities) == 1


# ---- encodings -------------------------------------------------------------------------------------------------------------------------

LATIN_1 = {
    "header": "id,Métis,y_pred\n1,a,x\n2,b,y\n" * 1, "cell": "id,race,y_pred\n1,Métis,x\n2,b,y\n",
}  # fmt: skip


@pytest.mark.slow_except("cell")
@pytest.mark.parametrize("part", LATIN_1)
def test_latin_1_is_named_with_its_line_and_read_with_the_option(tmp_path, part):
    rows = LATIN_1[part] + "".join(f"{row},{'ab'[row % 2]},{'xy'[row // 2 % 2]}\n" for row in range(3, 80))
    (tmp_path / "x.csv").write_bytes(rows.encode("latin-1"))
    line = {"header": 1, "cell": 2}[part]
    refused(
        command("--predictions", "x.csv", cwd=tmp_path),
        3,
        f"x.csv is not UTF-8 (line {line})",
        "as Latin-1 files have it",
        "--encoding latin-1",
    )
    groups = audited(command("--predictions", "x.csv", "--encoding", "latin-1", "--out", "out", cwd=tmp_path), tmp_path / "out")["data"][
        "groups"
    ]
    assert "Métis" in {"header": groups, "cell": groups.get("race")}[part]


def test_an_encoding_that_is_not_known_or_not_needed_is_a_mistake(tmp_path):
    (tmp_path / "x.parquet").write_bytes(as_parquet(ANSWERS))
    for name in ("latin-3000", "rot13", "hex", "base64", "\0"):
        refused(command("--predictions", "x.csv", "--encoding", name, cwd=tmp_path), 2, "expected the name of a text encoding")
    refused(command("--predictions", "x.parquet", "--encoding", "latin-1", cwd=tmp_path), 2, "--encoding cannot be used with x.parquet")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["UTF-16", "utf_16", "utf-16-le"])
def test_utf_16_is_read_by_its_name_from_every_file_of_lines(faces, tmp_path, name):
    """With the mark at the start that Excel and Notepad write, also where the name says the order of the bytes."""
    labels = list(csv.reader((faces / "faces.csv").read_text().splitlines()))
    for kind in ("x.csv", "x.jsonl", "x.csv.gz", "x.ndjson.gz"):
        for rows, flags in ((ANSWERS, ("--predictions",)), (labels, ("--model", "model.py:Faces", "--probe", "probe.py", "--data"))):
            text = ("\n".join(map(",".join, rows)) + "\n" if ".csv" in kind else as_json(rows).decode("utf-8")).lstrip()
            content = (text if name.lower() in ("utf-16", "utf_16") else "\ufeff" + text).encode(name)
            (faces / kind).write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
            done = command(*flags, kind, "--encoding", name, "--out", tmp_path / f"{kind}{len(flags)}", cwd=faces)
            (faces / kind).unlink()
            groups = audited(done, tmp_path / f"{kind}{len(flags)}")["data"]["groups"]
            assert set(groups) >= {"race"}, groups
            assert ("Métis" in groups["race"]) == (rows is ANSWERS)


@pytest.mark.slow_except("x.jsonl")
@pytest.mark.parametrize("kind", ["x.csv", "x.jsonl"])
def test_windows_text_that_is_read_as_latin_1_is_noticed(tmp_path, kind):
    rows = [["id", "race", "y_pred"], *([str(row), ("‘light’", "dark")[row % 2], "xy"[row // 2 % 2]] for row in range(80))]
    text = "\n".join(map(",".join, rows)) if kind == "x.csv" else "".join(
        json.dumps(dict(zip(rows[0], row, strict=True)), ensure_ascii=False) + "\n" for row in rows[1:]
    )  # fmt: skip
    (tmp_path / kind).write_bytes(text.encode("cp1252"))
    for name, noticed in (("latin-1", 1), ("ISO-8859-15", 1), ("cp1252", 0)):
        done = command("--predictions", kind, "--encoding", name, "--out", "out", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("looks like cp1252 (Windows): --encoding cp1252")) == (0, noticed), done.stderr


def latin_1_parquet(path, part, **metadata):
    races = pa.array([b"M\xe9tis" if part == "cell" else b"A", b"B"], pa.binary()).view(pa.string())
    table = pa.table({"file": ["000.png", "001.png"], "Rxce": races, "gender": ["Male", "Female"], "y_pred": ["x", "y"]})
    pq.write_table(table.replace_schema_metadata({"pandas": b"\xe9", "vlm_audit.labels": b"\xe9", **metadata}), path)
    if part == "name":
        path.write_bytes(path.read_bytes().replace(b"Rxce", b"R\xe9ce"))


@pytest.mark.parametrize("part", ["name", "cell"])
def test_parquet_that_is_not_utf_8_is_refused(faces, part):
    latin_1_parquet(faces / "latin.parquet", part)
    refused(command("--predictions", "latin.parquet", cwd=faces), 3, "holds text that is not UTF-8", "encoding='latin-1'")
    latin_1_parquet(faces / "latin.parquet", part, huggingface=b"\xe9{")
    data = ("--model", "model.py:Faces", "--probe", "probe.py", "--data", "latin.parquet")
    refused(command(*data, cwd=faces), 3, "holds text that is not UTF-8" if part == "name" else "latin.parquet")


def test_metadata_that_are_damaged_are_said(faces, tmp_path):
    latin_1_parquet(faces / "latin.parquet", "metadata", huggingface=b"\xe9{")
    refused(command("--model", "model.py:Faces", "--probe", "probe.py", "--data", "latin.parquet", cwd=faces), 3, "has damaged metadata")
    own = {name: ["a", "b"] for name in ("model", "probe", "measurement", "id", "y_true", "y_pred")}
    for content in (b"\xe9", b"[]", b'{"a/a": 3}', b'{"a/a": ["x", 3]}'):
        pq.write_table(pa.table(own).replace_schema_metadata({"vlm_audit.labels": content}), tmp_path / "x.parquet")
        refused(command("--predictions", "x.parquet", cwd=tmp_path), 3, "x.parquet")


# ---- files that would fill the memory --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def started(faces):
    """What it takes to name a file that is not there: imports."""
    done = limited([sys.executable, "-m", "audit.run", "--predictions", "missing.csv"], faces, 2 * GIB)
    assert "missing.csv" in done.err
    return done


def expansion_error(name):
    """Return a file of under 600 kB that unfolds to far more; the first is the one of the reference attack, 7 GB."""
    if name == "gzip":
        return gzip.compress(b"race,y_pred\n" + b"A,x\n" * 2**27)
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(7000, np.int32)), pa.array([b"x" * 2**20]))
    columns = {"race": pa.array(np.zeros(40_000_000, np.int64)) if name == "numbers" else text}
    if name == "images":
        columns = {"image": text, "race": ["A", "B"] * 3500, "gender": ["Male"] * 7000}
    content = io.BytesIO()
    pq.write_table(pa.table(columns), content, compression="zstd", row_group_size=40_000_000, store_schema=False)
    return content.getvalue()


@pytest.mark.slow_except("numbers-x.parquet")
@pytest.mark.parametrize(("name", "file"), [("text", "x.parquet"), ("numbers", "x.parquet"), ("gzip", "x.csv.gz")])
def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path, started, name, file):
    content = expansion_error(name)
    assert len(content) < 600_000
    (tmp_path / file).write_bytes(content)
    done = limited([sys.executable, "-m", "audit.run", "--predictions", file], tmp_path, 2 * GIB)
    assert done.code == 4, done.err
    assert f"error[E4] {file} would fill the memory" in done.err
    assert done.cpu_s < started.cpu_s + 5
    assert done.peak_mib < started.peak_mib + 600, (started, done)
    assert [path.name for path in tmp_path.iterdir()] == [file]


@pytest.mark.slow
def test_images_that_would_fill_the_memory_are_refused(faces):
    (faces / "images.parquet").write_bytes(expansion_error("images"))
    arguments = ["--model", "model.py:Faces", "--probe", "probe.py", "--data", "images.parquet", "--out", "bomb"]
    done = limited([sys.executable, "-m", "audit.run", *arguments], faces)
    assert done.code == 4, done.err
    assert "error[E4] images.parquet would fill the memory" in done.err
    assert done.peak_mib < 1100  # 256 MiB are held three times: as Arrow's batches, as it joins them, in its pool; not 7 GB


# ---- names of columns, and where the images are ----------------------------------------------------------------------------------------


def data(faces, table, *flags, out="out"):
    return command("--model", "model.py:Faces", "--probe", "probe.py", "--data", table, "--out", out, *flags, cwd=faces)


@pytest.mark.slow
def test_absolute_paths_below_the_folder_are_read_and_never_shown(faces, tmp_path):
    table = pd.read_csv(faces / "faces.csv", dtype=str)
    plain = audited(data(faces, "faces.csv", out=tmp_path / "plain"), tmp_path / "plain")
    absolute = table.assign(file=[str(faces / name) for name in table["file"]])
    absolute.to_csv(faces / "absolute.csv", index=False)
    absolute.to_csv(tmp_path / "far.csv", index=False)
    absolute.to_parquet(tmp_path / "far.parquet")
    for name, flags in (
        ("absolute.csv", ()),
        (tmp_path / "far.csv", ("--image-root", faces)),
        (tmp_path / "far.parquet", ("--image-root", ".")),
    ):
        out = tmp_path / f"out-{Path(name).name}"
        found = audited(data(faces, name, *flags, out=out), out)
        assert found["findings"] == plain["findings"]
        assert found["data"]["fingerprint"] == plain["data"]["fingerprint"]
        assert (
            pq.read_table(out / "predictions.parquet")["id"].to_pylist()
            == pq.read_table(tmp_path / "plain" / "predictions.parquet")["id"].to_pylist()
        )
        for file in ("results.json", "report.html", "summary.md", "predictions.parquet"):
            assert str(faces).encode() not in (out / file).read_bytes(), file
    refused(data(faces, tmp_path / "far.csv"), 3, "48 image paths not allowed", "absolute path", "--image-root DIR")


def test_paths_that_leave_the_root_are_still_refused(faces, tmp_path):
    (tmp_path / "secret.png").write_bytes((faces / "000.png").read_bytes())
    (faces / "link.png").symlink_to(tmp_path / "secret.png")
    names = [
        f"{faces}/../secret.png",
        str(tmp_path / "secret.png"),
        f"{faces}/link.png",
        "https://x.invalid/a.png",
        "/dev/zero",
        f"{faces}/000.png",
    ]
    pd.DataFrame({"file": names, "race": "A", "gender": "Male"}).to_csv(faces / "leaves.csv", index=False)
    done = data(faces, "leaves.csv", "--image-root", faces)
    (faces / "link.png").unlink()
    refused(
        done, 3, "5 image paths not allowed", "path that leaves the folder", "absolute path", "symbolic link that leaves", "URL", "device"
    )


def test_the_column_of_images_is_named_or_known(faces, tmp_path):
    table = pd.read_csv(faces / "faces.csv", dtype=str)
    table.rename(columns={"file": "picture"}).to_csv(faces / "picture.csv", index=False)
    refused(
        data(faces, "picture.csv"),
        3,
        "picture.csv has no image column",
        "found the columns: picture, race, gender",
        "fix: --image-column picture",
    )
    audited(data(faces, "picture.csv", "--image-column", "picture", out=tmp_path / "named"), tmp_path / "named")
    refused(data(faces, "picture.csv", "--image-column", "pictures"), 2, "has no column 'pictures'", "did you mean picture")
    for name in ("Image", "File Name", "IMG-PATH"):
        for kind, write in (("alike.csv", pd.DataFrame.to_csv), ("alike.parquet", pd.DataFrame.to_parquet)):
            write(table.rename(columns={"file": name}), faces / kind, index=False)
            found = audited(data(faces, kind, out=tmp_path / "alike"), tmp_path / "alike")
            assert {"code": "image_column_alike", "values": {"column": repr(name)}} in found["data"]["notes"]
            assert set(found["data"]["groups"]) == {"race", "gender"}


def test_columns_of_predictions_are_named(tmp_path):
    rows = [["id", "race", "label", "pred"], *ANSWERS[1:]]
    (tmp_path / "x.csv").write_bytes(as_csv(rows))
    (tmp_path / "plain.csv").write_bytes(as_csv(ANSWERS))
    refused(command("--predictions", "x.csv", cwd=tmp_path), 3, "x.csv has no column 'y_pred'", "fix: --prediction-column pred")
    named = ("--prediction-column", "pred", "--truth-column", "label")
    found = audited(command("--predictions", "x.csv", *named, "--out", "out", cwd=tmp_path), tmp_path / "out")
    plain = audited(command("--predictions", "plain.csv", "--out", "plain", cwd=tmp_path), tmp_path / "plain")
    assert found["findings"] == plain["findings"]
    refused(
        command("--predictions", "x.csv", "--prediction-column", "prod", cwd=tmp_path),
        2,
        "has no column 'prod' (--prediction-column)",
        "pred",
    )
    refused(command("--predictions", "plain.csv", "--prediction-column", "race", cwd=tmp_path), 2, "has a column 'y_pred' besides 'race'")


def test_options_about_a_table_need_one(faces):
    for name, value in (("--image-root", "."), ("--image-column", "a"), ("--encoding", "latin-1")):
        done = command("--model", "model.py:Faces", "--probe", "probe.py", name, value, cwd=faces)
        refused(done, 2, f"{name} cannot be used without --data")
    refused(data(faces, "faces.csv", "--image-root", "nowhere"), 2, "no folder 'nowhere' (--image-root)")
    refused(data(faces, "hf:org/name", "--encoding", "latin-1"), 2, "--encoding cannot be used with a data set of the hub")
    import audit

    with pytest.raises(UsageError, match="--encoding cannot be used with data of type DataFrame"):
        audit.audit("x.pt", "probe.py", data=pd.DataFrame({"file": ["a"]}), encoding="latin-1")


# ---- rows of the acceptance table ------------------------------------------------------------------------------------------------------


def test_a_single_group_is_not_equal_treatment(faces):
    (faces / "one.csv").write_text("file,race,gender\n000.png,A,Male\n001.png,A,Female\n")
    refused(data(faces, "one.csv"), 3, "given has 1 group in the column 'race'", "two are required")


def test_a_score_of_no_label_that_is_not_a_number_is_said(tmp_path):
    (tmp_path / "x.csv").write_text("y_true,y_pred,score,race\n1,1,0.5,A\n0,0,inf,B\n")
    refused(
        command("--predictions", "x.csv", cwd=tmp_path), 3, "a score that is not a number in the column 'score' (row 2 after the header)"
    )
