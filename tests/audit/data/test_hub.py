"""The hub's data sets: from a small hub on this machine, from folders in its formats, and quickly nothing where there is none."""

import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.data import HubSource, load_dataset
from audit.data.hub import _as_audit_error, load_hub, parse_location
from audit.data.schema import Column, Schema
from audit.data.shards import choose_shards, choose_split
from audit.errors import DataError, MachineError, UnsafeError, UsageError
from audit.testing import png
from strictio.hub import hub_fault
from strictio.images.decode import UnreadableImage
from tests.support.notes import sentences

RACES = ("East Asian", "Indian", "Black")
SCHEMA = Schema(
    (
        Column("age", ("0-2", "3-9"), repairs={"9-Mar": "3-9"}),
        Column("gender", ("Female", "Male"), classes=("Male", "Female")),
        Column("race", RACES[::-1], {"Asian": "East Asian"}, classes=RACES),
        Column("service_test", ("True", "False"), {"TRUE": "True", "FALSE": "False"}, optional=True),
    )
)
FAIRFACE = HubSource("HuggingFaceM4/FairFace", config="0.25", split="validation", licence="CC BY 4.0")
ROWS = [("1", "9-Mar", "Male", "Asian", "TRUE"), ("2", "0-2", "Female", "Black", "FALSE"), ("3", "3-9", "Female", "Indian", "TRUE")]


def load(location, schema=SCHEMA, hub=FAIRFACE):
    return load_dataset(str(location), schema, hub=hub, name="FairFace", licence="CC BY 4.0")


def picture(name):
    return png((40 * int(name), 0, 0))


def hub_form(rows=ROWS, races=RACES, prefix="val/", held=True):
    """The rows as the hub has them: integers with class names in the metadata, images as bytes with their path."""
    import datasets

    names = {"age": ["0-2", "3-9"], "gender": ["Male", "Female"], "race": list(races)}
    features = {"image": datasets.Image(), **{name: datasets.ClassLabel(names=values) for name, values in names.items()}}
    paths = [f"{prefix}{row[0]}.png" if prefix is not None else None for row in rows]
    columns = {
        "image": [{"bytes": picture(row[0]) if held else None, "path": path} for row, path in zip(rows, paths, strict=True)],
        "age": [names["age"].index("3-9" if row[1] == "9-Mar" else row[1]) for row in rows],
        "gender": [names["gender"].index(row[2]) for row in rows],
        "race": [names["race"].index("East Asian" if row[3] == "Asian" else row[3]) for row in rows],
        "service_test": [row[4] == "TRUE" for row in rows],
    }
    return datasets.Dataset.from_dict(columns, features=datasets.Features({**features, "service_test": datasets.Value("bool")}))


