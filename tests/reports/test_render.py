"""The page: whole, the same for the same results, closed to the outside, and without an element that a hostile name could add."""

import base64
import hashlib
import itertools
import re
from collections import Counter
from dataclasses import replace

import pytest

from audit.results import to_json
from audit.types import Claim
from reports.read import read_results
from reports.render import render
from reports.sections.page import report_page
from reports.text import numbers, phrases
from tests.support import report_samples as samples
from tests.support.page_text import Walk, text_of


@pytest.fixture(scope="module")
def page(everything):
    return render(everything)


@pytest.fixture(scope="module")
def said(page):
    return text_of(page)


@pytest.fixture(scope="module")
def faces():
    return samples.fairface()


# ---- one file, always the same ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_equal_results_give_equal_bytes_and_survive_a_round_trip_through_json(everything, page, tmp_path):
    (tmp_path / "results.json").write_text(to_json(everything), "utf-8")

    assert render(samples.everything()) == page
    assert render(read_results(tmp_path)) == page


def test_the_content_security_policy_comes_first_and_allows_the_script_that_prints_alone(page):
    head = page[page.index("<head>") :]
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{}'; base-uri 'none'; form-action 'none'"
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1]
    policy = policy.format("sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())

    assert head.startswith(f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}">\n<meta charset="utf-8">')
    assert page.count("<script") == 1
    assert "print()" in script
    assert len(script) < 1_000


def test_the_header_of_printed_pages_names_page_and_date_as_text(everything):
    for title in ("a.pt", 'x"; } </style><b>'):
        about = replace(report_page(everything, "{}").about, title=title)
        head = about.running_head
        assert re.fullmatch(r"(?:[A-Za-z0-9 ]|\\[0-9a-f]+ )*", head)
        said = re.sub(r"\\([0-9a-f]+) ", lambda code: chr(int(code[1], 16)), head)
        assert said == f"{title} · {about.created}"
    assert f'@top-left {{ content: "{report_page(everything, "{}").about.running_head}"; }}' in render(everything)


def test_nothing_on_the_page_leads_outside_every_link_arrives_and_no_place_has_two_names(page):
    walk = Walk(page)
    ids = Counter(walk.all("id"))

    assert {tag for tag, *_ in walk.shape}.isdisjoint({"img", "link", "iframe", "object", "base", "form", "image", "foreignobject"})
    assert all(href.startswith("#") for href in walk.all("href"))
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"arXiv|/\*.*?\*/", "", page))
    assert not [name for _, name, _ in walk.values if name.startswith("on") or name in ("src", "style", "srcset")]
    assert max(ids.values()) == 1
    assert {href[1:] for href in walk.all("href")} <= set(ids)
    assert {name for names in walk.all("aria-labelledby") for name in names.split()} <= set(ids)


def test_the_last_line_is_the_hash_of_results_json(everything, said):
    expected = hashlib.sha256(to_json(everything).encode()).hexdigest()

    assert said.endswith(f"sha256 of results.json, time stamps included: {expected}")


@pytest.mark.slow
def test_the_largest_audit_stays_under_one_megabyte():
    audit = samples.large()

    assert len(audit.findings) == 120
    assert max(len(finding.by_group) for finding in audit.findings) == 126
    assert [len(curve.points) for curve in audit.specifications] == [60] * 4
    assert len(render(samples.results(audit)).encode()) < 1_000_000


# ---- what is said ----------------------------------------------------------------------------------------------------------------------


def test_the_first_screen_says_for_whom_by_how_much_and_how_sure(page, said):
    assert "Disparity · 1 of 2 planned questions Role answers are less accurate for woman (gender): 72 % (3 in 10 wrong)" in said
    assert "against 98.0 % (1 in 50 wrong) for man." in said
    assert "gap by gender, 95 % interval 14 to 38 26 points" in said
    assert "expected by chance between these two, at most (95 %) 10 points" in said
    assert "Both planned questions Planned by the probe, without a plan lock. Gap: between the two groups" in said
    first = re.sub(r"<nav.*?</nav>", "", page, flags=re.DOTALL)
    places = [first.index(words_) for words_ in (
        '"a1-answer"', '"a1-questions"', '"a1-signals"', "Findings in detail", "Can it be trusted?</h3>", "What this cannot tell",
        "Appendix",
    )]  # fmt: skip
    assert places == sorted(places)


