"""``vlm-audit index``: every audit has its row with the numbers of its own page; what cannot be read is named; nothing is fetched."""

import base64
import hashlib
import json
import re
import shutil

import pytest

from reports.index.page import HASH, found_audits, index_page
from reports.text import phrases
from reports.text.order import by_severity
from tests.support import comparison_samples as samples
from tests.support.command import command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audits")
    for name, wrong in (("skewed", 60), ("deep/plain", 6)):
        (folder / name).parent.mkdir(exist_ok=True)
        samples.audit(folder / name, {"b": wrong})
        (folder / name / "report.html").write_text("its page")
    return folder


def index(*words):
    return command(*words, module="audit.commands.index")


def test_every_audit_has_a_row_with_its_verdict_and_its_most_severe_gap(folder):
    done = index(folder)
    assert (done.returncode, done.stdout) == (0, f"{folder / 'index.html'}\n"), done.stderr
    page = (folder / "index.html").read_text()
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", page)
    found = found_audits(folder)
    assert [each.directory.name for each in found] == ["plain", "skewed"]
    assert len(rows) == sum(len(each.results.audits) for each in found) == 2
    for row, each in zip(rows, found, strict=True):
        audit = each.results.audits[0]
        gap, interval = phrases.gap_and_interval(min((finding for finding in audit.findings if finding.primary), key=by_severity))
        for words in (audit.model.name, f">{gap}<", interval, audit.probe.name, f"v-{audit.verdict.replace(' ', '-')}"):
            assert words in row
    assert 'href="deep/plain/report.html"' in page
    assert (folder / "deep/plain/report.html").is_file()


def test_the_page_stands_alone_and_lets_its_own_script_run_and_no_other(folder):
    page = index_page(found_audits(folder), folder)
    assert f"script-src '{HASH}';" in page
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    assert "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() == HASH
    assert not re.search(r"(?:src|href)=\"(?:https?:|//)", page)
    assert page.count("<script") == 1


def test_it_is_drawn_again_in_its_place_and_never_over_a_file_of_somebody_else(folder, tmp_path):
    assert index(folder).returncode == 0
    assert index(folder).returncode == 0
    (tmp_path / "mine.html").write_text("<p>mine")
    done = index(folder, "--out", tmp_path / "mine.html")
    assert (done.returncode, "never overwritten" in done.stderr) == (2, True)
    assert (tmp_path / "mine.html").read_text() == "<p>mine"
    assert index(folder, "--out", tmp_path / "index.html").returncode == 0
    assert 'href="../' in (tmp_path / "index.html").read_text()


def test_an_audit_that_cannot_be_read_is_named_and_the_others_are_there(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "all")
    shutil.copytree(tmp_path / "all" / "skewed", tmp_path / "all" / "broken")
    facts = json.loads((tmp_path / "all" / "broken" / "results.json").read_text())
    facts["audits"] = 7
    (tmp_path / "all" / "broken" / "results.json").write_text(json.dumps(facts))
    assert index(tmp_path / "all").returncode == 0
    page = (tmp_path / "all" / "index.html").read_text()
    assert "Cannot be read" in page
    assert re.search(r"<li>broken: [^<]{10,}</li>", page)
    assert len(re.findall(r"<tr><th scope=\"row\">", page)) == 2


def test_a_name_with_html_in_it_is_text(folder, tmp_path):
    shutil.copytree(folder / "skewed", tmp_path / 'a b&"<i>')
    [found] = found_audits(tmp_path)
    page = index_page([found], tmp_path)
    assert 'href="a%20b%26%22%3Ci%3E/report.html"' in page
    assert "<i>" not in page


@pytest.mark.parametrize(("words", "code", "said"), [(["nowhere"], 3, "no folder 'nowhere'"), (["."], 3, "no audit in '.'")])
def test_mistakes_are_named(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = index(*words)
    assert (done.returncode, said in done.stderr) == (code, True)


@pytest.mark.browser
def test_a_column_sorts_the_rows_and_turns_them_around(browser, folder):
    assert index(folder).returncode == 0
    page = browser.new_page()
    asked, logged = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    page.goto((folder / "index.html").as_uri())
    gaps = "[...document.querySelectorAll('tbody tr')].map(row => Number(row.cells[6].dataset.key))"
    page.get_by_role("button", name="Gap, points").click()
    rising = page.evaluate(gaps)
    page.get_by_role("button", name="Gap, points").press("Enter")
    falling = page.evaluate(gaps)
    page.close()
    assert rising == sorted(rising)
    assert falling == rising[::-1] != rising
    assert logged == []
    assert len(asked) == 1
