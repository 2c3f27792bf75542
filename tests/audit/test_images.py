"""Pictures as people have them, through the command: what is read, what is left out, and in which words."""

import io
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.strictio.images.test_decoders import KINDS, fault
from tests.support.command import command
from tests.support.tiny import write_probe

RACES = ("White", "Black")


def noise(number, size=(64, 48)):
    return Image.fromarray(np.random.default_rng(number).integers(0, 255, (*size[::-1], 3), np.uint8))


def encoded(image, kind="JPEG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def audited(tmp_path, checkpoint, short):
    """A function that audits forty good pictures and some others, and returns the facts about the data and the run."""

    def audited(others, *words, code=0):
        contents = {f"{number}.jpg": encoded(noise(number)) for number in range(40)} | others
        lines = ["file,age,gender,race,service_test"]
        for number, (name, content) in enumerate(contents.items()):
            (tmp_path / name).write_bytes(content)
            lines.append(f"{name},20-29,{('Female', 'Male')[number % 2]},{RACES[number // 2 % 2]},TRUE")
        (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
        done = command("--model", checkpoint, "--probe", short, "--data", "labels.csv", "--out", "out", *words, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done, json.loads((tmp_path / "out" / "results.json").read_text())["audits"][0]["data"] if code == 0 else {}

    return audited


def reasons(data):
    return {exclusion["reason"]["code"]: (exclusion["count"], exclusion["by_group"]["race"]) for exclusion in data["exclusions"]}


def claiming(content, side):
    """Return a JPEG whose header claims another size."""
    frame = re.search(rb"\xff[\xc0\xc2]", content).start()
    return content[: frame + 5] + struct.pack(">HH", side, side) + content[frame + 9 :]


@pytest.mark.slow
def test_row_13_jpegs_that_were_cut_are_truncated_and_left_out(audited, tmp_path):
    """Rows 40 to 43: a half with an end marker, the same progressive, and headers of 7000 x 7000 over little data. Two are White."""
    plain, progressive = encoded(noise(1)), encoded(noise(1), progressive=True)
    others = {
        "half.jpg": plain[: len(plain) // 2] + b"\xff\xd9", "half-progressive.jpg": progressive[: len(progressive) // 2] + b"\xff\xd9",
        "claims.jpg": claiming(plain, 7000), "claims-progressive.jpg": claiming(progressive, 7000),
    }  # fmt: skip
    done, data = audited(others, "--max-skip", "0.1")
    assert data["used"] == 40
    assert reasons(data) == {"truncated": (4, {"White": 2, "Black": 2})}
    assert "left out 4 images (truncated): half.jpg, half-progressive.jpg, claims.jpg, claims-progressive.jpg" in done.stderr
    assert "4 images (truncated)" in (tmp_path / "out" / "report.html").read_text()


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64


@pytest.mark.slow
def test_row_29_avif_is_read_and_what_is_refused_is_named_with_its_limit(audited, tmp_path):
    others = {
        "phone.avif": encoded(noise(1), "AVIF"), "phone.heic": HEIC, "scan.jp2": encoded(noise(2), "JPEG2000"),
        "tiny.png": encoded(noise(3, (7, 30)), "PNG"), "thin.png": encoded(noise(3, (8, 801)), "PNG"),
        "huge.png": encoded(Image.new("1", (7100, 7100)), "PNG"),
    }  # fmt: skip
    done, data = audited(others, "--max-skip", "0.2")
    assert data["used"] == 41
    assert {reason: count for reason, (count, _) in reasons(data).items()} == {
        "format_not_accepted": 2, "too_small": 1, "too_elongated": 1, "too_large": 1,
    }  # fmt: skip
    page = (tmp_path / "out" / "report.html").read_text()
    for words in (
        "format not accepted: accepted are JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF; HEIC, JPEG 2000 and others must be converted",
        "too small: a side under 8 pixels", "too elongated: one side over 100 times the other", "too large: over 50 megapixels or 64 MiB",
    ):  # fmt: skip
        assert words in done.stderr
        assert words in page


@pytest.mark.slow
def test_row_29_an_error_names_the_limit_too(audited):
    done, _ = audited({"phone.heic": HEIC}, "--max-skip", "0", code=3)
    assert "phone.heic: format not accepted: accepted are JPEG, PNG, WebP, GIF, BMP, TIFF and AVIF" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "reason"), KINDS.items())
def test_row_7_the_command_leaves_such_an_image_out_names_it_and_goes_on(tmp_path, checkpoint, faces, monkeypatch, kind, reason):
    """Image 7 of 40, an odd number of the first twenty: a White man. A rerun says the same; a run without the fault reads it."""
    probe = write_probe(tmp_path / "short.py")
    words = ("--model", checkpoint, "--probe", probe, "--data", faces, "--max-skip", "0.05", "--out")
    fault(monkeypatch, kind, (Path(faces) / "val" / "7.jpg").read_bytes())
    for out in ("first", "again"):
        done = command(*words, tmp_path / out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
        assert f"left out 1 image ({reason}" in (tmp_path / out / "run.log").read_text()
        data = json.loads((tmp_path / out / "results.json").read_text())["audits"][0]["data"]
        assert data["used"] == 39
        (exclusion,) = data["exclusions"]
        assert exclusion["reason"]["code"] == reason.replace(" ", "_")
        assert (exclusion["by_group"]["race"], exclusion["by_group"]["gender"]) == ({"White": 1}, {"Male": 1})
        assert reason in (tmp_path / out / "report.html").read_text()
    done = command(*words[:-3], "--max-skip", "0", "--out", tmp_path / "strict", cwd=tmp_path)
    assert done.returncode == 3
    assert f"val/7.jpg: {reason}" in done.stderr
    monkeypatch.delenv("AUDIT_FAULT")
    done = command(*words, tmp_path / "sound", cwd=tmp_path)
    assert json.loads((tmp_path / "sound" / "results.json").read_text())["audits"][0]["data"]["used"] == 40
    assert "embedded 1 images, 39 from the cache" in (tmp_path / "sound" / "run.log").read_text()
