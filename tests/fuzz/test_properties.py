"""Whatever is done to a sound file, its reader reads it or refuses it: the readers of what this program itself has written."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.child import SOUND
from tests.fuzz.mutation import mutated
from tests.fuzz.readers import READERS, outcome

# `make fuzz` looks for new files; here the same are tried in every run, and ten times as many under ``-m slow``.
steady = settings(max_examples=8, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
longer = settings(steady, max_examples=80)
spoiled = given(seed=st.integers(0, 2**32 - 1))
other = given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))))


@pytest.fixture(scope="module", params=["results", "comparison", "mitigation", "causes", "toml"])
def reader(request):
    """A reader's name with its sound files, made once."""
    return request.param, READERS[request.param].seeds()


@pytest.mark.slow_except("toml")
@steady
@spoiled
def test_a_spoiled_file_is_read_or_refused(reader, tmp_path, seed):
    check_spoiled(reader, tmp_path, seed)


@pytest.mark.slow
@longer
@spoiled
def test_many_spoiled_files_are_read_or_refused(reader, tmp_path, seed):
    check_spoiled(reader, tmp_path, seed)


def check_spoiled(reader, tmp_path, seed):
    name, seeds = reader
    path = tmp_path / f"spoiled{READERS[name].suffix}"
    path.write_bytes(mutated(name, seeds, random.Random(seed)))
    assert outcome(READERS[name], path) in SOUND


@pytest.mark.slow_except("causes", "toml")
@steady
@other
def test_what_is_no_such_file_is_refused(reader, tmp_path, content):
    check_other(reader, tmp_path, content)


@pytest.mark.slow
@longer
@other
def test_many_that_are_no_such_files_are_refused(reader, tmp_path, content):
    check_other(reader, tmp_path, content)


def check_other(reader, tmp_path, content):
    name, _ = reader
    path = tmp_path / f"other{READERS[name].suffix}"
    path.write_bytes(content)
    assert outcome(READERS[name], path) == "refused"
