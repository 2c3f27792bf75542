"""Hostile labels, groups and file names from the generator, from a file of predictions to the page in a browser."""

import csv
import importlib.util
import re
from functools import cache
from pathlib import Path

import pytest

from audit.run import main
from tests.support.page_text import Walk

GENERATOR = Path(__file__).parents[3] / "shared" / "tools" / "gen_hostile.py"
EACH = 40


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    if not GENERATOR.is_file():
        pytest.skip("shared/tools/gen_hostile.py is not beside this repository")
    spec = importlib.util.spec_from_file_location("gen_hostile", GENERATOR)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "csv").mkdir()
    module.write_tables(folder / "csv", folder / "CANARY")
    return folder


def labels(hostile):
    with (hostile / "csv" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return [row["race"] for row in csv.DictReader(file)]


def predictions(path, groups, answers):
    """Forty answers for each group; which answer is right depends on the row alone, so that both files have the same numbers."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "race", "y_true", "y_pred"])
        for i, group in enumerate(groups):
            for j in range(EACH):
                writer.writerow([f"{i}-{j}", group, answers[j % len(answers)], answers[(j * (1 + i % 3)) % len(answers)]])


@pytest.fixture(scope="module")
def pages(hostile, tmp_path_factory):
    """Return a function that gives the page of hostile names, or of as many harmless ones, by the command when it is first asked for."""
    folder = tmp_path_factory.mktemp("pages")
    names = [label for label in labels(hostile) if label]
    answers = [name for name in names if name.startswith(("<", "=H", "{{c", "</"))]
    predictions(folder / "<img src=x onerror=alert(1)>.csv", names, answers)
    harmless = [f"group_{i:02d}".ljust(len(name), "g") for i, name in enumerate(names)]  # as long, and "_": both may break
    predictions(folder / "benign.csv", harmless, [f"answer {i}" for i in range(len(answers))])
    files = {"hostile": "<img src=x onerror=alert(1)>.csv", "benign": "benign.csv"}

    @cache
    def page(name):
        assert main(["--predictions", str(folder / files[name]), "--attributes", "race", "--out", str(folder / name)]) == 0
        return folder / name / "report.html"

    return page


@pytest.mark.slow
def test_hostile_names_add_no_element_and_no_attribute(pages):
    tags = {name: sorted(set(Walk(pages(name).read_text("utf-8")).shape)) for name in ("hostile", "benign")}

    assert tags["hostile"] == tags["benign"]
    text = pages("hostile").read_text("utf-8")
    assert "<img" not in text
    assert text.count("<script") == text.count("</script>") == 3
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


def test_nothing_of_the_generator_ran_and_the_page_stays_below_a_megabyte_though_a_name_is_long(hostile, pages):
    assert not (hostile / "CANARY").exists()
    assert max(map(len, labels(hostile))) > 5_000
    assert len(pages("hostile").read_bytes()) < 1_000_000


def test_no_cell_of_the_tables_is_a_formula(pages):
    for file in (pages("hostile").parent / "tables").iterdir():
        with file.open(newline="", encoding="utf-8") as opened:
            for row in csv.reader(opened):
                assert not [cell for cell in row if cell.lstrip().startswith(("=", "+", "@", "\t"))]
                assert not [cell for cell in row if cell.startswith("-") and not re.fullmatch(r"-[\d.e-]+", cell)]


@pytest.mark.browser
def test_the_browser_asks_for_nothing_and_runs_nothing(unfolded, pages):
    page = unfolded(pages("hostile").as_uri())
    for option in range(min(6, page.locator("#slice-label option").count())):
        page.select_option("#slice-label", index=option)
    names = page.eval_on_selector_all("th .huge", "all => all.map(one => [one.textContent.length, one.clientHeight, one.clientWidth])")
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 20_000)
    page.wait_for_timeout(200)

    # In the table of groups and in the slicer's: whole, but in one line. To break it into lines takes ten seconds at every choice.
    assert [length for length, *_ in names] == [100_000, 100_000]
    assert all(height < 30 and width < 400 for _, height, width in names)
    assert page.asked == [pages("hostile").as_uri()]
    assert page.logged == []
    assert page.locator("img").count() == 0
