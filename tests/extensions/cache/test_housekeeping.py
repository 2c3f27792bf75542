"""Maintenance of a cache behind a URL that does not answer."""

import fsspec
import pytest

from audit.embedding.folders import SharedRoot
from audit.errors import MachineError
from audit.extensions.cache import housekeeping


def test_a_store_that_does_not_answer_is_an_error_of_the_machine(monkeypatch):
    def down(*_, **__):
        raise RuntimeError("403")

    monkeypatch.setattr(fsspec.filesystem("memory").__class__, "find", down)
    with pytest.raises(MachineError, match="does not answer") as caught:
        housekeeping.usage(SharedRoot("memory://shared"))
    assert "403" in caught.value.why