def write_shards(path, data, rows_a_group=2):
    """Write Parquet as the hub has it, in row groups smaller than the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = data.with_format("arrow")[:]
    metadata = {"huggingface": json.dumps({"info": {"features": data.features.to_dict()}})}
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=rows_a_group)


@pytest.fixture
def csv_form(tmp_path):
    """The same rows as the authors publish them: a label file beside the folder val."""
    folder = tmp_path / "csv"
    (folder / "val").mkdir(parents=True)
    for row in ROWS:
        (folder / "val" / f"{row[0]}.png").write_bytes(picture(row[0]))
    lines = [",".join((f"val/{row[0]}.png", *row[1:])) for row in ROWS]
    (folder / "fairface_label_val.csv").write_text("\n".join(["file,age,gender,race,service_test", *lines]))
    return load(folder)


def same(one, other):
    """Whether two data sets say the same of the same images in the same order."""
    assert list(one.images) == list(other.images)
    assert one.levels == other.levels
    assert one.fingerprint == other.fingerprint
    pd.testing.assert_frame_equal(one.attributes.reset_index(drop=True), other.attributes.reset_index(drop=True))


# ---- folders -------------------------------------------------------------------------------------------------------------------------


def test_a_parquet_folder_in_the_hubs_schema_equals_the_csv_form(tmp_path, csv_form):
    write_shards(tmp_path / "hub" / "0.25" / "validation-00000-of-00001.parquet", hub_form())
    dataset = load(tmp_path / "hub")
    same(dataset, csv_form)
    assert dataset.attributes.index.tolist() == csv_form.attributes.index.tolist() == ["val/1.png", "val/2.png", "val/3.png"]
    assert sentences(dataset.notes) == ("Parquet files of the folder that were read: 1 (0.25/validation-00000-of-00001.parquet).",)


@pytest.mark.slow
def test_the_180_images_say_the_same_in_either_form(tmp_path, fairface_dir):
    """Ids as the hub has them: races in its order, gender Male first, ages youngest first."""
    import datasets

    schema = Schema((Column("age"), Column("gender"), Column("race"), Column("service_test")))
    csv = load(fairface_dir, schema)
    races = ["East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian"]
    names = {"age": list(csv.levels["age"]), "gender": ["Male", "Female"], "race": races}
    columns = {name: [names[name].index(value) for value in csv.attributes[name]] for name in names}
    columns["service_test"] = [value == "True" for value in csv.attributes["service_test"]]
    columns["image"] = [{"bytes": content, "path": name} for name, content in zip(csv.attributes.index, csv.images, strict=True)]
    features = {name: datasets.ClassLabel(names=values) for name, values in names.items()}
    features = datasets.Features({**features, "service_test": datasets.Value("bool"), "image": datasets.Image()})
    write_shards(tmp_path / "1.25" / "validation-00000-of-00001.parquet", datasets.Dataset.from_dict(columns, features=features), 50)
    parquet = load(tmp_path, schema)
    same(parquet, csv)
    assert len(parquet.images) == 180
    assert parquet.attributes.equals(csv.attributes)


def test_what_datasets_writes_itself_equals_the_csv_form(tmp_path, csv_form):
    """`to_parquet` and `save_to_disk`; the latter drops the folders of the image paths."""
    import datasets

    (tmp_path / "parquet").mkdir()
    hub_form().to_parquet(tmp_path / "parquet" / "validation.parquet")
    hub_form().save_to_disk(tmp_path / "saved")
    datasets.DatasetDict({"train": hub_form(ROWS[:1]), "validation": hub_form()}).save_to_disk(tmp_path / "splits")
    for name in ("parquet", "saved", "splits"):
        same(load(tmp_path / name), csv_form)
    assert load(tmp_path / "splits").source == "a folder saved by datasets, split validation"
    assert load(tmp_path / "saved").attributes.index.tolist() == ["1.png", "2.png", "3.png"]
    # Rows that were chosen and shuffled stay together.
    hub_form().select([2, 0]).save_to_disk(tmp_path / "chosen")
    dataset = load(tmp_path / "chosen")
    assert dataset.attributes["race"].tolist() == ["Indian", "East Asian"]
    assert list(dataset.images) == [picture("3"), picture("1")]


def test_several_shards_are_one_table(tmp_path, csv_form):
    write_shards(tmp_path / "hub" / "data" / "validation-00000-of-00002.parquet", hub_form(ROWS[:2]), rows_a_group=1)
    write_shards(tmp_path / "hub" / "data" / "validation-00001-of-00002.parquet", hub_form(ROWS[2:]))
    dataset = load(tmp_path / "hub")
    same(dataset, csv_form)
    assert [dataset.images[row] for row in (2, 0, 1, -1)] == [picture(name) for name in "3123"]
    write_shards(tmp_path / "csv" / "train-00000-of-00001.parquet", hub_form(ROWS[:1]))
    same(load(tmp_path / "csv"), csv_form)  # a label table comes before Parquet with images


def test_the_configuration_and_the_split_that_are_wanted_are_read(tmp_path):
    for config in ("0.25", "1.25"):
        write_shards(tmp_path / config / "train-00000-of-00001.parquet", hub_form(ROWS[:1]))
        write_shards(tmp_path / config / "validation-00000-of-00001.parquet", hub_form(ROWS[1:]))
    assert len(load(tmp_path).images) == 2
    assert choose_shards(tmp_path, "1.25", "train") == [tmp_path / "1.25" / "train-00000-of-00001.parquet"]
    assert choose_shards(tmp_path / "0.25", "0.25", "validation") == [tmp_path / "0.25" / "validation-00000-of-00001.parquet"]
    with pytest.raises(DataError, match="several configurations"):
        choose_shards(tmp_path, None, "validation")


def test_splits_may_be_folders_and_one_is_chosen(tmp_path):
    for split in ("train", "validation"):
        write_shards(tmp_path / "0.25" / split / "0000.parquet", hub_form())
    assert choose_shards(tmp_path, "0.25", "validation") == [tmp_path / "0.25" / "validation" / "0000.parquet"]
    assert choose_split(["train", "test"], None, "x") == "test"
    assert choose_split(["train", "val"], "validation", "x") == "val"
    assert choose_split(["train"], "validation", "x") == "train"
    with pytest.raises(DataError, match="no split 'validation'"):
        choose_split(["train", "test"], "validation", "x")


def test_class_names_in_another_order_or_not_declared_stop_the_reading(tmp_path):
    write_shards(tmp_path / "validation.parquet", hub_form(races=RACES[::-1]))
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    assert caught.value.exit_code == 3
    assert "found 'Black', 'Indian', 'East Asian'; expected 'East Asian', 'Indian', 'Black'" in str(caught.value)
    hub_form(races=RACES[::-1]).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="class names"):
        load(tmp_path / "saved")
    schema = Schema((Column("race", ("East Asian", "Black")),))
    write_shards(tmp_path / "validation.parquet", hub_form())
    with pytest.raises(DataError, match="undeclared value 'Indian'") as caught:
        load(tmp_path, schema)
    assert "1 row, first at row 3" in str(caught.value)


def test_class_ids_without_a_label_are_unknown_and_ids_beyond_the_names_an_error(tmp_path):
    metadata = {"huggingface": json.dumps({"info": {"features": {"race": {"names": ["A", "B"], "_type": "ClassLabel"}}}})}
    table = pa.table({"image": [picture("1"), picture("2"), picture("3")], "race": [1, None, -1]})
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "validation.parquet")
    dataset = load(tmp_path, Schema())
    assert dataset.attributes["race"].tolist() == ["B", "unknown", "unknown"]
    table = table.set_column(1, "race", [[0, 1, 2]])
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "validation.parquet")
    with pytest.raises(DataError, match="class id 2"):
        load(tmp_path, Schema())


def test_images_without_a_name_are_known_by_their_row_and_two_of_one_name_are_two(tmp_path):
    """`datasets` keeps only the last part of a path, so a/1.png and b/1.png are both 1.png."""
    write_shards(tmp_path / "validation.parquet", hub_form(prefix=None))
    dataset = load(tmp_path)
    assert dataset.attributes.index.tolist() == ["1", "2", "3"]
    assert any("identified by row number" in note for note in sentences(dataset.notes))
    data = hub_form([ROWS[0], ("1", "0-2", "Female", "Black", "TRUE")], prefix="")
    write_shards(tmp_path / "validation.parquet", data)
    assert load(tmp_path).attributes["race"].tolist() == ["East Asian", "Black"]


def test_images_that_a_shard_only_names_lie_under_its_folder(tmp_path):
    (tmp_path / "hub" / "val").mkdir(parents=True)
    (tmp_path / "hub" / "val" / "1.png").write_bytes(picture("1"))
    (tmp_path / "2.png").write_bytes(picture("2"))
    for prefix, reasons in (("val/", [None, "missing file"]), ("../", ["forbidden path"] * 2), (f"{tmp_path}/", ["forbidden path"] * 2)):
        write_shards(tmp_path / "hub" / "validation.parquet", hub_form(ROWS[:2], prefix=prefix, held=False))
        dataset = load(tmp_path / "hub")
        assert str(tmp_path) not in " ".join(dataset.attributes.index)
        for row, reason in enumerate(reasons):
            if reason is None:
                assert dataset.images[row] == picture("1")
            else:
                with pytest.raises(UnreadableImage, match=reason):
                    dataset.images[row]


def test_a_damaged_row_group_costs_its_images_and_not_the_audit(tmp_path):
    path = tmp_path / "validation.parquet"
    write_shards(path, hub_form(), rows_a_group=1)
    column = pq.read_metadata(path).row_group(1).column(0)
    content = bytearray(path.read_bytes())
    content[column.data_page_offset : column.data_page_offset + 40] = b"\xff" * 40
    dataset = load(tmp_path)
    path.write_bytes(content)
    assert dataset.images[0] == picture("1")
    with pytest.raises(UnreadableImage, match="damaged data file"):
        dataset.images[1]
    assert dataset.images[2] == picture("3")


@pytest.mark.parametrize("entry", [b"{", b"[]", b"null", b"[" * 100_000])
def test_damaged_metadata_are_an_error(tmp_path, entry):
    table = pa.table({"image": [picture("1")], "race": ["A"]}).replace_schema_metadata({b"huggingface": entry})
    pq.write_table(table, tmp_path / "validation.parquet")
    with pytest.raises(DataError, match="damaged metadata"):
        load(tmp_path, Schema())


def test_shards_of_two_tables_an_attribute_of_lists_and_a_damaged_saved_folder_are_errors(tmp_path):
    for race, schema, says in ((["A", "B"], Schema((Column("race"),)), "holds list"), ("A", SCHEMA, "has other columns than")):
        pq.write_table(pa.table({"image": [picture("1")], "race": [race]}), tmp_path / "validation-1.parquet")
        with pytest.raises(DataError, match=says):
            load(tmp_path, schema)
        write_shards(tmp_path / "validation-0.parquet", hub_form())
    hub_form().save_to_disk(tmp_path / "saved")
    (tmp_path / "saved" / "state.json").write_text("{}")
    with pytest.raises(DataError, match="as a folder of datasets"):
        load(tmp_path / "saved")


# ---- the hub -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("hf:HuggingFaceM4/FairFace", "hf:HuggingFaceM4/FairFace:0.25/validation"),
        ("hf:HuggingFaceM4/FairFace:1.25", "hf:HuggingFaceM4/FairFace:1.25/validation"),
        ("hf:HuggingFaceM4/FairFace@main:1.25/train", "hf:HuggingFaceM4/FairFace@main:1.25/train"),
        ("hf:HuggingFaceM4/FairFace:/train", "hf:HuggingFaceM4/FairFace:0.25/train"),
        ("hf:other/faces", "hf:other/faces"),
        ("hf:other/faces@refs/convert/parquet:a", "hf:other/faces@refs/convert/parquet:a"),
    ],
)
def test_locations_on_the_hub(location, expected):
    assert str(parse_location(location, FAIRFACE)) == expected


@pytest.mark.parametrize("location", ["hf:", "hf:../x", "hf:a/b/c", "hf:a/b@", "hf:a b", "hf:/etc"])
def test_a_malformed_location_is_a_matter_of_usage(location):
    with pytest.raises(UsageError, match="malformed location"):
        load(location)


def test_offline_and_not_in_the_cache_names_the_way_without_a_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = time.monotonic()
    with pytest.raises(MachineError) as caught:
        load_hub(replace(FAIRFACE, id="nobody/has-this-in-a-cache"), SCHEMA, name="FairFace", licence="CC BY 4.0")
    assert time.monotonic() - started < 20  # left to itself, the library retries for 24 s
    assert caught.value.exit_code == 5
    message = str(caught.value)
    for word in ("'nobody/has-this-in-a-cache'", "licence CC BY 4.0", "HF_HUB_OFFLINE is set", "--data FOLDER", ":0.25/validation"):
        assert word in message


def test_a_hub_that_keeps_silent_is_given_up(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = hub_fault(address, timeout_s=0.3)
        assert time.monotonic() - started < 20  # it would wait for ever
    assert found == "the hub did not answer within 0.3 s"
    assert "cannot be reached" in hub_fault(address, timeout_s=5)


def test_a_folder_of_the_data_sets_name_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "HuggingFaceM4" / "FairFace").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="a local folder is called"):
        load("hf:HuggingFaceM4/FairFace")


SHA = "0123456789" * 4


class SmallHub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's interface as reading a data set takes; serves the files under `root` as one revision."""

    root: Path
    requests: list

    def log_message(self, *args):
        """Say nothing."""

    def answer(self):
        self.requests.append((self.command, self.path, self.headers.get("authorization")))
        parts = urllib.parse.unquote(urllib.parse.urlparse(self.path).path).strip("/").split("/")
        if parts[:4] == ["api", "datasets", "test", "faces"]:
            return self.reply(200, json.dumps(self.tree(parts[6:]) if "tree" in parts else {"id": "test/faces", "sha": SHA}).encode())
        path = self.root.joinpath(*parts[5:])
        if parts[:4] == ["datasets", "test", "faces", "resolve"] and path.is_file():
            return self.reply(200, path.read_bytes(), ETag=f'"{path.name}"')
        return self.reply(404, b"", **{"X-Error-Code": "EntryNotFound" if "faces" in parts else "RepoNotFound"})

    do_GET = do_HEAD = answer  # noqa: N815

    def tree(self, below):
        folder = self.root.joinpath(*below)
        kinds = {True: "directory", False: "file"}
        return [
            {"type": kinds[path.is_dir()], "path": path.relative_to(self.root).as_posix(), "size": path.stat().st_size, "oid": path.name}
            for path in sorted(folder.iterdir())
        ]

    def reply(self, code, body, **headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), "X-Repo-Commit": SHA, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


