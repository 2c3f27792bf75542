"""Row H10: protocols that are not read, names of thousands of characters, formulas in other scripts, and tables of thousands of columns."""

import csv
import time

import pytest

from tests.strictio.streams.test_urls import REFUSED


@pytest.mark.parametrize("url", REFUSED)
def test_h10_a_url_of_another_protocol_names_the_allowed_ones(bench, of_any, url):
    bench.run(*of_any, "--data", url, code=2, said=["are not read", "https://, http://, s3://, gs://, az://, hf:// and file://"])


@pytest.mark.slow
def test_h10_a_full_width_formula_is_text_in_every_table(bench, table):
    groups = ("\uff1d1+1", "\uff0bA1", "\uff0d1", "\uff20SUM(A1)", "plain")
    rows = [f"{i},{groups[i % 5]},cat,{'dog' if i % 8 == 1 else 'cat'}" for i in range(200)]
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", rows))
    found = [cell for path in (bench.out / "tables").iterdir() for row in csv.reader(path.read_text("utf-8").splitlines()) for cell in row]
    assert {f"'{group}" for group in groups[:4]} < set(found)
    assert not [cell for cell in found if cell.startswith(groups[:4])]


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1440])
def test_h10_a_group_name_of_3000_letters_does_not_widen_the_page(bench, table, browser, width):
    rows = [f"{i},{('W' * 3000, 'b')[i % 2]},cat,{'dog' if i % 8 == 1 else 'cat'}" for i in range(200)]
    bench.run("--predictions", table("answers", "id,group,y_true,y_pred", rows), "--attributes", "group")
    page = browser.new_page(viewport={"width": width, "height": 800})
    try:
        page.goto((bench.out / "report.html").as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    finally:
        page.close()


@pytest.mark.slow
def test_h10_a_table_of_5000_columns_takes_seconds_and_says_what_was_left_out(bench, table):
    header = "id,race,y_true,y_pred," + ",".join(f"c{place}" for place in range(5000))
    cells = [",".join("uvw"[(i * (1 + place % 2)) % 3] for place in range(5000)) for i in range(300)]
    path = table("answers", header, [f"{i},{'AB'[i % 2]},cat,{'dog' if i % 8 == 1 else 'cat'},{cells[i]}" for i in range(300)])
    began = time.process_time()
    done = bench.run("--predictions", path, "--depth", "1", said=["4,981 more columns", "--attributes race,gender"])
    assert time.process_time() - began < 30
    assert "4,981 more" in done.stdout