def test_every_number_of_a_finding_stands_on_its_card(everything, said):
    for finding in (finding for audit in everything.audits for finding in audit.findings if finding.primary and finding.gap):
        for cell in finding.by_group:
            row = f"{phrases.group(cell.group)} {phrases.cell_rate(cell)} {numbers.count(cell.events)} of {numbers.count(cell.n)}"
            assert row.replace("\u00a0", " ") in said
        for contrast in finding.contrasts:
            shown = phrases.signed_change(contrast), numbers.p_value(contrast.p_adjusted)
            assert " ".join(shown).replace("\u00a0", " ") in said
    assert "All numbers on this page are rounded separately" in said  # 88 − 33 may be 54


def test_what_always_giving_the_most_common_answer_would_score_stands_beside_every_accuracy(said):
    assert "Always the most common answer 20.0 % right" in said
    # 98 of 100 men are [93.0, 99.4]; 20 % by the trivial answer; 13.5 points above the other 200 drawings, all three groups at once.
    assert "Group Rate [interval] Events Most common answer Minus the rest [interval] Adj. p" in said
    assert "man 98.0 % [93.0, 99.4] 98 of 100 20.0 % +14 [5, 21]" in said


def test_a_finding_can_be_cited_in_words_and_in_bibtex(everything, page, said):
    sha256 = hashlib.sha256(to_json(everything).encode()).hexdigest()
    numbers_ = "gap 26 points, 95 % interval 14 to 38, n = 300"

    assert f"72 %, against 98.0 % for man ({numbers_}). Audit of emoji/ckpt.pt (sha256 9c41d2aa7e03) with the emoji probe" in said
    assert f"vlm-audit 0.1.0, 2 January 2026, 12:00 UTC; sha256 of results.json {sha256}." in said
    keys = re.findall(rf"@misc{{vlm-audit-{sha256[:12]}-([0-9a-f]{{8}}),", page)
    assert len(keys) == page.count("@misc{") == len({*keys}) == 10
    assert "gap 26 points, 95 \\% interval 14 to 38, n = 300; finding role/accuracy/gender" in said
    assert "year = {2026}," in said


def test_pairs_that_differ_are_listed_by_significance_and_the_others_counted(faces):
    said = text_of(render(samples.results(faces)))
    race = next(finding for finding in faces.findings if finding.id == "harm-21/selection_rate[crime-related]/race")
    both = next(finding for finding in faces.findings if finding.id == "harm-21/selection_rate[crime-related]/race x gender")

    assert (len(race.pairs), len(both.pairs)) == (21, 78)
    assert (
        "Pairs of groups, most significant first First Second First minus second [interval] Adj. p Exceeds the tolerance "
        "White East Asian +2" in said
    )
    assert "Pairs of groups, most significant first (21 of 78; all are in results.json)" in said


def test_the_page_is_one_document_with_one_main_heading_and_headings_that_skip_no_level(page):
    levels = [int(tag[1]) for tag, *_ in Walk(page).shape if re.fullmatch(r"h[1-6]", tag)]

    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert '<html lang="en">' in page


def test_every_chart_says_what_it_shows_and_every_table_what_it_holds(page):
    panels = re.findall(r'<div class="panels" role="img" aria-label="[^"]+\. The table below has every number\.">', page)

    # A chart is a table whose rows have tracks, which say nothing that its words do not; else it has a text of its own.
    assert len(panels) == page.count('role="img"')
    assert len(panels) >= 2
    assert page.count('<svg class="track"') == len(re.findall(r'<svg class="track"[^>]* aria-hidden="true"', page)) > 40
    assert (
        page.count("<table") == page.count("<caption") == len(re.findall(r'role="group" tabindex="0" aria-label="[^"]+">\s*<table', page))
    )
    assert all('scope="' in heading for heading in re.findall(r"<th[ >][^>]*>?", page.replace("<thead", "")))


