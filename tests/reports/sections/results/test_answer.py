"""The first screen of a report: at most one screen and 150 words, the gap before everything else, nothing said that was not shown."""

import re
from dataclasses import replace

import pytest

from audit.types import Claim, Note
from reports.render import render
from tests.reports.text.test_verdicts import audit_of
from tests.support import report_samples as samples
from tests.support.page_text import text_of

BY_RULE = Note("attributes_by_rule_of_several", {"levels": 50, "attributes": ("'race'",), "others": ("'city' (60 levels)",)})


def section(page, name):
    """Return the HTML of one section of the first audit."""
    return re.search(rf'<section[^>]*>(?:(?!</section>).)*id="a1-{name}".*?</section>', page, re.DOTALL)[0]


def answer(page):
    return text_of(section(page, "answer"))


def sixty():
    """Four questions of sixty groups: five groups are right 62 times in 100, the others 80."""
    cells = {(f"country {i:02d}",): (620 if i < 5 else 800, 1000) for i in range(60)}
    raw = [samples.finding(f"q{i}", Claim("accuracy", ("country",)), "high", cells) for i in range(4)]
    findings, verdict = samples.concluded(raw)
    base = samples.emoji()
    records = tuple(replace(base.measurements[0], name=f"q{i}") for i in range(4))
    return replace(base, findings=findings, measurements=records, paired=(), specifications=(), verdict=verdict)


SHOWN = {
    "disparity": samples.emoji,
    "faces": samples.fairface,
    "limited": lambda: samples.fairface(limited=True),
    "equivalent": lambda: audit_of("equivalent", "equivalent"),
    "inconclusive": lambda: audit_of("inconclusive", "equivalent", "not estimable"),
    "not estimable": lambda: audit_of("not estimable"),
    "exploratory": audit_of,
    "sixty groups": sixty,
}


@pytest.mark.slow_except("disparity", "equivalent", "inconclusive", "not estimable", "exploratory")
@pytest.mark.parametrize("shown", SHOWN)
def test_the_answer_has_at_most_150_words(shown):
    said = section(render(samples.results(SHOWN[shown]())), "answer").partition("<figure")[0]

    assert sum(any(map(str.isalnum, word)) for word in text_of(said).split()) <= 150  # a sign, such as that of percent, is no word


@pytest.mark.slow
def test_without_better_or_worse_both_groups_are_marked_and_none_is_bold():
    faces = samples.fairface()
    page = render(samples.results(replace(faces, findings=tuple(replace(finding, better="neither") for finding in faces.findings))))

    hot = re.findall(r'<tr class="hot"><th scope="row">([^<]+)<', section(page, "answer"))
    assert hot == ["White", "East Asian"]
    assert '<span class="end-of">East Asian 1.3\xa0%</span> → <span class="end-of">White 24.9\xa0%</span>' in page
    # It is bad to be given a word of crime, and to be recognised less often: that end is bold.
    page = render(samples.results(faces))
    assert re.findall(r'<tr class="hot"><th scope="row">([^<]+)<', section(page, "answer")) == ["White"]
    assert '<span class="end-of">East Asian 1.3\xa0%</span> → <span class="end-of"><b>White</b> 24.9\xa0%</span>' in page
    assert '<b>0-2</b> 84\xa0%</span> → <span class="end-of">20-29' in page


def test_small_groups_are_one_line_of_text():
    said = answer(render(samples.results(samples.fairface())))

    assert "Not compared: unknown (n = 12)." in said
    assert "unknown 25 %" not in said


def test_gates_are_chips_that_lead_to_their_reasons():
    results = replace(samples.results(samples.emoji()), gates=samples.gates("held", "breached"))
    page = render(results)

    chips = re.findall(r'<a class="chip v-([a-z]+)" href="#a1-gates">.*?</svg> ([^<]+)</a>', page)
    assert [(looks, text.partition(":")[0]) for looks, text in chips] == [("disparity", "Breached"), ("equivalent", "Held")]
    assert "The verdict does not depend on a gate." in text_of(section(page, "gates"))
    many = render(replace(results, gates=samples.gates(*["held"] * 5, "breached")))
    assert re.findall(r'<a class="chip [^>]*>.*?</svg> ([^<]+)</a>', many) == ["1 breached", "5 held"]


def test_what_a_rule_left_out_stands_beside_the_verdict_and_among_the_signals():
    audit = samples.emoji()
    page = render(samples.results(replace(audit, data=replace(audit.data, notes=(BY_RULE,)))))

    assert "Disparity · 1 of 2 planned questions, without 'city' (60 levels)" in answer(page)
    assert "Columns left out by default: 'city' (60 levels)." in text_of(section(page, "signals"))


def test_questions_that_cannot_be_estimated_are_one_row():
    page = render(samples.results(audit_of("disparity", *["not estimable"] * 11)))
    few = audit_of("disparity", *["not estimable"] * 11)
    few = replace(
        few, findings=tuple(replace(finding, gap=None) if finding.verdict == "not estimable" else finding for finding in few.findings)
    )

    assert len(re.findall(r"<tr class", section(page, "questions"))) == 2
    assert "11 questions: fewer than two groups with 30 images that count" in text_of(section(render(samples.results(few)), "questions"))


def test_no_p_value_stands_before_the_details():
    """P-values are for the appendix: they say neither for whom nor by how much."""
    page = render(samples.results(samples.with_evidence(samples.emoji())))

    for name in ("answer", "questions"):
        assert not re.search(r"\bp\s*[=<≤]", text_of(section(page, name)))


# ---- in a browser ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(visit, tmp_path):
    """Return a function that opens the page of some audits."""

    def open_page(*audits, width):
        (tmp_path / "page.html").write_text(render(samples.results(*audits)), "utf-8")
        return visit((tmp_path / "page.html").as_uri(), width)

    return open_page


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("shown", ["faces", "sixty groups"])
def test_the_answer_fits_a_screen_and_its_chart_can_be_read_on_a_phone(opened, shown):
    audit = SHOWN[shown]()
    bottom = opened(audit, width=1440).evaluate("document.querySelector('.answer').getBoundingClientRect().bottom")
    phone = opened(audit, width=390)
    sizes = phone.evaluate(
        "[...document.querySelectorAll('.plot text, .marks th, .marks td')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )

    assert bottom <= 900
    assert min(sizes) >= 12
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    cells = phone.evaluate("[...document.querySelectorAll('.questions tbody tr')].every(row => row.scrollWidth <= row.clientWidth)")
    assert cells


@pytest.mark.slow
@pytest.mark.browser
def test_many_models_and_an_audit_without_a_chart_fit_a_phone(opened):
    first, blind = samples.emoji(), audit_of("not estimable")
    named = [replace(first, model=replace(first.model, name=f"a model with a long name {i}")) for i in range(5)]
    page = opened(*named, blind, width=390)

    assert page.evaluate("document.documentElement.scrollWidth") <= 390
