"""Encoders of one's own: a class with two methods, run because it was named, its answers checked."""

import importlib
import re
import sys

import numpy as np
import pytest
from PIL import Image

from audit.errors import DataError, MachineError, UsageError
from audit.models import load, plugin
from audit.types import Encoder
from tests.support.documented import code
from tests.support.model_folders import refused
from tests.support.notes import sentences

GOOD = """
import numpy as np

class Colours:
    logit_scale = 10.0

    def encode_images(self, images):
        return [np.asarray(image).reshape(-1, 3).mean(axis=0) for image in images]

    def encode_texts(self, texts):
        return np.array([[1 + ("red" in text), 1 + ("green" in text), 1 + ("blue" in text)] for text in texts])

class Other:
    pass
"""
RED, BLUE = Image.new("RGB", (20, 10), "red"), Image.new("RGB", (10, 20), "blue")


def written(folder, text=GOOD, name="mine.py", cls="Colours"):
    (folder / name).write_text(text)
    return f"{folder / name}:{cls}"


def changed(folder, **methods):
    """Write the good class with other bodies of methods: ``encode_images="return ..."``."""
    text = GOOD
    for name, body in methods.items():
        text = re.sub(rf"(def {name}\(.*\):\n)        .*", lambda found, body=body: f"{found[1]}        {body}", text)
    return written(folder, text)


def test_its_rows_become_embeddings(tmp_path):
    encoder = load(written(tmp_path))
    assert isinstance(encoder, Encoder)
    images, texts = encoder.encode_images([RED, BLUE]), encoder.encode_texts(["a red thing", "a blue thing"])
    assert (images.dtype, texts.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(images, [[255, 0, 0], [0, 0, 255]])
    np.testing.assert_array_equal(texts, [[2, 1, 1], [1, 1, 2]])


def test_the_record_says_what_it_is_and_what_was_not_stated(tmp_path):
    record = load(written(tmp_path)).record
    assert (record.name, record.kind) == ("Colours", "Python plug-in mine.py:Colours")
    assert (record.dimensions, record.logit_scale, record.score_rule, record.parameters) == (3, 10, "softmax", 0)
    assert str(tmp_path) not in repr(record)
    notes = " ".join(sentences(record.notes))
    assert "could not be verified" in notes
    assert "its scores are cosines" in notes  # the rows are not of length 1
    assert "logit scale" not in notes
    sigmoid = GOOD.replace("logit_scale = 10.0", "logit_bias = -3; name = 'my model'")
    record = load(written(tmp_path, sigmoid)).record
    assert (record.name, record.score_rule, record.logit_bias, record.logit_scale) == ("my model", "sigmoid", -3, 100)
    assert any("Guessed: a logit scale of 100" in note for note in sentences(record.notes))


def test_tensors_are_taken_and_their_modules_counted(tmp_path):
    text = """
import torch
class Net:
    def __init__(self):
        self.model = torch.nn.Linear(3, 4)
    def encode_images(self, images):
        return torch.nn.functional.normalize(self.model(torch.ones(len(images), 3)), dim=1)
    encode_texts = encode_images
"""
    encoder = load(written(tmp_path, text, cls="Net"))
    assert encoder.encode_texts(["a", "b", "c"]).shape == (3, 4)
    assert encoder.record.parameters == 16
    assert not any("length 1" in note for note in sentences(encoder.record.notes))


def test_the_constructor_gets_device_dtype_and_what_was_stated(tmp_path):
    text = GOOD.replace(
        "    logit_scale = 10.0", "    def __init__(self, device, *, size, dtype='x'):\n        self.name = f'{device} {dtype} {size}'"
    )
    path = written(tmp_path, text)
    assert load(path, device="cpu", model_args={"size": "3"}).record.name == "cpu float32 3"
    assert "--model-args 'size=...'" in refused(path, UsageError, "needs size").fix
    assert "device, size, dtype" in refused(path, UsageError, "takes no colour", model_args={"size": "3", "colour": "red"}).why


# The fingerprint


def test_the_key_of_the_cache_is_what_decides_its_rows(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    same = load(written(tmp_path)).record
    assert load(written(tmp_path / "elsewhere")).record.fingerprint == same.fingerprint
    others = [
        load(written(tmp_path, GOOD + "# a comment")).record,
        load(changed(tmp_path, encode_texts="return [[2, 1, 1 + len(text)] for text in texts]")).record,
    ]
    assert len({record.fingerprint for record in (same, *others)}) == 3


def test_weights_that_change_elsewhere_change_the_key(tmp_path):
    """The file stays as it is; what it reads does not."""
    path = changed(
        tmp_path,
        encode_images=f"return np.full((len(images), 3), float(__import__('pathlib').Path({str(tmp_path / 'weight')!r}).read_text()))",
    )
    seen = []
    for weight in ("1", "1.01", "1"):
        (tmp_path / "weight").write_text(weight)
        seen.append(load(path).record.fingerprint)
    assert seen[0] == seen[2] != seen[1]


# What is wrong with it is told at once, with its place


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return np.ones((1, 3))", "shape (1, 3)"), ("return np.ones(3)", "shape (3,)"), ("return None", "no array of numbers"),
        ("return np.ones((len(images), 0))", "shape (2, 0)"), ("return np.zeros((len(images), 3))", "row of zeros"),
        ("return np.full((len(images), 3), np.nan)", "NaN or infinite"), ("return [[1, 2], [3]]", "no array of numbers"),
        ("return 1 / 0", "ZeroDivisionError"), ("return sys.exit(0)", "NameError"), ("raise SystemExit(0)", "SystemExit"),
    ],
)  # fmt: skip
def test_wrong_rows_are_refused_when_it_is_loaded(tmp_path, body, says):
    error = refused(changed(tmp_path, encode_images=body), DataError)
    assert says in str(error)
    assert error.fix
    assert "encode_images" in str(error)
    assert "Error" not in says or "mine.py, line 8" in str(error)