@pytest.mark.slow
def test_a_limited_run_says_so_first_and_once(faces):
    said = text_of(render(samples.results(samples.fairface(limited=True))))

    assert said.count("A sample of 10,954 images settles nothing: its verdict is always “inconclusive”.") == 1
    assert said.index("LIMITED RUN") < said.index("A sample of 10,954 images settles nothing")
    assert "LIMITED RUN" not in text_of(render(samples.results(faces)))


def test_disparities_come_first_and_of_them_what_is_surely_largest(faces):
    drawn = render(samples.results(faces))
    table = drawn[drawn.index('<table class="questions">') :].split("</table>")[0]
    verdicts = re.findall(r'<tr class="v-([a-z-]+)">', table)
    gaps = re.findall(r'<td class="size">([^<]+) <span class="small">([^<]+)<', table)

    assert verdicts == ["disparity"] * 9 + ["inconclusive"] * 2 + ["equivalent"] * 5
    # Those beyond the tolerance of 5 points come first, by the lower end of their interval.
    gaps = [(gap, interval.replace("\xa0", " ")) for gap, interval in gaps]
    assert gaps[:4] == [("23.6", "[20.6, 26.7]"), ("14.4", "[11.8, 17.3]"), ("16.6", "[11.7, 21.3]"), ("6.7", "[5.4, 8.0]")]
    assert table.count("exceeds the tolerance") == 6


def test_published_numbers_stand_above_ours_and_blank_cells_stay_blank(page):
    table = page[page.index("Table 5. Gender accuracy by race") :].split("</table>")[0]
    rows = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in table.split("<tr")]
    both = next(i for i, row in enumerate(rows) if row and row[0] == "Zero-Shot CLIP, both")

    assert rows[both][1:] == ["96.7", "95.9", "98.0", "97.5", "98.0", "96.3", "96.6", ""]
    assert rows[both + 1][0] == "this model"
    # 1,494 of 1,556 Black faces: 96.0 %, as the sample has it.
    assert text_of(rows[both + 1][1]) == "96.0 % [94.9, 96.9] n = 1,556"
    assert rows[both + 1][8] == ""
    assert [row[0] for row in rows if row][both + 1 :][0].startswith("Linear Probe Instagram")
    # A cell of a small group is hatched.
    assert re.search(r'<td data-of="[^"]+" class="hatched"><b>45\W%</b><br><span class="small">\[21,\W72\]<br>n = 11</span></td>', page)


def test_pairs_show_flips_discordant_pairs_and_both_p(said):
    # 26 + 0 discordant, 3 further flips; exact McNemar of 26 : 0 is 2^-25.
    assert "gender: man → woman role +26 [17, 34] 100 29 % [21, 39] 26 0 < .001 < .001 (20 clusters) < .001" in said
    # 4 : 2, exactly: 2 (1 + 6 + 15) / 64 = .69.
    assert "tone: light → dark role +2 [−3, 7] 100 9 % [5, 16] 4 2 .69 .14 (20 clusters) 1" in said


def test_a_specification_curve_prints_its_median_range_and_whether_the_answer_is_sensitive_to_the_prompt(everything, said):
    curve = everything.audits[1].specifications[0]
    assert curve.share_same_sign < 0.8
    assert "Sensitive to the prompt: only 71 % of the prompt templates point the same way as the default." in said
    assert "Across 24 prompt templates, 3-9 minus more than 70 runs from" in said  # 25 points, one of them not estimable
    assert re.search(r"no non-human words not estimable not estimable|: [^:]+ not estimable not estimable", said)
    assert f"depend on the prompt: {curve.question}" in said


def test_every_prompt_is_printed_verbatim(everything, said):
    for audit in everything.audits:
        for record in audit.measurements:
            for label, texts in record.prompts.items():
                assert f"{label} {', '.join(texts)}" in said.replace(" , ", ", ")


