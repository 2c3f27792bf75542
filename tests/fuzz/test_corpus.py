"""Sound files are read, and what ever broke a reader is read or refused: within five seconds and 1 GB, without another error."""

import os
import random
from functools import cache
from unittest import mock

import pytest

import tests.fuzz.child
from tests.fuzz.campaign import corpus, smaller
from tests.fuzz.child import SOUND, Child
from tests.fuzz.mutation import INSIDE, mutated
from tests.fuzz.readers import READERS, Reader, outcome

REFUSED_SEEDS = {"checkpoint": 2, "safetensors": 3, "samples": 1, "answer": 4}
"""Of the sound files of a reader those that hold no known model or no groups, or are refusals: they are read to the end and refused."""


@pytest.fixture(scope="module")
def child():
    with Child() as child:
        yield child


@cache
def seeds_of(reader):
    return READERS[reader].seeds()


@pytest.mark.parametrize("reader", READERS)
def test_sound_files_are_read(child, tmp_path, reader):
    found = []
    for number, content in enumerate(seeds_of(reader)):
        path = tmp_path / f"{number}{READERS[reader].suffix}"
        path.write_bytes(content)
        found.append(child.ask(reader, path))
    assert found.count("refused") == REFUSED_SEEDS.get(reader, 0), found
    assert found.count("read") == len(found) - REFUSED_SEEDS.get(reader, 0), found


FILES = [pytest.param(reader, path, id=f"{reader}/{path.name}") for reader in READERS for path in corpus(reader)]


@pytest.mark.parametrize(("reader", "path"), FILES)
def test_what_ever_broke_a_reader_breaks_it_no_more(child, reader, path):
    assert child.ask(reader, path) in SOUND


@pytest.mark.parametrize("reader", ["csv", "toml", *INSIDE])
def test_mutations_are_many_and_repeatable(reader):
    seeds = seeds_of(reader)
    once, again = ([mutated(reader, seeds, source) for _ in range(40)] for source in (random.Random(1), random.Random(1)))
    assert once == again
    assert len(set(once)) > 20


@pytest.mark.slow
def test_a_reader_that_never_ends_is_a_hang_and_the_next_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "endless.img")  # nobody writes into it
    with Child("image") as child:
        with mock.patch.object(tests.fuzz.child, "WAIT_S", 2):
            assert child.ask("image", tmp_path / "endless.img") == "hang"
        (tmp_path / "picture.img").write_bytes(seeds_of("image")[0])
        assert child.ask("image", tmp_path / "picture.img") == "read"


@pytest.mark.slow
def test_a_find_is_named_and_made_small(tmp_path):
    def read(path):
        if b"x" in path.read_bytes():
            raise KeyError("x")

    broken = Reader(".txt", read, list)

    def ask(content):
        (tmp_path / "input").write_bytes(content)
        return outcome(broken, tmp_path / "input")

    found = ask(b"aaaaxbbbb" * 50)
    assert found == "KeyError in test_corpus.read"
    assert ask(b"aaaa") == "read"
    assert smaller(b"aaaaxbbbb" * 50, "csv", found, ask) == b"x"
