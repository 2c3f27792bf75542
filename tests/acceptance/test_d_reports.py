"""Rows D1 to D7: what a stranger's names may do to a report, and what a report may tell of its author and of the people in it."""

import base64
import csv
import getpass
import io
import json
import re
import shutil

import pytest
from PIL import Image

from tests.support.page_text import Walk, text_of
from tests.support.tiny import write_open_probe

HANDLER = re.compile(r"on[a-z]+")
TEXTS = (".html", ".json", ".md", ".csv", ".log", "")


def hostile_groups(hostile):
    with (hostile / "csv" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [row["race"] for row in csv.DictReader(file)]


def write_answers(path, groups, each=40):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "race", "y_true", "y_pred"])
        for i, group in enumerate(groups):
            writer.writerows([f"{i}-{j}", group, "cat", "dog" if j % (3 + i % 3) == 0 else "cat"] for j in range(each))
    return path


def shape(page):
    return sorted(set(Walk(page.read_text("utf-8")).shape))


def texts(out):
    """Return every text file of an output folder by its name."""
    return {
        path.name: path.read_text("utf-8") for path in out.rglob("*") if path.is_file() and path.suffix in TEXTS and path.name != ".lock"
    }


def cells(out):
    for file in (out / "tables").iterdir():
        with file.open(newline="", encoding="utf-8") as opened:
            yield from (cell for row in csv.reader(opened) for cell in row)


@pytest.mark.slow
def test_d1_hostile_groups_add_no_element_attribute_or_handler(bench, hostile):
    groups = hostile_groups(hostile)
    # As long as the hostile ones (what a chart shortens has its whole name in a tooltip), with "_" (a name may break after it).
    names = [f"group_{i:02d}".ljust(len(name), "g") if name else "" for i, name in enumerate(groups)]
    bench.run("--predictions", write_answers(bench.folder / "benign.csv", names), "--attributes", "race")
    benign = shape(bench.out / "report.html")
    bench.run("--predictions", write_answers(bench.folder / "answers.csv", groups), "--attributes", "race")
    page = bench.out / "report.html"
    assert shape(page) == benign
    assert not [name for _, *names in Walk(page.read_text("utf-8")).shape for name in names if HANDLER.fullmatch(name)]
    assert "{{7*7}}" in text_of(page.read_text("utf-8"))


def test_d2_hostile_names_of_file_model_probe_and_picture_add_nothing(bench, hostile, inputs):
    def audited(mark, picture):
        folder = bench.folder / f"pictures{mark}"
        (folder / f"model{mark}").mkdir(parents=True)
        shutil.copy(inputs / "ckpt.pt", folder / f"model{mark}" / f"ckpt{mark}.pt")
        for number in range(40):
            Image.new("RGB", (16, 16), (number * 6, 9, 9)).save(folder / f"{number}{mark}.png")
        shutil.copy(picture, folder / picture.name)
        names = [*(f"{number}{mark}.png" for number in range(40)), picture.name]
        lines = [f'"{name}",{"ab"[i % 2]}' for i, name in enumerate(names)]
        (folder / f"table{mark}.csv").write_text("\n".join([f"image,race{mark}", *lines]) + "\n")
        probe = write_open_probe(folder / f"probe{mark}.py", f"Claim('selection_rate', ('race{mark}',), 'cup')")
        bench.run("--model", folder / f"model{mark}" / f"ckpt{mark}.pt", "--probe", probe, "--data", folder / f"table{mark}.csv")
        return bench.out / "report.html"

    benign = shape(audited("1", hostile / "img" / "ok.jpg"))
    page = audited("<b onclick=alert(1)>{{7*7}}=", hostile / "img" / "<img src=x onerror=alert(1)>.jpg")
    assert shape(page) == benign
    assert "<b onclick" not in page.read_text("utf-8")
    assert "{{7*7}}" in text_of(page.read_text("utf-8"))


@pytest.mark.slow
def test_d3_no_cell_of_the_tables_begins_as_a_formula(bench, hostile):
    bench.run("--predictions", write_answers(bench.folder / "answers.csv", hostile_groups(hostile)), "--attributes", "race")
    found = list(cells(bench.out))
    assert any("HYPERLINK" in cell for cell in found)
    for cell in found:
        first = cell.lstrip()[:1] + cell.partition("\n")[2].lstrip()[:1]
        number = re.fullmatch(r"-?[\d.]+(e-?\d+)?|-?inf", cell)
        assert number or not set(first) & set("=+-@\t\r"), repr(cell)


