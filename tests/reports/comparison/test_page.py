"""The page of a comparison: whole, the same for the same facts, closed to the outside; its Markdown and its terminal table."""

import hashlib
import re
from collections import Counter
from dataclasses import replace

import pytest

from audit.records.comparison import to_json
from audit.types import Note
from reports.charts.curves import gap_curve, rate_curve
from reports.exports.markdown import comparison_markdown
from reports.exports.terminal.changes import comparison_lines
from reports.read import read_comparisons
from reports.render import main, render_comparisons
from reports.section import PRINTING
from reports.text import comparison as comparison_text
from reports.text import phrases
from tests.support import comparison_samples as samples
from tests.support.page_text import Walk, text_of


@pytest.fixture(scope="module")
def facts():
    return samples.skewed_and_plain()


@pytest.fixture(scope="module")
def steps():
    return samples.four_steps()


@pytest.fixture(scope="module")
def page(facts):
    return render_comparisons(facts)


@pytest.fixture(scope="module")
def said(page):
    return text_of(page)


# ---- one file, always the same -------------------------------------------------------------------------------------------------------


def test_equal_facts_give_equal_bytes_and_the_page_is_drawn_again_from_them(facts, page, tmp_path, capsys):
    (tmp_path / "comparison.json").write_text(to_json(facts), "utf-8")

    assert render_comparisons(read_comparisons(tmp_path)) == page
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "comparison.html").read_text("utf-8") == page
    assert capsys.readouterr().out.strip() == str(tmp_path / "comparison.html")


@pytest.mark.parametrize("which", ["facts", "steps"])
def test_nothing_on_the_page_leads_outside_every_link_arrives_and_no_place_has_two_names(which, request):
    page = render_comparisons(request.getfixturevalue(which))
    walk = Walk(page)
    ids = Counter(walk.all("id"))

    assert {tag for tag, *_ in walk.shape}.isdisjoint({"img", "link", "iframe", "object", "base", "form", "image"})
    assert all(href.startswith("#") for href in walk.all("href"))
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"/\*.*?\*/", "", page))
    assert f"script-src '{PRINTING}';" in page
    assert page.count("<script") == 1
    assert not [name for _, name, _ in walk.values if name.startswith("on") or name in ("src", "style", "srcset")]
    assert max(ids.values()) == 1
    assert {href[1:] for href in walk.all("href")} <= set(ids)
    assert {name for names in walk.all("aria-labelledby") for name in names.split()} <= set(ids)


def test_the_last_line_is_the_hash_of_the_facts(facts, said):
    expected = hashlib.sha256(to_json(facts).encode()).hexdigest()

    assert said.endswith(f"sha256 of comparison.json, time stamps included: {expected}")


def test_a_hash_is_of_the_weights_only_if_a_model_was_loaded(facts):
    """Predictions from a file have no weights: the page called the hash of the file "sha256 of the weights"; it is no title either."""
    before, after = facts.sides
    external = replace(before, model=replace(before.model, parameters=0, dimensions=0))
    page = render_comparisons(replace(facts, sides=(external, after)))
    text = text_of(page)

    assert f'content: "{after.model.sha256[:12]}"' in page  # the running header of a print
    assert before.model.sha256[:12] not in text.partition("Appendix")[0]

    assert f"{before.model.sha256[:12]} (file of answers)" in text
    assert f"{after.model.sha256[:12]} (weights)" in text
    assert f"{before.model.sha256[:12]} (weights)" not in text


def test_hostile_names_add_no_element(facts):
    def named(text):
        sides = tuple(
            replace(side, name=f"{text}{i}", directory=text, model=replace(side.model, data_card=text, name=text))
            for i, side in enumerate(facts.sides)
        )
        before, after = (side.name for side in sides)
        comparisons = tuple(
            replace(comparison, before=before, after=after, not_compared=(Note.of(text),)) for comparison in facts.comparisons
        )
        return render_comparisons(replace(facts, sides=sides, comparisons=comparisons, command=(text, text), notes=(Note.of(text),)))

    hostile = named('"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e')
    assert Walk(hostile).shape == Walk(named("x")).shape
    assert "\u202e" not in hostile


# ---- what is said --------------------------------------------------------------------------------------------------------------------


def test_the_first_screen_counts_the_changes_names_the_largest_and_says_whose_rate_moved(said):
    first = said.partition("Both planned questions Gap:")[0]

    assert first.count("plain/ckpt.pt against skewed/ckpt.pt") == 2  # the title of the window and the heading
    assert "the same 360 images, paired" in first
    assert "2 gaps shrank" in first
    # Of the 40 cats of group b, 20 were recognised, then 38: +45 points. The others fell from 40 to 39: the gap is 97.5 - 95 points.
    assert "The gap in true positive rate for ‘cat’ by group shrank from 50 to 3 points." in first
    assert "b improved by 45 points." in first
    assert "b 50 → 95 %" in first
    assert "gap before 50 points gap shrank to 3 points" in first


