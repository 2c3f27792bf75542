"""Rows B1 to B11: pictures that are damaged, too large, odd or not there, and tables of them."""

import hashlib
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from strictio.images import decoders
from tests.support.limits import limited_line, read_usage

RACES = ("White", "Black")
BROKEN = ("trunc.jpg", "zero.jpg", "text.jpg", "svg.png", "eps_named.jpg")
REASONS = {"truncated", "empty file", "not an image", "format not accepted"}


@pytest.fixture
def pictures(bench, table):
    """Return a function that makes a folder of `good` pictures beside given ones, and the table of all, races in turn."""

    def pictures(good, *others, races=None):
        folder = bench.folder / "pictures"
        folder.mkdir()
        for number in range(good):
            Image.new("RGB", (16, 16), (number % 256, 255 - number % 256, number // 2 % 256)).save(folder / f"{number}.png")
        for other in others:
            shutil.copy(other, folder / other.name)
        names = [*(f"{number}.png" for number in range(good)), *(other.name for other in others)]
        return table("pictures", "image,race", [f"pictures/{name},{(races or RACES)[i % 2]}" for i, name in enumerate(names)])

    return pictures


def scores(out):
    """Return the scores of an audit as an array, rows in the order of their names."""
    frame = pd.read_parquet(out / "predictions.parquet").sort_values("id")
    columns = [name for name in frame.columns if name.startswith("score")]
    return np.array([np.hstack([np.atleast_1d(row[name]) for name in columns]) for _, row in frame[columns].iterrows()], np.float64)


def excluded(found):
    """Return how many images were left out, by reason and race."""
    counted = {}
    for exclusion in found["audits"][0]["data"]["exclusions"]:
        counted[exclusion["reason"]["code"].replace("_", " ")] = exclusion["by_group"]["race"]
        assert sum(exclusion["by_group"]["race"].values()) == exclusion["count"]
    return counted


@pytest.mark.slow
def test_b1_five_broken_pictures_of_505_are_left_out_by_reason_and_group(bench, hostile, of_any, pictures, results):
    data = pictures(500, *(hostile / "img" / name for name in BROKEN))
    bench.run(*of_any, "--data", data, "--max-skip", "0.02")
    found = results()
    assert found["audits"][0]["data"]["used"] == 500
    by_reason = excluded(found)
    assert set(by_reason) <= REASONS
    assert sum(sum(races.values()) for races in by_reason.values()) == 5
    page = (bench.out / "report.html").read_text()
    assert all(reason in page for reason in by_reason)


@pytest.mark.slow
def test_b2_without_tolerance_they_are_listed(bench, hostile, of_any, pictures):
    data = pictures(30, *(hostile / "img" / name for name in BROKEN))
    bench.run(*of_any, "--data", data, "--max-skip", "0", code=3, said=BROKEN)


@pytest.mark.slow
def test_b3_bombs_are_left_out_in_little_memory(bench, hostile, of_any, pictures, results, tmp_path):
    bombs = sorted((hostile / "img").glob("bomb_*.png"))
    usage = tmp_path / "usage"
    data = pictures(300, *bombs)
    bench.process(*of_any, "--data", data, under=limited_line(usage))
    assert {reason: sum(races.values()) for reason, races in excluded(results()).items()} == {"too large": len(bombs)} == {"too large": 3}
    assert read_usage(usage).peak_mib < 800


@pytest.mark.slow
def test_b4_what_a_camera_held_sideways_took_is_embedded_as_the_upright_picture(bench, hostile, of_any, pictures, table, results):
    bench.run(*of_any, "--data", pictures(0, *(hostile / "img" / f"exif{turn}.jpg" for turn in range(1, 9))))
    turned = scores(bench.out)
    conversions = results()["audits"][0]["data"]["conversions"]
    assert sum(conversions["EXIF rotation"]["race"].values()) == 7
    how = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90"}
    for turn in range(1, 9):
        with Image.open(hostile / "img" / f"exif{turn}.jpg") as image:
            upright = Image.fromarray(np.asarray(image))
        upright = upright.transpose(Image.Transpose[how[turn]]) if turn in how else upright
        upright.save(bench.folder / "pictures" / f"exif{turn}.png")
    bench.run(*of_any, "--data", table("upright", "image,race", [f"pictures/exif{turn}.png,{RACES[turn % 2]}" for turn in range(1, 9)]))
    assert np.array_equal(scores(bench.out), turned)
    assert len(np.unique(turned, axis=0)) > 1


ODD = ("anim.gif", "anim.webp", "cmyk.jpg", "gray16.png", "palette.png", "transparent_red.png")


def normal_form(path):
    """Return the pixels that the model is to see, by arithmetic of the test's own."""
    with Image.open(path) as image:
        if path.name.startswith("gray16"):
            values = np.rint(np.asarray(image, np.float64) / 257).astype(np.uint8)
            return Image.fromarray(np.stack([values] * 3, axis=-1))
        if path.name.startswith("transparent"):
            return Image.new("RGB", image.size, "white")  # alpha is 0 all over
        image.seek(0)
        return image.convert("RGB")


@pytest.mark.slow
def test_b5_odd_modes_are_seen_as_their_normal_form_and_counted(bench, hostile, of_any, pictures, table, results):
    bench.run(*of_any, "--data", pictures(0, *(hostile / "img" / name for name in ODD)))
    seen = scores(bench.out)
    conversions = results()["audits"][0]["data"]["conversions"]
    counted = {name: sum(by["race"].values()) for name, by in conversions.items()}
    assert counted["first frame of an animation"] == 2
    for once in ("16-bit to 8-bit", "CMYK to RGB", "transparency over white"):
        assert counted[once] == 1
    for name in ODD:
        normal_form(hostile / "img" / name).save(bench.folder / "pictures" / f"{name}.normal.png")
    bench.run(
        *of_any, "--data", table("normal", "image,race", [f"pictures/{name}.normal.png,{RACES[i % 2]}" for i, name in enumerate(ODD)])
    )
    assert np.array_equal(scores(bench.out), seen)


def test_b6_paths_out_of_the_folder_and_what_is_no_file_are_named(bench, hostile, of_any):
    found = bench.run(*of_any, "--data", hostile / "csv" / "paths.csv", code=3)
    for named in ("../../../../etc/passwd", "'/etc/passwd'", "link.jpg", "fifo.jpg", "/dev/zero", "http://metadata.invalid", "NUL"):
        assert named in found.stderr, named


@pytest.mark.slow
def test_b7_a_folder_that_links_to_itself_has_each_file_once(bench, of_any, pictures, results):
    pictures(40)
    (bench.folder / "pictures" / "loop").symlink_to(".")
    (bench.folder / "pictures.csv").rename(bench.folder / "pictures" / "labels.csv")
    lines = (bench.folder / "pictures" / "labels.csv").read_text().replace("pictures/", "")
    (bench.folder / "pictures" / "labels.csv").write_text(lines)
    bench.run(*of_any, "--data", bench.folder / "pictures")
    assert results()["audits"][0]["data"]["used"] == 40


@pytest.fixture
def faulty(bench, of_any, pictures, tmp_path, monkeypatch):
    """Return a function that audits forty pictures and one with which the decoder does what no sound one does; twice."""

    def faulty(fault):
        Image.new("RGB", (16, 16), "red").save(tmp_path / "bad.png")
        digest = hashlib.sha256((tmp_path / "bad.png").read_bytes()).hexdigest()
        words = (*of_any, "--data", pictures(40, tmp_path / "bad.png"), "--max-skip", "0.05")
        monkeypatch.setenv("AUDIT_FAULT", f"decode:{fault}:{digest}")
        monkeypatch.setattr(decoders, "MAX_SECONDS", 0.4)  # of 5
        return [bench.run(*words) for _ in range(2)]

    return faulty


def left_out(done, results, reason):
    assert all("bad.png" in each.stderr for each in done)
    ((found, races),) = excluded(results()).items()
    assert reason in found
    assert sum(races.values()) == 1
    assert results()["audits"][0]["data"]["used"] == 40


@pytest.mark.slow
def test_b8_a_picture_that_crashes_its_decoder_is_left_out_every_time(faulty, results):
    left_out(faulty("crash"), results, "crashed")


@pytest.mark.slow
def test_b9_a_picture_that_holds_up_its_decoder_is_left_out_every_time(faulty, results):
    left_out(faulty("hang"), results, "too long")


@pytest.mark.slow
def test_b10_equal_names_in_two_folders_are_two_pictures(bench, hostile, of_any, table, results):
    shutil.copytree(hostile / "img" / "a", bench.folder / "a")
    shutil.copytree(hostile / "img" / "b", bench.folder / "b")
    bench.run(*of_any, "--data", table("both", "image,race", ["a/1.jpg,White", "b/1.jpg,Black"]))
    assert results()["audits"][0]["data"]["used"] == 2
    assert len(np.unique(scores(bench.out), axis=0)) == 2


def test_b11_one_picture_with_two_labels_is_an_error_that_names_both_lines(bench, hostile, of_any):
    bench.run(
        *of_any, "--data", hostile / "csv" / "conflict.csv", code=3, said=["'img/ok.jpg'", "line 2 says A, Female; line 3 says A, Male"]
    )
