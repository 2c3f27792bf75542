"""What is refused before the first image is embedded."""

import numpy as np
import pytest

from audit.errors import UsageError
from audit.extensions.scale.options import EmbedRequest
from audit.extensions.scale.run import fill_cache
from audit.testing import FakeEncoder, four_faces, gender_probe
from tests.audit.measure.asked.test_interview import FakeAnswerer

DATA = four_faces(30)
PROBE = gender_probe(DATA)


class Nameless:
    """An encoder of one's own, which has no fingerprint."""

    def __init__(self):
        self.calls = []

    def encode_images(self, images):
        self.calls += [len(images)] * (len(images) > 2)  # it is tried on fewer
        return FakeEncoder().encode_images(images)

    def encode_texts(self, texts):
        return np.ones((len(texts), 3))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIT_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("second", "engine", "says"),
    [(Nameless(), "local", "cannot be kept"), (FakeAnswerer(), "ray", "is not an encoder, which --engine ray")],
)
def test_no_cache_is_filled_before_the_second_model_is_refused(second, engine, says):
    first = FakeEncoder()
    with pytest.raises(UsageError, match=says):
        fill_cache(EmbedRequest(model=[first, second], probe=PROBE, data=DATA, engine=engine))
    assert first.calls + second.calls == []