def test_below_it_stand_the_images_the_caveats_and_what_was_not_tested(said):
    compared = said.partition("What was compared")[2]

    assert "Paired on 360 images that both models answered." in compared
    assert "skewed/ckpt.pt alone: disparity." in compared
    assert "everything else" in compared
    assert "animal/precision[cat]/group: counted over the images that a model selects" in compared


def test_a_model_that_may_not_use_the_images_is_named_before_the_headline(facts):
    """All gaps of a model that always gives one answer shrink to nothing, which is no good news."""
    note = Note("does_not_look", {"name": "plain/ckpt.pt", "measurements": ("animal",)})
    other = Note("does_not_look", {"name": "a third model", "measurements": ("animal",)})
    page = text_of(render_comparisons(replace(facts, notes=(note, other))))
    lead = "We found no evidence that plain/ckpt.pt uses the images (animal)"

    assert page.index(lead) < page.index("2 gaps shrank")
    assert "a third model" not in page.partition("What was compared")[0]


def test_every_group_stands_in_a_table_with_both_rates(facts, said):
    for change in facts.comparisons[0].changes:
        for cell in change.by_group:
            assert comparison_text.change_text(cell).replace("\xa0", " ") in said
            assert f"{cell.gained} {cell.lost} " in said
    assert "All numbers are rounded separately" in said


def test_a_series_says_when_the_gap_appears_and_has_the_numbers_behind_its_curves(steps):
    text = text_of(render_comparisons(steps))

    assert "4 checkpoints of one run, step by step" in text
    assert "From step 100 on, a gap is detected at every checkpoint. From step 200 on, it exceeds 5 points" in text
    assert "A gap is detected from step 100" in text
    assert "Exceeds the tolerance from step 200" in text
    for trajectory in steps.series[0].trajectories:
        for point in trajectory.points:
            assert phrases.size(point.gap).replace("\xa0", " ") in text


@pytest.mark.slow
def test_models_that_are_always_right_have_a_page():
    page = render_comparisons(samples.all_right())

    assert "100.0 % [96.9, 100.0]" in text_of(page)
    assert "Equivalent" in text_of(page)


@pytest.mark.slow
def test_of_more_than_two_models_an_overview_leads_to_each_comparison():
    page = render_comparisons(samples.three_models())
    walk = Walk(page)

    assert "2 models against x/ckpt.pt" in text_of(page)
    assert "Prefer y/ckpt.pt to x/ckpt.pt if this gap decides: it is smaller, paired by image." in text_of(page)
    assert {"#c1", "#c2"} <= set(walk.all("href"))
    assert page.index('<figure class="multiples">') < page.index('<article class="audit"')
    assert max(Counter(walk.all("id")).values()) == 1
    assert "corrected for all 4 changes of planned questions on this page" in text_of(page)


def test_no_page_says_fixed_or_fair(said, steps):
    for text in (said, text_of(render_comparisons(steps)), comparison_markdown(steps), comparison_lines(steps)):
        assert not re.search(r"\b(fixed|unfair|fair|fairness|passed|repaired)\b", text, re.IGNORECASE)


def test_a_limited_comparison_says_so(facts):
    limited = replace(
        facts,
        comparisons=tuple(replace(comparison, limited=True, verdict="inconclusive", direction=None) for comparison in facts.comparisons),
    )

    assert "LIMITED RUN. The verdict of such a run is always “inconclusive”." in text_of(render_comparisons(limited))
    assert "LIMITED RUN" in comparison_markdown(limited)


def test_markdown_is_short_and_has_a_row_for_every_question_that_counts(facts):
    text = comparison_markdown(facts)
    rows = [line for line in text.splitlines() if line.startswith("| ")]

    assert len(rows) == 1 + 2  # the share given 'cat' has the error rates
    assert any(row.startswith("| gap shrank | Animal accuracy by group | 50 points: b 50.0 % (120), a 100.0 % (120) |") for row in rows)
    assert "**Gap shrank.**" in text
    assert len(text.splitlines()) < 40


@pytest.mark.parametrize(("claims", "counted"), [(1, "1 planned question"), (2, "2 planned questions")])
def test_one_question_counts_and_two_count(steps, claims, counted):
    assert f"for {counted}. The start of a gap" in comparison_text.series_sentence(replace(steps.series[0], claims=claims))


@pytest.mark.parametrize("which", ["facts", "steps"])
def test_the_terminal_has_eighty_columns(which, request):
    text = comparison_lines(request.getfixturevalue(which))

    assert max(map(len, text.splitlines())) <= 80
    assert "Animal accuracy by group" in text
    assert "Paired on 360 images" in text.replace("\n", " ")
    flat = text.replace("\n", " ")
    assert "2 questions cannot be paired: its truth is known, so a comparison is of the true and false positive rates." in flat
    assert "counted over the images that a model selects" in flat


