"""The section of rankings: its sentences, its chart, its tables, and what it leaves out."""

import re
from dataclasses import replace

import pytest

from audit.analyses.records import ChanceBand
from audit.extensions.ranking.record import RankedMetric, RankedQuery, Ranking
from audit.extensions.ranking.sentences import ranking_result, search_sentence, tied_sentence
from audit.types import Note
from reports.exports.markdown import summary_markdown
from reports.exports.tables import csv_tables
from reports.exports.terminal.audits import audit_lines
from reports.render import render
from reports.text.phrases import left_out_sentence
from tests.support import report_samples as samples
from tests.support.page_text import text_of


def query(name, counts, verdict, tied=0):
    """Return a query; the first of two groups is due half of 20 images."""
    metrics = (RankedMetric("MaxSkew", 0.588, ChanceBand(0.14, 0.0, 0.336)), RankedMetric("NDKL", 0.4, ChanceBand(0.2, 0.1, 0.3)))
    return RankedQuery(name, counts, tied, metrics, "Male", 3.9, 0.0001, 0.002 if verdict == "signal" else 0.6, verdict)


HALF = ChanceBand(0.5, 0.3, 0.7)
FOUND = Ranking(
    "Who is found?", "gender", 20, "population", ("Female", "Male"), (100, 100), (("unknown", 7),), None, (HALF, HALF),
    (query("nurse <b>", (9, 11), "no signal"), query("engineer", (2, 18), "signal", tied=3)),
    (RankedMetric("Bias", -0.4, ChanceBand(0.0, -0.2, 0.2)), RankedMetric("MinSkew", -0.8, ChanceBand(-0.2, -0.4, 0.0))), (9999, 999),
)  # fmt: skip
NONE = replace(FOUND, queries=(query("nurse", (9, 11), "no signal"), query("judge", (9, 11), "no signal")), left_out=())
WITHOUT = replace(FOUND, attribute="age", reason=Note("gallery_few_groups", {"images": 30}), queries=(), means=(), chance_shares=())


def records():
    """Return analyses that fill every part of the section."""
    return FOUND, WITHOUT


def report(*rankings):
    return samples.results(samples.fairface().with_analyses({"rankings": rankings}))


def words(results):
    return " ".join(text_of(render(results)).split())


@pytest.mark.slow
def test_the_farthest_query_is_said_with_its_group_first_its_share_and_what_chance_gives():
    said = "Male, 50 % of all 200 images, fill 90 % of the first 20 for ‘engineer’; in 19 of 20 random orders 30–70 % (adjusted p = .0020)."
    assert search_sentence(FOUND, FOUND.queries[1]).replace("\u00a0", " ") == said
    page = words(report(FOUND))
    assert (
        f"1 of 2 rankings (each query by each attribute and k; false discovery rate 5 %) is beyond chance. Most significant: {said}" in page
    )
    assert "By gender: the first 20 of 200 images" in page
    assert "Left out, with fewer than 30 images or an unknown value: unknown (7)." in page
    assert "1 query end in a tie" not in page
    assert "1 query ends in a tie" in page


def test_the_chart_has_a_row_a_query_with_its_numbers_and_the_other_queries_are_folded():
    html = render(report(FOUND))
    section = html[html.index('<section class="ranking">') :]
    section = section[: section.index("</section>")]
    rows = re.findall(r'<th scope="row">(engineer|nurse &lt;b&gt;) <span class="small">Male</span>', section)
    assert rows == ["engineer", "nurse &lt;b&gt;"]  # a signal first; foreign words stay words
    engineer = section[section.index(">engineer <span") :]
    cells = re.findall(r"<td data-of=\"[^\"]*\">([^<]*)", engineer)[:4]
    assert [cell.strip().replace("\u00a0", " ") for cell in cells] == ["90 % (18)", "50 %, 30–70 %", "0.59 (up to 0.34)", ".0020"]
    assert section.index("engineer") < section.index("<details>") < section.index("nurse")
    means = section[section.index("Means over 2 queries") :]
    assert "−0.2 to 0.2" in means
    assert "down to −0.4" in means


@pytest.mark.slow
def test_where_nothing_is_beyond_chance_no_output_but_the_page_says_so_and_never_that_it_is_fair():
    results = report(NONE)
    said = "None of 2 rankings (each query by each attribute and k; false discovery rate 5 %) is beyond chance: it is undecided whether "
    assert f"{said}groups are found unequally often." in words(results)
    assert "none beyond chance" in words(results)
    for text in (audit_lines(results), summary_markdown(results)):
        assert "Not planned: None" not in text
        assert "rankings" not in text
        assert "beyond chance" not in text


def test_a_single_ranking_is_not_counted():
    one = replace(FOUND, queries=FOUND.queries[1:])
    assert ranking_result(report(one).audits[0], samples.SETTINGS).startswith(
        "The only ranking (of a query by an attribute) is beyond chance."
    )
    none = replace(NONE, queries=NONE.queries[:1])
    assert "The only ranking (of a query by an attribute) is not beyond chance" in ranking_result(report(none).audits[0], samples.SETTINGS)


def test_a_signal_is_one_line_of_terminal_and_summary():
    for text in (audit_lines(report(FOUND)), summary_markdown(report(FOUND))):
        assert " ".join(text.split()).count("Not planned: 1 of 2 rankings") == 1


@pytest.mark.slow
def test_what_is_not_estimable_says_why():
    assert "By age: the first 20 of 200 images: not estimable, because fewer than two groups have at least 30 images." in words(
        report(WITHOUT)
    )
    nobody = words(report(replace(WITHOUT, k=1, groups=(), sizes=())))
    assert "By age: not estimable, because fewer than two groups have at least 30 images." in nobody
    assert ranking_result(report(WITHOUT).audits[0], samples.SETTINGS) == "No ranking is estimable."


@pytest.mark.slow
def test_the_table_has_a_row_for_each_query_and_group_and_other_audits_have_no_such_file():
    lines = csv_tables(report(FOUND))["ranking.csv"].splitlines()
    assert len(lines) == 1 + 2 * 2
    row = dict(zip(lines[0].split(","), lines[4].split(","), strict=True))
    assert (row["query"], row["group"], row["count"], row["share"], row["chance_high"]) == ("engineer", "Male", "18", "0.9", "0.7")
    assert (row["MaxSkew"], row["MinSkew"], row["tied"], row["verdict"]) == ("0.588", "", "3", "signal")
    assert "ranking.csv" not in csv_tables(samples.results(samples.fairface()))
    assert "Who ranks first" not in render(samples.results(samples.fairface()))


@pytest.mark.parametrize(("ranking", "said"), [(NONE, ""), (FOUND, "unknown (7)")])
def test_groups_are_named_as_left_out_only_where_some_are(ranking, said):
    assert said in left_out_sentence(ranking.left_out, samples.SETTINGS)
    assert bool(said) == bool(left_out_sentence(ranking.left_out, samples.SETTINGS))


def test_ties_are_counted_in_words():
    two = replace(FOUND, queries=tuple(replace(each, tied=2) for each in FOUND.queries))
    assert tied_sentence(two).startswith(
        "2 queries end in a tie (up to 2 images that were not found have the same score as the last one found)"
    )