def test_d4_a_report_asks_the_network_for_nothing(bench, model):
    bench.run(*model, "--include-examples", "2")
    page = (bench.out / "report.html").read_text("utf-8")
    head = page[page.index("<head>") :].partition("<title>")[0]
    first = re.search(r"<meta[^>]*>\s*<meta[^>]*>", head)[0]
    assert "Content-Security-Policy" in first
    assert "default-src 'none'" in first
    walk = Walk(page)
    resources = [
        value for tag, name, value in walk.values if name in ("src", "srcset", "poster", "data") or (tag == "link" and name == "href")
    ]
    assert not [value for value in resources if not value.startswith("data:")]
    assert not re.search(r"url\(\s*['\"]?(?!data:|#)|@import", page)
    assert not [name for _, *names in walk.shape for name in names if HANDLER.fullmatch(name)]


@pytest.mark.slow
def test_d5_nothing_of_the_machine_or_its_user_is_left_behind(bench, hostile, of_any, table, monkeypatch):
    for name, value in (("HF_TOKEN", "hf_canary"), ("USER", "user_canary"), ("LOGNAME", "user_canary"), ("AWS_SECRET", "sk-canary")):
        monkeypatch.setenv(name, value)
    (bench.home / "secret_place").mkdir()
    shutil.copy(hostile / "img" / "gps.jpg", bench.home / "secret_place")
    shutil.copy(hostile / "img" / "ok.jpg", bench.home / "secret_place")
    data = bench.home / "secret_place" / "table.csv"
    data.write_text("image,race\ngps.jpg,a\nok.jpg,b\n")
    bench.run(*of_any, "--data", data, "--include-examples", "2")
    secrets = (
        "hf_canary",
        "user_canary",
        "sk-canary",
        "secret_place",
        str(bench.home),
        str(bench.folder),
        "CANARY_EXIF_TEXT",
        "12.0, 34.0",
    )
    found = texts(bench.out)
    assert {"report.html", "results.json", "run.log", "summary.md"} <= set(found)
    for name, text in found.items():
        assert not [secret for secret in secrets if secret in text], name
        assert getpass.getuser() != "user_canary" or "user_canary" not in text


def pictures_in(page):
    return [base64.b64decode(each) for each in re.findall(r"data:image/jpeg;base64,([A-Za-z0-9+/=]+)", page)]


def test_d6_pictures_are_in_a_report_only_where_asked_for_and_small(bench, hostile, of_any):
    folder = bench.folder / "gps"
    folder.mkdir()
    for number in range(4):
        shutil.copy(hostile / "img" / "gps.jpg", folder / f"{number}.jpg")
    (folder / "table.csv").write_text("image,race\n" + "".join(f"{number}.jpg,{'ab'[number % 2]}\n" for number in range(4)))
    bench.run(*of_any, "--data", folder / "table.csv")
    page = (bench.out / "report.html").read_text("utf-8")
    assert "data:image" not in page
    assert json.loads((bench.out / "results.json").read_text())["audits"][0].get("examples") in ([], None)
    bench.run(*of_any, "--data", folder / "table.csv", "--include-examples", "2")
    page = (bench.out / "report.html").read_text("utf-8")
    shown = pictures_in(page)
    assert len(shown) == 2
    for content in shown:
        with Image.open(io.BytesIO(content)) as image:
            assert max(image.size) <= 64
            assert not image.getexif()
    assert "This report contains 2 small copies of them (--include-examples)" in text_of(page)
    assert "with small images of the data (--include-examples)" in text_of(page)


def test_d7_a_report_with_what_cannot_be_estimated_is_strict_json(bench, table, results):
    rows = [f"{i},{'none' if i % 2 else 'some'},{'yes' if i % 4 == 0 else 'no'},{'yes' if i % 4 == 0 else 'no'}" for i in range(80)]
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", rows))
    assert results()["audits"]
    page = (bench.out / "report.html").read_text("utf-8")
    islands = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert islands
    for island in islands:
        json.loads(island, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
