"""Data behind URLs: the same data set as from the disk, read in parts; only what a person named is asked for."""

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audit.data import load_dataset
from audit.data.schema import Schema
from audit.errors import AuditError, DataError, MachineError, UnsafeError, UsageError
from strictio.images.decode import UnreadableImage
from strictio.streams import sources
from tests.support.planted import picture
from tests.support.raw_server import RawServer, head, whole
from tests.support.web_datasets import served, shard

ROWS = [{"race": "A" if number % 2 else "B", "sex": "f"} for number in range(6)]


def load(location):
    return load_dataset(str(location), Schema(), name="made", licence="none")


def table(folder):
    """Write a table with its pictures beside it, the same in Parquet with them inside, and as a shard."""
    (folder / "pictures").mkdir(parents=True)
    lines = ["image,race,sex"]
    for number, row in enumerate(ROWS):
        (folder / "pictures" / f"a {number}.png").write_bytes(picture(number))
        lines.append(f"pictures/a {number}.png,{row['race']},{row['sex']}")
    (folder / "labels.csv").write_text("\n".join(lines))
    cells = [{"bytes": picture(number), "path": f"a {number}.png"} for number in range(6)]
    columns = {"image": cells, "race": [row["race"] for row in ROWS], "sex": [row["sex"] for row in ROWS]}
    pq.write_table(pa.table(columns), folder / "held.parquet", row_group_size=2)
    shard(folder / "0.tar", 0, ROWS)
    return folder


@pytest.mark.parametrize("name", ["labels.csv", "held.parquet", "0.tar"])
def test_a_url_gives_the_data_set_of_the_file(tmp_path, name):
    folder = table(tmp_path / "data")
    local = load(folder / name)
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/streams-test", recursive=True)
    try:
        with served(folder) as (url, _):
            for location in (f"{url}/{name}", f"memory://streams-test/{name}", f"file://{folder}/{name}"):
                found = load(location)
                assert found.fingerprint == local.fingerprint, location
                assert list(found.images) == [picture(number) for number in range(6)], location
                assert list(found.images) == list(local.images)
    finally:
        memory.rm("/streams-test", recursive=True)


def test_a_folder_that_can_be_listed_is_read_like_one_here(tmp_path):
    folder = table(tmp_path / "data")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder / "held.parquet"), "/streams-folder/part-0.parquet")
    try:
        assert load("memory://streams-folder").attributes["race"].tolist() == ["B", "A"] * 3
    finally:
        memory.rm("/streams-folder", recursive=True)
    with pytest.raises(DataError, match="no folder at the URL"):
        load("memory://streams-nothing")
    with pytest.raises(UsageError, match="cannot be listed"):
        load("https://127.0.0.1/data")


def test_a_remote_file_is_asked_for_in_blocks_of_which_few_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 4096)
    folder = tmp_path / "data"
    folder.mkdir()
    shard(folder / "0.tar", 0, ROWS * 5)
    size = (folder / "0.tar").stat().st_size
    with served(folder) as (url, asked):
        found = load(f"{url}/0.tar")
        scan = len(asked)
        assert scan <= size // 4096 + 3
        assert found.images[29] == picture(29)
        assert found.images[0] == picture(0)
        assert len(asked) - scan <= 4
    source = sources.open_source("file://" + str(folder / "0.tar"))
    assert source.read(size - 3, 100) == b"\0\0\0"


def test_a_url_in_a_table_is_refused_and_nothing_is_asked_for(tmp_path):
    with served(tmp_path) as (url, asked):
        (tmp_path / "labels.csv").write_text(f"image,race\n{url}/secret.png,A\n")
        with pytest.raises(DataError, match="URL"):
            load(f"{url}/labels.csv")
        (tmp_path / "labels.csv").write_text("image,race\n../secret.png,A\n")
        with pytest.raises(DataError, match="leaves the folder"):
            load(f"{url}/labels.csv")
        assert {path for path, _ in asked} == {"/labels.csv"}