# ---- where the marks stand -----------------------------------------------------------------------------------------------------------


def test_curves_rise_with_the_gap_and_mark_where_it_appears(steps):
    trajectory = next(each for each in steps.series[0].trajectories if each.id == "animal/accuracy/group")
    gap, rates = gap_curve(trajectory), rate_curve(trajectory)
    places = [tuple(map(int, place.split())) for place in gap.line[1:].split("L")]

    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[2][1] < places[1][1] < places[0][1]  # upwards on the screen is a smaller y
    assert gap.plane.onset == str(places[1][0])
    assert [line.label.text for line in rates.lines] == ["a", "b", "c"]
    heights = [int(line.label.y) for line in rates.lines]
    assert min(abs(a - b) for i, a in enumerate(heights) for b in heights[i + 1 :]) >= 14


def test_two_equal_gaps_read_alike_and_so_do_the_rates_and_the_change(facts):
    """2.538 points with an interval of 5 points carries one decimal, with one of 12 none: side by side both have one."""
    change = next(each for each in facts.comparisons[0].changes if each.gap)
    cell = change.by_group[0]
    before = replace(change.gap.before, value=0.02538, low=0.0, high=0.051)
    after = replace(change.gap.after, value=0.02538, low=0.0, high=0.12)
    gap = replace(change.gap, before=before, after=after, difference=0.0, low=-0.061, high=0.061)
    narrow = replace(cell.before, value=0.62538, low=0.6, high=0.65)
    wide = replace(cell.after, value=0.62538, low=0.5, high=0.75)
    moved = replace(cell, before=narrow, after=wide, difference=0.0, low=-0.1, high=0.1, low_adjusted=-0.12, high_adjusted=0.12)
    same = replace(change, gap=gap, by_group=(moved, *change.by_group[1:]), verdict="inconclusive")
    said = comparison_text.headline(same).replace("\u00a0", " ")
    assert "the gap goes from 2.5 points [0.0, 5.1] to 2.5 points [0.0, 12.0], a change of 0.0 [−6.1, 6.1] points" in said
    ends = [comparison_text.end_text(same, after=after).replace("\u00a0", " ") for after in (False, True)]
    assert all(end.startswith("2.5 points: ") for end in ends)
    assert comparison_text.cell_ends(moved) == ("62.5\u00a0%", "62.5\u00a0%")
    assert dict(comparison_text.facts(same))["Gap after"].startswith("2.5")
    page = text_of(render_comparisons(replace(facts, comparisons=(replace(facts.comparisons[0], changes=(same,)),))))
    assert "62.5 % [60.0, 65.0] 62.5 % [50.0, 75.0]" in page


def test_the_first_screen_has_one_decimal_at_most(facts):
    """From 4.059 to 100.000 points: an interval of .2 points supports three decimals, a headline does not."""
    comparison = facts.comparisons[0]
    change = next(each for each in comparison.changes if each.id == "animal/accuracy/group")
    before, after = (replace(ends, value=value, low=value - 1e-4, high=value + 1e-4) for ends, value in
                     ((change.gap.before, 0.040592), (change.gap.after, 0.9)))  # fmt: skip
    gap = replace(change.gap, before=before, after=after, difference=0.859408, low=0.8590, high=0.8597)
    exact = replace(change, gap=gap, direction="grew")
    page = text_of(render_comparisons(replace(facts, comparisons=(replace(comparison, changes=(exact,)),))))
    first = page.partition("In detail Gap")[0]

    assert "The gap in animal accuracy by group grew from 4.1 to 90.0 points." in first
    assert "95 % interval +85.9 to +86.0 +85.9 points" in first
    assert "gap grew to 90.0 points" in first
    assert "4.059" not in first


@pytest.mark.slow
@pytest.mark.browser
def test_the_numbers_of_a_print_stay_within_their_column(browser, tmp_path):
    """ "+13.8 points" pushed the third number over the chart."""
    (tmp_path / "page.html").write_text(render_comparisons(samples.skewed_and_plain()), "utf-8")
    page = browser.new_page(viewport={"width": 680, "height": 900})
    page.emulate_media(media="print")
    page.goto((tmp_path / "page.html").as_uri())
    ends = "selector => Math.max(...[...document.querySelectorAll(selector)].map(one => one.getBoundingClientRect().right))"
    page.evaluate("document.querySelectorAll('.changed .tiles dd').forEach(one => one.textContent = '+13.8\u00a0points')")

    assert page.evaluate(ends, ".changed .tiles > div") <= page.evaluate(ends, ".changed .said") + 1
    page.close()