def test_rows_of_images_and_texts_are_equally_long_and_checked_every_time(tmp_path):
    assert "expected (2, 3)" in refused(changed(tmp_path, encode_texts="return np.ones((len(texts), 2))"), DataError, r"shape \(2, 2\)").why
    encoder = load(changed(tmp_path, encode_texts="return np.ones((2, 3))"))
    with pytest.raises(DataError, match=r"shape \(2, 3\)"):
        encoder.encode_texts(["a", "b", "c"])


def test_memory_that_runs_out_is_told_to_who_can_ask_for_less(tmp_path):
    encoder = load(changed(tmp_path, encode_images="return np.ones((len(images), 3)) if len(images) < 3 else [0].__mul__(2**62)"))
    with pytest.raises(MemoryError):
        encoder.encode_images([RED] * 3)
    refused(changed(tmp_path, encode_images="raise MemoryError"), MachineError, "memory does not suffice")


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("nowhere.py:Colours", DataError, "plug-in file not found"), ("mine.py", UsageError, "mine.py:Colours"),
        ("mine.py:", UsageError, "which class"), ("mine.py:Colour", UsageError, "did you mean Colours"),
        ("mine.py:Other", UsageError, "no method encode_images and no method encode_texts"),
        ("mine.py:np", UsageError, "no class 'np'"),
    ],
)  # fmt: skip
def test_what_is_named_wrongly_gets_the_right_name(tmp_path, monkeypatch, spec, error, says):
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = refused(spec, error)
    assert says in str(found)
    assert found.fix


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("class Colours:\n    def", DataError, "mine.py, line 2"),
        ("import no_such_package_at_all", MachineError, "no_such_package_at_all"),
        ("1 / 0", DataError, "mine.py, line 1"),
        (GOOD.replace("logit_scale = 10.0", "__init__ = lambda self: 1 / 0"), DataError, "making one"),
        (GOOD.replace("10.0", "'much'"), DataError, "reading logit_scale"),
        (GOOD.replace("10.0", "-1"), DataError, "logit_scale is -1"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_run_is_told_with_its_line(tmp_path, text, error, says):
    assert says in str(refused(written(tmp_path, text), error))


def test_running_a_file_leaves_nothing_behind(tmp_path):
    (tmp_path / "beside.py").write_text("SCALE = 7.0\n")
    before = list(sys.path)
    text = GOOD.replace("import numpy as np", "import numpy as np; import beside").replace("10.0", "beside.SCALE")
    encoder = load(written(tmp_path, text))
    assert encoder.record.logit_scale == 7
    assert sys.path == before
    sys.modules.pop("beside")


# Installed packages


def test_an_entry_point_is_found_by_its_name(tmp_path, monkeypatch):
    assert "vlm_audit.encoders" in str(refused("plugin:mine", UsageError))  # without any, the group is named
    written(tmp_path, name="my_colours.py")
    info = tmp_path / "my_colours-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-colours\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{plugin.GROUP}]\ncolours = my_colours:Colours\nbroken = my_colours:np\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    record = load("plugin:colours").record
    assert (record.name, record.kind) == ("colours", "plug-in colours of my-colours 1.2")
    assert "did you mean colours" in refused("plugin:colour", UsageError, "unknown plug-in 'colour'").why
    refused("plugin:broken", UsageError, "names no class")
    sys.modules.pop("my_colours")


# The docs


@pytest.mark.slow
def test_the_example_of_the_docs_goes_from_file_to_report(tmp_path, monkeypatch, capsys):
    pytest.importorskip("emoji", reason="needs the extra [demo]")
    from audit.run import main

    example = code("colours.py")
    assert example.count("\n") <= 15
    monkeypatch.chdir(tmp_path)
    (tmp_path / "colours.py").write_text(example)
    assert main(["--model", "colours.py:Colours", "--probe", "emoji", "--limit", "60", "--out", "out"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Python plug-in colours.py:Colours" in page
    assert "embeddings of 3 dimensions" in page
    assert sorted(path.name for path in tmp_path.iterdir()) == ["colours.py", "out"]
