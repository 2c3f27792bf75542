"""``vlm-audit index``: every audit has its row with the numbers of its own page; what cannot be read is named; nothing is fetched."""

import base64
import hashlib
import json
import re
import shutil
from dataclasses import replace

import pytest

from audit.extensions.index.page import HASH, found_audits, index_page
from audit.statistics.severity import by_severity
from audit.types import Claim
from reports.text import phrases
from tests.support import comparison_samples as samples
from tests.support.command import command
from tests.support.made_once import made_once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audits")
    for name, wrong in (("skewed", 60), ("deep/plain", 6)):
        (folder / name).parent.mkdir(exist_ok=True)
        samples.audit(folder / name, {"b": wrong})
        (folder / name / "report.html").write_text("its page")
    return folder


def index(*words):
    return command(*words, module="audit.extensions.index.command")


@pytest.mark.slow
def test_every_audit_has_a_row_with_its_verdict_and_its_most_severe_gap(folder):
    done = index(folder)
    assert (done.returncode, done.stdout) == (0, f"{folder / 'index.html'}\n"), done.stderr
    page = (folder / "index.html").read_text()
    rows = re.findall(r"<tr [^>]*><th scope=\"row\">.*?</tr>", page[page.index('id="vlm-audit-index"') :])
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
    assert len(re.findall(r"<tr [^>]*><th scope=\"row\">", page[page.index('id="vlm-audit-index"') :])) == 2


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


def thirty(folder):
    """Eighteen models on one data set, ten under another probe on two data sets, and two on data of their own."""
    for i in range(18):
        samples.audit(folder / f"model-{i:02}", {"b": 7 * i % 60, "c": 3 * i % 20})
    for i in range(10):
        samples.audit(folder / f"other-{i:02}", {"a": 5 * i}, name="farm", fingerprint=str(i % 2) * 64)
    for i in range(2):
        samples.audit(folder / f"single-{i}", {"a": 20}, name=f"single {i}", fingerprint=str(2 + i) * 64)
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return made_once(tmp_path_factory, "thirty-audits", thirty)


def tables_of(page):
    """Caption, headings and rows of cells of each table."""
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        heads = re.findall(r"<th scope=\"col\">(.*?)</th>", table)
        rows = [re.findall(r"<t[hd] .*?</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr data.*?</tr>", table, re.DOTALL)]
        yield re.search(r"<caption>(.*?)</caption>", table)[1], heads, rows


@pytest.mark.slow
def test_models_with_the_same_images_and_questions_are_rows_and_questions_columns(many):
    found = found_audits(many)
    page = index_page(found, many)
    *shared, everything = tables_of(page)

    assert [len(rows) for _, _, rows in shared] == [18, 5, 5]
    assert len(everything[2]) == 30
    caption, heads, rows = shared[0]
    assert "Audits of the same 360 images." in caption
    questions = {"Animal accuracy", "True positive rate for ‘cat’", "Share given ‘cat’ at equal true shares"}
    assert (heads[0], set(heads[2:-1]), heads[-1]) == ("Model", {f"{question} by group" for question in questions}, "Date")
    at = heads.index("Animal accuracy by group")
    audits = {each.results.audits[0].model.name: each.results.audits[0] for each in found}
    shown = {name: audits[name] for name in audits if any(f">{name}<" in row[0] for row in rows)}
    findings = {name: next(one for one in audit.findings if one.id == "animal/accuracy/group") for name, audit in shown.items()}
    places = min(map(phrases.gap_places, findings.values()))
    for row in rows:
        [name] = [name for name in shown if f">{name}<" in row[0]]
        gap, interval = phrases.gap_and_interval(findings[name], places)
        assert f'{gap} <span class="small unbroken">{interval}</span><svg class="plot"' in row[at]


@pytest.mark.slow
def test_a_question_that_one_audit_alone_has_no_column_and_no_audit_alone_a_table(folder, many, tmp_path):
    assert index_page(found_audits(many / "single-0"), many).count("<table") == 1
    shutil.copytree(folder / "skewed", tmp_path / "skewed")
    samples.audit(tmp_path / "other", {"b": 3}, asked=samples.measurement(claims=(Claim("accuracy", ("group",)),)))
    (_, heads, rows), _ = tables_of(index_page(found_audits(tmp_path), tmp_path))

    assert heads == ["Model", "Verdict", "Animal accuracy by group", "Date"]
    assert len(rows) == 2


def test_audits_that_choose_between_other_answers_share_no_table(folder):
    """Two files of answers about the same images; one model says animals, the other colours."""
    first, second = found_audits(folder)
    audit = second.results.audits[0]
    record = replace(audit.measurements[0], labels=("red", "blue"), answer_counts={"red": 200, "blue": 160})
    accuracy = tuple(finding for finding in audit.findings if finding.metric == "accuracy")
    other = replace(second, results=replace(second.results, audits=(replace(audit, measurements=(record,), findings=accuracy),)))

    assert index_page([first, second], folder).count("<table") == 2
    assert index_page([first, other], folder).count("<table") == 1


@pytest.mark.slow
@pytest.mark.browser
def test_rows_are_filtered_by_words_and_by_verdict_and_all_are_there_without_scripts(browser, many, tmp_path):
    address = (tmp_path / "index.html").as_uri()
    (tmp_path / "index.html").write_text(index_page(found_audits(many), tmp_path))
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(address)
    seen = "[...document.querySelectorAll('#vlm-audit-index tbody tr')].filter(row => row.checkVisibility()).length"
    tables = "[...document.querySelectorAll('table')].filter(table => table.checkVisibility()).length"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1).length") == 0
    assert (page.evaluate(seen), page.evaluate(tables)) == (30, 4)

    page.get_by_label("Model, probe, data or question").fill("farm OTHER-0")
    assert (page.evaluate(seen), page.evaluate(tables)) == (10, 3)
    assert page.locator("[role=status]").inner_text() == "Audits shown: 10 of 30"
    page.get_by_label("Verdict").select_option("Disparity")
    disparities = sum(each.results.audits[0].verdict == "disparity" for each in found_audits(many) if "other" in each.directory.name)
    assert 0 < page.evaluate(seen) == disparities < 10
    page.close()

    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("#vlm-audit-index tbody tr").count() == 30
    assert not page.locator("#filters").is_visible()
    context.close()


@pytest.mark.slow
@pytest.mark.browser
def test_a_column_sorts_the_rows_and_turns_them_around(browser, folder):
    assert index(folder).returncode == 0
    page = browser.new_page()
    asked, logged = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: logged.append(message.text))
    page.goto((folder / "index.html").as_uri())
    gaps = "[...document.querySelectorAll('#vlm-audit-index tbody tr')].map(row => Number(row.cells[6].dataset.key))"
    page.get_by_role("button", name="Gap, points").click()
    rising = page.evaluate(gaps)
    page.get_by_role("button", name="Gap, points").press("Enter")
    falling = page.evaluate(gaps)
    page.close()
    assert rising == sorted(rising)
    assert falling == rising[::-1] != rising
    assert logged == []
    assert len(asked) == 1


def test_a_link_in_place_of_the_index_is_not_followed(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "index.html").symlink_to(tmp_path / "mine.txt")
    done = index(folder, "--out", tmp_path / "index.html")
    assert (done.returncode, "is not an index" in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
