"""Whatever is done to a sound file, its reader reads it or refuses it: the readers of what this program itself has written."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.child import SOUND
from tests.fuzz.mutation import mutated
from tests.fuzz.readers import READERS, outcome

# `make fuzz` looks for new files; here the same are tried in every run.
steady = settings(max_examples=80, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module", params=["results", "comparison", "mitigation", "causes", "toml"])
def reader(request):
    """A reader's name with its sound files, made once."""
    return request.param, READERS[request.param].seeds()


@steady
@given(seed=st.integers(0, 2**32 - 1))
def test_a_spoiled_file_is_read_or_refused(reader, tmp_path, seed):
    name, seeds = reader
    path = tmp_path / f"spoiled{READERS[name].suffix}"
    path.write_bytes(mutated(name, seeds, random.Random(seed)))
    assert outcome(READERS[name], path) in SOUND


@steady
@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_what_is_no_such_file_is_refused(reader, tmp_path, content):
    name, _ = reader
    path = tmp_path / f"other{READERS[name].suffix}"
    path.write_bytes(content)
    assert outcome(READERS[name], path) == "refused"