def test_exclusions_and_conversions_are_counted_by_group_and_no_file_is_named(page, said):
    assert "4 images (truncated); 1 image (too large: over 50 megapixels or 64 MiB)" in said
    assert "race used left out: truncated left out: too large converted: exif rotated White 2,085 1 0 0 Black 1,556 3 0 7" in said
    assert "SECRET-NAME" not in page
    assert ".jpg" not in page


def test_settings_say_who_chose_them():
    settings = replace(samples.SETTINGS, tolerance=0.025)
    said = text_of(render(samples.results(samples.emoji(), settings=settings)))

    assert re.search(r"tolerance 2\.5 points [^0-9]*? set for this run", said)
    assert "alpha 0.05 error rate of every test, and of the intervals the program's default" in said


def test_several_audits_have_a_grid_and_each_its_own_first_screen(page, said):
    assert "Every question Gap in points with its 95 % interval or, if equivalent, the bound of the equivalence test." in said
    assert page.count('<article class="audit"') == 2
    assert len(re.findall(r'<h2 id="a[12]-answer" class="headline">', page)) == 2
    assert "Audit of 2 models with 2 probes" in said
    assert "Are role answers equally accurate regardless of gender? Disparity 26 [14, 38] not tested" in said
    assert "Every question" not in render(samples.results(samples.emoji()))


def test_nothing_is_called_fair_or_passed(page):
    assert not re.search(r"\bfair\b|\bpass(ed)?\b|\bunbiased\b", text_of(page), re.IGNORECASE)


# ---- what cannot be estimated ----------------------------------------------------------------------------------------------------------


def odd(cells):
    """Return an audit whose only finding has these cells."""
    base = samples.emoji()
    findings, verdict = samples.concluded([samples.finding("role", Claim("accuracy", ("gender",)), "high", cells)])
    return samples.results(replace(base, findings=findings, paired=(), specifications=(), verdict=verdict))


@pytest.mark.parametrize(
    "cells",
    [{("man",): (0, 0), ("woman",): (0, 0, "not estimable")}, {("man",): (3, 5), ("woman",): (0, 0)}, {}],
    ids=["nothing to divide by", "one small group", "no groups"],
)
def test_a_finding_that_cannot_be_estimated_is_told_in_words(cells):
    said = text_of(render(odd(cells)))

    assert "Nothing can be compared: no two groups have at least 30 images that count." in said
    assert "Not estimable 1 question: fewer than two groups with 30 images that count : Role accuracy by gender" in said
    assert "nan" not in said.lower().split()


def test_a_table_has_no_empty_columns_of_differences_where_no_group_is_compared():
    compared = render(odd({("man",): (50, 60), ("woman",): (20, 50)}))
    alone = render(odd({("man",): (3, 5), ("woman",): (0, 0)}))

    assert "Minus the rest [interval] Adj. p" in text_of(compared)
    assert "Minus the rest" not in text_of(alone)


def test_equal_rates_and_results_without_an_audit_draw_a_page():
    assert "gap 0" in text_of(render(odd({("man",): (50, 50), ("woman",): (50, 50)})))
    assert "This file has no audits." in render(samples.results())


def test_pairs_of_which_none_is_complete_draw_a_page():
    audit = samples.emoji()
    undefined = dict.fromkeys(("flip_rate", "flip_low", "flip_high", "difference", "low", "high"))
    nothing = tuple(replace(each, n=0, incomplete=100, p_adjusted=1.0, **undefined) for each in audit.paired)
    said = text_of(render(samples.results(replace(audit, paired=nothing))))

    assert "gender: man → woman role not estimable 0, 100 incomplete not estimable" in said


def test_labels_that_stand_for_another_answer_say_for_which():
    audit = samples.emoji()
    prompts, answers = {"man judge": ("a man judge", "man judge")}, {"man judge": "judge"}
    record = replace(audit.measurements[0], labels=("man judge",), prompts=prompts, answers=answers, combine="sum")
    said = text_of(render(samples.results(replace(audit, measurements=(record, *audit.measurements[1:])))))

    assert "Label Prompt Answers man judge a man judge , man judge judge" in said
    assert "The probabilities of the labels of one answer are summed" in said
    assert "The embeddings of a label's prompts are averaged." in said
