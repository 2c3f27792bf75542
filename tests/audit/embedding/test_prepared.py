"""Encoders in two parts: images are prepared apart, batches have one shape and are under way side by side."""

import threading

import numpy as np
import pytest
from PIL import Image

from audit.embedding.batch import PreparedEncoder
from audit.embedding.embed import embed_images
from audit.errors import DataError
from audit.testing import FakeEncoder, png
from tests.audit.embedding.test_embed import dataset, greys
from tests.strictio.images.test_jpeg import jpeg, picture


class Prepared(FakeEncoder):
    """The mean colour, of four pixels a side; batches are finished when their rows are asked for."""

    side, draft = 4, 0

    def __init__(self, in_flight=0):
        super().__init__()
        self.in_flight, self.started, self.under_way, self.most, self.expected, self.threads = in_flight, [], 0, 0, 0, set()

    def expect(self, images):
        self.expected = images

    def prepare(self, image):
        self.threads.add(threading.current_thread().name)
        return np.asarray(image.resize((self.side, self.side), Image.Resampling.BOX)).transpose(2, 0, 1)

    def start(self, prepared, size):
        if size > 4:
            raise RuntimeError("CUDA out of memory")
        self.started.append((len(prepared), size))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        return Batch(self, np.stack(prepared))

    def encode_images(self, images):
        raise AssertionError("asked as a whole")


class Batch:
    def __init__(self, encoder, pixels):
        self.encoder, self.pixels = encoder, pixels

    def rows(self):
        self.encoder.under_way -= 1
        return self.pixels.mean(axis=(2, 3), dtype=np.float32) / 255


@pytest.mark.slow_except("3")
@pytest.mark.parametrize("in_flight", [0, 1, 3])
def test_rows_stand_in_their_order_however_many_batches_are_under_way(tmp_path, in_flight):
    encoder = Prepared(in_flight)
    assert isinstance(encoder, PreparedEncoder)
    found = embed_images(encoder, dataset(greys(18)), tmp_path, batch_size=4)
    np.testing.assert_allclose(found.vectors[:, 0] * 255, range(18), atol=1e-5)
    assert encoder.started == [(4, 4)] * 4 + [(2, 4)]  # the last is filled up
    assert (encoder.most, encoder.under_way, encoder.expected) == (in_flight + 1, 0, 18)
    assert all(name.startswith("decode") for name in encoder.threads)


def test_memory_that_runs_out_makes_every_later_batch_smaller(tmp_path):
    encoder = Prepared(2)
    found = embed_images(encoder, dataset(greys(10)), tmp_path, batch_size=8)
    np.testing.assert_allclose(found.vectors[:, 0] * 255, range(10), atol=1e-5)
    assert encoder.started == [(4, 4), (4, 4), (2, 4)]


def test_a_row_that_is_not_finite_names_its_own_image(tmp_path):
    class Damaged(Prepared):
        def prepare(self, image):
            pixels = super().prepare(image).astype(np.float32)
            return np.where(pixels == 6, np.nan, pixels)

    with pytest.raises(DataError, match="the image r6"):
        embed_images(Damaged(2), dataset(greys(12)), tmp_path, batch_size=4)


@pytest.mark.slow
def test_reduced_decoding_has_keys_of_its_own_and_is_counted(tmp_path):
    """A JPEG of 150 x 133 is reduced by 8 for a model that looks at 4 pixels a side; a PNG is not."""
    data = dataset([jpeg(picture()), png("red")])
    exact, encoder = embed_images(Prepared(), data, tmp_path, batch_size=4), Prepared()
    encoder.draft = encoder.side
    fast = embed_images(encoder, data, tmp_path, batch_size=4)
    assert fast.computed == 2
    assert set(fast.contents).isdisjoint(exact.contents)
    assert exact.conversions == {}
    assert fast.conversions == {"JPEG reduced while decoded": {"race": {"A": 1}}}
    np.testing.assert_allclose(fast.vectors, exact.vectors, atol=2 / 255)
    assert (fast.vectors[0] != exact.vectors[0]).any()
    assert embed_images(encoder, data, tmp_path, batch_size=4).computed == 0
