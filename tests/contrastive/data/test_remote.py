"""Tar shards at URLs: the same batches as from disk, whatever the connection does, and resumed to the bit."""

import io
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contrastive.checkpoint.file import load
from contrastive.config import DataConfig, read_config
from contrastive.data import open_source, remote
from contrastive.data.order import Stream, streamed
from contrastive.data.tars import SIDECAR
from contrastive.train import main
from contrastive.training import loop
from contrastive.training.step import batch_of
from strictio.errors import DataError, MachineError, UsageError, VlmAuditError
from strictio.streams import fetch as fetching
from tests.support.spawn import spawn
from tests.support.training import TINY_CONV, assert_same_batches, assert_same_bytes, run_text, train_and_die

pytestmark = pytest.mark.usefixtures("one_thread")

RUN = run_text(TINY_CONV, data="batch = 8; memory_gib = 0.0", optim="steps = 9; lr = 1e-3", run="save_every = 2")
SHARDS, EACH = 4, 10


@pytest.fixture
def shards(tmp_path):
    """Four shards of ten pictures; the first four pictures are of a kind of their own."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(SHARDS):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as archive:
            for pair in range(EACH):
                picture, number = io.BytesIO(), shard * EACH + pair
                Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)).save(picture, "PNG")
                facts = (("json", b'{"kind": "few"}'),) if number < 4 else ()
                for ending, content in (("png", picture.getvalue()), ("txt", f"number {number}".encode()), *facts):
                    header = tarfile.TarInfo(f"{pair:04d}.{ending}")
                    header.size = len(content)
                    archive.addfile(header, io.BytesIO(content))
    return folder


class Failing(SimpleHTTPRequestHandler):
    """Every third request is refused, and of the others every second ends after 3,000 bytes; it knows no ranges but the open-ended one."""

    asked = count(1)

    def do_GET(self):
        number = next(self.asked)
        if number % 3 == 0:
            return self.send_error(503)
        path = self.translate_path(self.path)
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            return self.send_error(404)
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : start + 3000] if number % 2 else content[start:])
        return None

    def log_message(self, *_):
        pass


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextmanager
def served(folder, handler=Failing):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def address(shards, monkeypatch):
    monkeypatch.setattr(fetching, "FIRST_WAIT_S", 0.001)
    with served(shards) as found:
        yield found


@pytest.mark.slow
def test_a_server_that_fails_now_and_then_gives_the_same_batches_and_a_kill_costs_nothing(run, tmp_path, shards, address, capsys):
    # 40 pairs make 5 batches of 8: 9 steps go into the second epoch. The buffer of 12 reaches over a shard's end.
    url, buffer = f"data.train={address}/{{000..003}}.tar", "data.shuffle_buffer=12"
    here = loop.prepare(read_config(run, [f"data.train={shards}/{{000..003}}.tar", buffer]))
    there = loop.prepare(read_config(run, [url, buffer, "data.spool_gib=1e-5"]))  # about one shard fits
    assert (here.pairs.sha256, here.tokenizer) == (there.pairs.sha256, there.tokenizer)
    assert_same_batches(*([batch_of(inputs, step, "cpu") for step in range(9)] for inputs in (here, there)))
    assert [there.rows(step).tolist() for step in range(5)] != [there.rows(step).tolist() for step in range(5, 10)]

    straight, broken = tmp_path / "straight", tmp_path / "broken"
    assert main([run, "--quiet", url, buffer, f"run.out={straight}"]) == 0
    with pytest.raises(VlmAuditError, match="ended with -9"):
        spawn(train_and_die, 1, 7, run, url, buffer, f"run.out={broken}", group=False)
    capsys.readouterr()
    assert main([run, "--quiet", url, buffer, f"run.out={broken}"]) == 0
    assert "from step 6" in capsys.readouterr().out
    assert_same_bytes(*(load(folder / "ckpt.pt").model.state_dict() for folder in (straight, broken)))


def test_groups_of_shards_at_urls_are_read_and_drawn_as_from_disk(run, shards, address):
    options = ["data.groups=['kind']", "optim.sampling=balanced", "data.shuffle_buffer=12"]
    here = loop.prepare(read_config(run, [f"data.train={shards}/{{000..003}}.tar", *options]))
    there = loop.prepare(read_config(run, [f"data.train={address}/{{000..003}}.tar", "data.spool_gib=1e-5", *options]))
    assert here.grouping.identity == there.grouping.identity
    assert_same_batches(*([batch_of(inputs, step, "cpu") for step in range(6)] for inputs in (here, there)))
    rows = np.concatenate([there.rows(step) for step in range(5)])  # an epoch: 20 of its 40 draws are of the 4
    assert (rows < 4).sum() == 20
    assert "the 2 groups of kind ((none) 36, few 4)" in there.data_card


def test_a_sidecar_saves_fetching_a_shard_for_its_index(shards, monkeypatch):
    open_source(DataConfig(f"{shards}/{{000..003}}.tar"))  # leaves the sidecars
    asked = []

    class Counting(Quiet):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

    fetched = []
    fetch = remote.fetch
    monkeypatch.setattr(remote, "fetch", lambda url, *more: fetched.append(url) or fetch(url, *more))
    with served(shards, Counting) as address:
        source = open_source(DataConfig(f"{address}/{{000..003}}.tar"))
        assert all(url.endswith(SIDECAR) for url in fetched)
        assert source.captions(25) == ("number 25",)
        assert [url for url in fetched if not url.endswith(SIDECAR)] == [f"{address}/002.tar"]
        assert source.identity == open_source(DataConfig(f"{shards}/{{000..003}}.tar")).identity


def test_two_threads_fetch_two_shards_at_once_and_one_shard_once(shards, monkeypatch):
    open_source(DataConfig(f"{shards}/{{000..003}}.tar"))  # leaves the sidecars
    fetched, both = [], threading.Barrier(2, timeout=60)
    fetch = remote.fetch

    def slow(url, target):
        fetched.append(url.rpartition("/")[2])
        both.wait()  # breaks if the second waits for the first
        return fetch(url, target)

    with served(shards, Quiet) as address:
        source = open_source(DataConfig(f"{address}/{{000..003}}.tar"))
        monkeypatch.setattr(remote, "fetch", slow)
        with ThreadPoolExecutor(4) as pool:
            said = list(pool.map(source.captions, (5, 6, 15, 16)))
    assert said == [("number 5",), ("number 6",), ("number 15",), ("number 16",)]
    assert sorted(fetched) == ["000.tar", "001.tar"]


def test_what_is_not_there_and_a_server_that_never_answers_are_told(address, shards, monkeypatch):
    with pytest.raises(DataError, match=r"there is nothing to read at .*/004\.tar"):
        open_source(DataConfig(f"{address}/{{003..004}}.tar"))
    monkeypatch.setattr(Failing, "do_GET", lambda self: self.send_error(500))
    with pytest.raises(MachineError, match=r"/000\.tar cannot be fetched") as caught:
        open_source(DataConfig(f"{address}/000.tar"))
    assert "0 bytes came; HTTPError: HTTP Error 500" in caught.value.why
    assert "whether its server runs and can be reached from here" in caught.value.fix
    with pytest.raises(UsageError, match="nosuchprotocol:// are not read"):
        open_source(DataConfig("nosuchprotocol://x/{000..001}.tar"))
    with pytest.raises(UsageError, match="malformed braces"):
        open_source(DataConfig(f"{shards}/{{3..a}}.tar"))


def test_other_file_systems_are_fsspecs(shards):
    assert open_source(DataConfig(f"file://{shards}/{{000..001}}.tar")).captions(3) == ("number 3",)


def test_a_buffer_shuffles_what_is_near(run):
    order = streamed(1, 0, Stream((50, 30, 20), buffer=10))
    assert sorted(order) == list(range(100))
    read = streamed(1, 0, Stream((50, 30, 20), buffer=1)).tolist()  # which shuffles nothing: the order in which shards are read
    assert sorted([read[0], read[1] - 1]) == [read[0], read[0]]
    late = [read.index(int(pair)) - place for place, pair in enumerate(order)]
    assert max(late) <= 10  # nothing is seen more than ten places before it is read
    assert order.tolist() != read
    for settings, says in ((["data.shuffle_buffer=5"], "data.shuffle_buffer is for tar shards"),):
        with pytest.raises(UsageError, match=says):
            loop.prepare(read_config(run, settings))


def test_a_sidecar_without_end_is_passed_over(shards, monkeypatch):
    monkeypatch.setattr(remote, "MOST_SIDECAR", 1 << 20)

    class Endless(Quiet):
        def do_GET(self):
            if not self.path.endswith(SIDECAR):
                return super().do_GET()
            self.send_response(200)
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b" " * (1 << 20))
            return None

        def handle(self):
            with suppress(ConnectionError):
                super().handle()

    with served(shards, Endless) as address:
        assert open_source(DataConfig(f"{address}/{{000..003}}.tar")).captions(25) == ("number 25",)
