"""The page's own slicer, driven in a real browser: its numbers are those that the audit's statistics give for the same slice."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.results import MeasurementRecord
from audit.statistics.counts import GroupedCounts, count_record, grouped_counts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import METRICS, tally
from audit.types import UNKNOWN, LabelSet, Measurement, Predictions
from reports.render import render
from reports.section import PRINTING
from reports.sections.provenance.slicer import HASH
from tests.support import report_samples as samples

LEVELS = {"race": ("A", "B", "C", "D"), "gender": ("f", "m"), "age": ("old", "young", "never seen")}
ANSWERS = ("thief", "animal", "unclear")
OUTCOMES = {"harm": ("thief", "animal"), "crime": ("thief",)}
HOSTILE = "</script><img src=x onerror=alert(1)>"


def predictions(seed, n=900):
    """Answers to images of uneven groups, some of unknown race or truth, one level without any image."""
    rng = np.random.default_rng(seed)
    attributes = pd.DataFrame(
        {
            "race": rng.choice([*LEVELS["race"], UNKNOWN], n, p=[0.5, 0.3, 0.15, 0.03, 0.02]),
            "gender": rng.choice([*LEVELS["gender"], UNKNOWN], n, p=[0.6, 0.39, 0.01]),
            "age": rng.choice(["old", "young"], n, p=[0.1, 0.9]),
        }
    )
    return Predictions(
        labels=ANSWERS,
        scores=np.zeros((n, len(ANSWERS)), np.float32),
        answers=ANSWERS,
        y_pred=rng.choice(np.array(ANSWERS), n, p=[0.2, 0.1, 0.7]),
        y_true=rng.choice(np.array([*ANSWERS, UNKNOWN]), n, p=[0.3, 0.1, 0.5, 0.1]),
        attributes=attributes,
        margin=np.ones(n, np.float32),
    )


def measurement(name):
    return Measurement(name, f"What is said? ({name})", LabelSet("words", ANSWERS, {a: (a,) for a in ANSWERS}), "test v1", (),
                       truth="word", outcomes=OUTCOMES)  # fmt: skip


def record(asked):
    return MeasurementRecord(asked.name, asked.question, asked.preset, asked.label_set.labels, asked.label_set.prompts, {}, "argmax",
                                   asked.truth, asked.outcomes, 0.01, 0.0, 1.0, dict.fromkeys(ANSWERS, 1))  # fmt: skip


def with_counts(asked, answered, levels=LEVELS):
    everything = samples.everything()
    counts = tuple(count_record(each, given, levels) for each, given in zip(asked, answered, strict=True))
    audit = replace(everything.audits[0], measurements=tuple(map(record, asked)), counts=counts)
    return replace(everything, audits=(audit,))


# ---- without a browser ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_script_is_small_and_its_hash_is_the_policys():
    page = render(with_counts([measurement("words")], [predictions(0)]))
    script = (Path(__file__).parents[4] / "reports" / "sections" / "provenance" / "slicer.js").read_bytes()

    assert len(script) <= 20_000
    assert script.decode() in page
    assert f"script-src '{PRINTING}' '{HASH}';" in page
    assert page.count("<script") == 3  # and the island of data


def test_results_without_counts_have_a_page_without_slicer(everything):
    page = render(replace(everything, audits=tuple(replace(audit, counts=()) for audit in everything.audits)))

    assert "slice" not in page.partition("</style>")[2]
    assert f"script-src '{PRINTING}';" in page


def test_hostile_levels_stay_in_the_island():
    answered = predictions(0)
    answered.attributes["race"] = answered.attributes["race"].replace("A", HOSTILE)
    page = render(with_counts([measurement("words")], [answered], {**LEVELS, "race": (HOSTILE, "B", "C", "D")}))
    island = page.split('id="slicer-data">')[1].split("</script>")[0]

    assert HOSTILE not in page
    assert json.loads(island)["tables"][0]["attributes"][0]["levels"][0] == HOSTILE


# ---- in a browser --------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answered():
    return [predictions(seed) for seed in (1, 2)]


@pytest.fixture(scope="module")
def page(browser, answered, tmp_path_factory):
    file = tmp_path_factory.mktemp("slicer") / "report.html"
    file.write_text(render(with_counts([measurement("one"), measurement("two")], answered)), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.logged = []
    page.on("console", lambda message: page.logged.append(message.text))
    page.on("pageerror", lambda error: page.logged.append(str(error)))
    page.goto(file.as_uri())
    page.locator("#slice-fold > summary").click()
    yield page
    page.close()


def choose(page, query):
    """Set the controls as a person would, one after the other."""
    page.select_option("#slice-table", str(query["table"]))
    page.select_option("#slice-metric", query["metric"])
    page.select_option("#slice-label", label=query["label"])
    for name in LEVELS:
        page.set_checked(f"#slice-by input[data-name={name}]", name in query["by"])
    for i, name in enumerate(LEVELS):
        page.select_option(f"#slice-only-{i}", label=query["only"].get(name, "all"))
    offered = page.eval_on_selector_all("#slice-reference option", "found => found.map(option => option.textContent)")
    page.select_option("#slice-reference", label=offered[query["reference"] % len(offered)])
    return offered[query["reference"] % len(offered)]


READ = """rows => rows.map(row => [row.querySelector("th").textContent,
                                   [...row.querySelectorAll("data")].map(node => node.value)])"""


def expected(answered, query, reference):
    """Compute the slice from the images, with the functions that make findings."""
    keep = np.ones(len(answered.y_pred), bool)
    for name, level in query["only"].items():
        keep &= (answered.attributes[name] == level).to_numpy()
    part = replace(answered, y_pred=answered.y_pred[keep], y_true=answered.y_true[keep], attributes=answered.attributes[keep],
                   scores=answered.scores[keep], margin=answered.margin[keep])  # fmt: skip
    outcome = None if query["label"].startswith("any") else frozenset(OUTCOMES.get(query["label"], (query["label"],)))
    by = [name for name in LEVELS if name in query["by"]]
    counts = grouped_counts(part, by, LEVELS) if by else everybody(part)
    tallied = tally(counts, METRICS[query["metric"]], outcome)
    statuses = tallied.statuses(30)
    rows = []
    ok = [i for i, status in enumerate(statuses) if status == "ok"]
    for i, group in enumerate(tallied.groups):
        k, n = int(tallied.events[i]), int(tallied.n[i])
        values = [n, k]
        if n:
            values += [k / n, *map(float, wilson(k, n, 0.05))]
        others = [j for j in ok if j != i and reference in ("the rest", " × ".join(tallied.groups[j]))]
        if statuses[i] == "ok" and (m := int(tallied.n[others].sum())):
            e = int(tallied.events[others].sum())
            values += [k / n - e / m, *map(float, newcombe(k, n, e, m, 0.05))]
        rows.append((" × ".join(group) or "all images", values, statuses[i]))
    return rows


def everybody(part):
    counts = grouped_counts(part, ["gender"], LEVELS)
    return GroupedCounts(counts.table, ((),), np.zeros(len(counts.table), np.int64))


def queries(count):
    rng = np.random.default_rng(7)
    for _ in range(count):
        metric = str(rng.choice([name for name in METRICS if name != "retrieval_rate"]))  # that is a selection rate inside galleries
        labels = [*OUTCOMES, *ANSWERS, *(["any: the right answer"] if metric == "accuracy" else [])]
        only = {name: str(rng.choice(LEVELS[name][:2])) for name in LEVELS if rng.random() < 0.2}
        by = [name for name in LEVELS if rng.random() < 0.5]
        yield {"table": int(rng.integers(2)), "metric": metric, "label": str(rng.choice(labels)), "by": by, "only": only,
               "reference": int(rng.integers(6))}  # fmt: skip


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.parametrize("count", [15, pytest.param(50, marks=pytest.mark.slow)])
def test_random_slices_are_what_the_audit_computes(page, answered, count):
    seen = set()
    for query in queries(count):
        reference = choose(page, query)
        shown = page.eval_on_selector_all("#slice-rows tr", READ)
        wanted = expected(answered[query["table"]], query, reference)

        assert [row[0] for row in shown] == [row[0] for row in wanted], query
        for (name, values), (_, numbers, status) in zip(shown, wanted, strict=True):
            read = [float(number) for value in values[:-1] for number in value.split()]
            assert values[-1] == status, (query, name)
            assert read == pytest.approx(numbers, abs=1e-9), (query, name)
            seen.add((status, len(numbers)))
    # Every kind of row occurred: compared with and without another side, too small, without a denominator, absent, unknown.
    assert {("ok", 8), ("ok", 5), ("small", 5), ("absent", 2), ("unknown", 5)} <= seen
    assert page.logged == []


@pytest.mark.browser
def test_the_heat_map_and_the_chart_follow(page):
    choose(page, {"table": 0, "metric": "accuracy", "label": "any: the right answer", "by": ["race", "gender"], "only": {}, "reference": 0})

    assert page.locator("#slice-charts svg.forest").count() == 1
    assert page.locator("#slice-charts .heat tbody tr").count() == len(LEVELS["race"])
    rows = page.locator("#slice-rows tr").count()
    assert f"of {rows} groups have enough images" in page.inner_text("#slice-summary")

    page.set_checked("#slice-by input[data-name=gender]", False)
    assert page.locator("#slice-charts .heat").count() == 0


@pytest.mark.browser
def test_the_caption_says_what_was_chosen_since_paper_has_no_controls(page):
    choose(
        page, {"table": 0, "metric": "selection_rate", "label": "harm", "by": ["race", "gender"], "only": {"age": "young"}, "reference": 0}
    )
    said = re.sub("[\u2068\u2069]", "", page.inner_text("#slice-caption"))

    assert said.endswith("selection rate; harm; only age young; by race × gender; differences from the rest")
    assert said.startswith("one: What is said? (one)")


@pytest.mark.browser
def test_the_tolerance_moves_what_is_marked_as_beyond(page):
    choose(page, {"table": 0, "metric": "selection_rate", "label": "harm", "by": ["gender"], "only": {}, "reference": 0})
    marks = "#slice-rows td:nth-of-type(5)"
    page.fill("#slice-tolerance", "0")
    page.press("#slice-tolerance", "Enter")
    page.locator("#slice-tolerance").blur()
    lows = page.eval_on_selector_all("#slice-rows tr", READ)[0][1]
    low, high = map(float, lows[3].split()[1:])

    assert page.locator(marks).first.inner_text() == ("exceeds it" if low > 0 or high < 0 else "not detected")

    page.fill("#slice-tolerance", "100")
    page.locator("#slice-tolerance").blur()
    assert page.locator(marks).first.inner_text() == "not detected"


@pytest.mark.browser
def test_the_keyboard_reaches_every_control(page):
    page.locator("#slice-table").focus()
    reached = set()
    for _ in range(20):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.name"))
        page.keyboard.press("Tab")

    assert {"slice-table", "slice-metric", "slice-label", *LEVELS, "slice-only-0", "slice-reference", "slice-tolerance"} <= reached


@pytest.mark.slow
@pytest.mark.browser
def test_without_a_script_the_slicer_is_not_there_and_the_page_is(visit, answered, tmp_path):
    (tmp_path / "report.html").write_text(render(with_counts([measurement("one")], answered[:1])), "utf-8")
    page = visit((tmp_path / "report.html").as_uri(), java_script_enabled=False)

    assert not page.locator("#slice-section").is_visible()
    assert not page.locator(".slice-link").is_visible()
    assert page.locator("h1").is_visible()


STATE = """() => ["table", "metric", "label", "reference", "tolerance", "only-0", "only-1", "only-2"].map(
    name => document.getElementById("slice-" + name).value).concat([document.getElementById("slice-numbers").innerText])"""


@pytest.mark.browser
def test_a_slice_stands_in_the_address_and_comes_back_from_it(page, visit):
    assert not visit(page.url.partition("#")[0]).evaluate("location.hash")
    choose(
        page, {"table": 1, "metric": "selection_rate", "label": "harm", "by": ["race", "gender"], "only": {"age": "young"}, "reference": 2}
    )
    page.fill("#slice-tolerance", "2.5")
    page.locator("#slice-tolerance").blur()
    again = visit(page.url)

    assert "#slice?" in page.url
    assert again.evaluate(STATE) == page.evaluate(STATE)
    assert again.locator("#slice-rows").is_visible()
    assert again.logged == []
    assert again.asked == [page.url.partition("#")[0]]


@pytest.mark.browser
@pytest.mark.slow_except("table=9&metric=x&label=&by=7&only=5&reference=y&tolerance=z", "table=0&by=", "%")
@pytest.mark.parametrize("state", ["table=9&metric=x&label=&by=7&only=5&reference=y&tolerance=z", "table=0&by=", "%", "by=%F0%9F"])
def test_an_address_with_choices_that_the_page_has_not_got_is_passed_over(page, visit, state):
    opened = visit(f"{page.url.partition('#')[0]}#slice?{state}")

    assert opened.locator("#slice-rows tr").count() > 0
    assert opened.logged == []