def test_a_name_in_a_table_is_a_path_and_no_query(tmp_path):
    (tmp_path / "labels.csv").write_text("image,race\n1.png?x=1,A\n2.png,B\n")
    (tmp_path / "2.png").write_bytes(picture(2))
    with served(tmp_path) as (url, _):
        found = load(f"{url}/labels.csv")
        assert found.images[1] == picture(2)
        with pytest.raises(UnreadableImage, match="missing file"):
            found.images[0]


def test_what_cannot_be_had_says_why(tmp_path, monkeypatch):
    table(tmp_path / "data")
    with served(tmp_path / "data") as (url, _):
        with pytest.raises(DataError, match=r"the shard '1\.tar' is missing"):
            load(f"{url}/{{0..1}}.tar")
        with pytest.raises(AuditError, match=r"refuses|leads to"):
            load(f"{url}/leads-to-a-file/0.tar")
        with pytest.raises(UsageError, match="a name or a password"):
            load(url.replace("//", "//me:secret@") + "/0.tar")
        with pytest.raises(UsageError, match="neither tar, Parquet nor a table"):
            load(f"{url}/0.zip")
        monkeypatch.setattr(sources, "MOST_TABLE", 10)
        monkeypatch.setattr("audit.data.streams.remote.MOST_TABLE", 10)
        monkeypatch.setattr("strictio.streams.parquet.MOST_TABLE", 10)
        with pytest.raises(UnsafeError, match="at most 10"):
            load(f"{url}/labels.csv")
    with pytest.raises(MachineError, match="cannot reach the server"):
        load(f"{url}/0.tar")
    with pytest.raises(UsageError, match="nothing:// are not read"):
        load("nothing://x/0.tar")


def test_a_server_that_gives_no_parts_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 4096)
    shard(tmp_path / "0.tar", 0, ROWS)
    with served(tmp_path, ranges=False) as (url, _), pytest.raises(MachineError, match=r"does not give parts of 0\.tar"):
        load(f"{url}/0.tar")


def test_a_part_with_other_columns_is_named(tmp_path):
    folder = table(tmp_path / "data")
    pq.write_table(pa.table({"image": [{"bytes": picture(0), "path": "x"}], "race": ["A"]}), folder / "other.parquet")
    with served(folder) as (url, _), pytest.raises(DataError, match=r"other\.parquet has other columns than held\.parquet"):
        load(f"{url}/{{held,other}}.parquet")


def test_a_part_that_breaks_off_is_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_PAUSES_S", (0.01, 0.01))
    shard(tmp_path / "0.tar", 0, ROWS)
    with served(tmp_path, breaks=2) as (url, _):
        assert list(load(f"{url}/0.tar").images) == [picture(number) for number in range(6)]
    with served(tmp_path, breaks=99) as (url, _), pytest.raises(MachineError, match="the connection broke while reading"):
        load(f"{url}/0.tar")


def test_the_hub_is_asked_without_a_token(monkeypatch):
    asked = {}
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url, **options: asked.update(options) or (fsspec.filesystem("memory"), "nothing"))
    with pytest.raises(DataError, match="no file"):
        load("hf://datasets/org/name/0.tar")
    assert asked == {"token": False}


def first_byte(length):
    return whole(b"x", "206 Partial Content", Content_Range=f"bytes 0-0/{length}")


def slow_part(server, number):
    """Give the first byte, and with it the length; then a byte now and then."""
    yield first_byte(9000) if number == 1 else head("206 Partial Content", Content_Length="9000")
    yield from server.drip(b"x" * 9000 if number > 1 else b"")


STALLS = {
    "a slow head": lambda server, number: server.drip(first_byte(9000)),
    "a slow part": slow_part,
    "interim replies": lambda server, number: server.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 9000),
    "a length of 5,000 digits": lambda server, number: [first_byte("9" * 5000)],
}


@pytest.mark.parametrize("name", STALLS)
def test_a_server_that_trickles_or_names_no_length_is_given_up(name, monkeypatch):
    monkeypatch.setattr(sources, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(sources, "_PAUSES_S", (0.01, 0.01))
    server = RawServer(lambda number: STALLS[name](server, number))
    with server, pytest.raises(MachineError):
        sources.open_source(f"http://127.0.0.1:{server.port}/0.tar").read(0, 9000)
    assert server.sent < 500 or name.endswith("digits")  # of 9,000 and more