CLIENT = """
import hashlib, json, sys
from audit.data import HubSource, load_dataset
from audit.data.schema import Schema
from audit.errors import AuditError
for location in sys.argv[1:]:
    try:
        dataset = load_dataset(location, Schema(), name="faces", licence="none")
        images = [hashlib.sha256(content).hexdigest() for content in dataset.images]
        print(json.dumps([dataset.fingerprint, dataset.source, images, dataset.attributes["race"].tolist()]))
    except AuditError as error:
        print(json.dumps([type(error).__name__, str(error)]))
"""


def ask(endpoint, cache, *locations):
    """Load data sets in a program of its own, since the hub's address is read once; return what it printed on stdout, all JSON."""
    environment = {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_TOKEN": "hf_secret", "NO_PROXY": "*"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", CLIENT, *locations]
    done = subprocess.run(command, env=environment, cwd=cache.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_a_data_set_of_the_hub_is_fetched_once_without_a_token_and_then_read_without_the_hub(tmp_path):
    for split, rows in (("train", ROWS[:1]), ("validation", ROWS)):
        write_shards(tmp_path / "hub" / "0.25" / f"{split}-00000-of-00001.parquet", hub_form(rows))
    files = "".join(f"\n  - split: {split}\n    path: 0.25/{split}-*" for split in ("train", "validation"))
    (tmp_path / "hub" / "README.md").write_text(f"---\nconfigs:\n- config_name: '0.25'\n  data_files:{files}\n---\n")
    handler = type("Handler", (SmallHub,), {"root": tmp_path / "hub", "requests": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        online = ask(endpoint, tmp_path / "cache", "hf:test/faces", "hf:test/faces:7", "hf:test/faces:0.25/zz", "hf:test/nothing")
    finally:
        server.shutdown()
        server.server_close()
    started = time.monotonic()
    offline = ask(endpoint, tmp_path / "cache", "hf:test/faces", f"hf:test/faces@{'f' * 40}", "hf:test/nothing")
    assert time.monotonic() - started < 60  # left to themselves, the libraries retry for 24 s for each of the three

    local = load(tmp_path / "hub", Schema())
    assert online[0][0] == local.fingerprint
    assert online[0][1] == f"hf:test/faces@{SHA}:/validation"
    assert online[0][3] == local.attributes["race"].tolist() == ["East Asian", "Black", "Indian"]
    assert offline[0] == online[0]
    assert [kind for kind, *_ in online[1:]] == ["DataError"] * 3
    assert "Available: ['0.25']" in online[1][1]
    assert "choose one of: train, validation" in online[2][1]
    assert offline[1][0] == "MachineError"
    assert f"holds revision {SHA}" in offline[1][1]
    assert offline[2][0] == "MachineError"
    fetched = [path for command, path, _ in handler.requests if command == "GET" and path.endswith(".parquet")]
    assert len(fetched) == 1
    assert "validation" in fetched[0]
    assert {token for _, _, token in handler.requests} == {None}


def test_code_in_a_data_set_is_refused():
    assert isinstance(_as_audit_error(RuntimeError("Dataset scripts are no longer supported, but found x.py"), FAIRFACE), UnsafeError)
    assert isinstance(_as_audit_error(OSError(28, "No space left on device"), FAIRFACE), MachineError)
    assert _as_audit_error(KeyError("a defect of ours"), FAIRFACE) is None
