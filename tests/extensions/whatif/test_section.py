"""What-ifs on the page: every number, the bound words, hostile names."""

from dataclasses import replace

import pytest

from audit.extensions.whatif import EXTENSION
from audit.extensions.whatif import section as section_module
from audit.extensions.whatif.methods import METHODS, RERANKING
from audit.extensions.whatif.record import Refused
from audit.extensions.whatif.sentences import DESCRIPTIONS, ENDINGS, PUBLISHED, ending_text, units_sentence
from audit.records.base import Estimate
from audit.records.changed_model import CONTENT
from audit.records.finding import WithinClusters
from audit.results import from_json, to_json
from audit.types import Note
from reports.context import audit_contexts
from reports.render import render
from reports.text.reasons import FEWEST_CLUSTERS
from tests.extensions.whatif.samples import asked, frontier, records, what_if
from tests.support import report_samples as samples
from tests.support.page_text import text_of


@pytest.fixture(scope="module")
def results():
    everything = samples.everything()
    return replace(everything, audits=(everything.audits[0].with_analyses({"what_ifs": records()}), *everything.audits[1:]))


@pytest.fixture(scope="module")
def page(results):
    return render(results)


@pytest.fixture(scope="module")
def text(page):
    return section(page)


def questions(what_ifs):
    made = samples.everything()
    return section_module.view(audit_contexts(replace(made, audits=(made.audits[0].with_analyses({"what_ifs": what_ifs}),)))[0]).questions


def section(page):
    return text_of(page).partition("What would change with other methods, computed")[2].partition("are drawn at random")[0]


@pytest.mark.slow
def test_results_carry_them_and_come_back_the_same(results):
    assert from_json(to_json(results)) == results


def test_every_setting_stands_on_the_page_with_its_cost(text):
    for part in (
        "12 points [4, 20] −18 [−27, −9] .013 smaller 7.1 points 97 % 85.0 % −5.0 [−10.0, −1.0]",
        "man minus woman",
        "all woman 79.0 %, man 91.0 % +30.0 → +12 [4, 20] 4.0 → 12.0: larger",
        "20 points [12, 28] −10 [−19, −1] .31 no change detected 7.1 points 97 % 80.0 %",
        "5 points [0, 13] −25 [−34, −16] .013 levelled down: no group is better off 7.1 points no such control 70.0 %",
        "unmodified 30 points [22, 38] 90.0 %",
        "95.0 → 91.0 (6 %) 65.0 → 79.0 (22 %)",
        "3 settings of 2 methods were tried, and all of them are shown",
        "each p is adjusted for that number (Holm)",
        "The sampling unit is the role: all its images stay in one half; the shown half holds 20 of them.",
        "Too few images or clusters in this half to compare: person.",
        "Neutral label (2 settings): too few.",
        "Judged by gender × tone: too few.",
        "Every setting was refused, for the reasons below.",
        "Legal note.",
    ):
        assert part in text, part


def test_a_question_that_is_compared_within_clusters_says_that_its_what_ifs_are_not():
    said = "The verdict compares groups within clusters; gaps here are differences of rates over all images of this half."
    made = samples.everything()
    within = WithinClusters(clusters=20, images_left_out=0, over_all_images=0.26, standard_error=0.004, freedom=19.0)
    findings = tuple(
        replace(finding, gap=replace(finding.gap, within=within)) if finding.id == "role/accuracy/gender" else finding
        for finding in made.audits[0].findings
    )
    other = asked(target=frontier((what_if(), True), finding="role/accuracy/tone"), other_attributes=())
    audit = made.audits[0].with_analyses({"what_ifs": (asked(), other)})
    for shown, expected in ((audit, [False, False]), (replace(audit, findings=findings), [True, False])):
        view = section_module.view(audit_contexts(replace(made, audits=(shown,)))[0])
        assert [said in question.caveats for question in view.questions] == expected


def test_the_words_are_bound(text):
    assert "What each method would change on these images, at the setting that the probe fixes" in text
    assert "The verdict above belongs to the unmodified model, and gates ignore this section." in text
    assert "does not mean less harm in use" in text
    for word in ("fixed the", "debiased", "fair ", "unbiased", "mitigat", "best setting"):
        assert word not in text.lower(), word
    assert text.count("default") >= 2


def test_only_defaults_have_sentences_all_settings_are_rows_and_what_needs_no_group_has_no_legal_note():
    question, bare = questions((asked(), asked(target=frontier((what_if(), True)), other_attributes=())))
    assert len(question.chart.rows) == 2
    assert [row.default for row in question.rows] == [True, False, True]
    assert "Gap by tone" in question.columns
    assert not bare.legal


@pytest.mark.slow
def test_what_is_published_about_projections_is_said_where_one_was_tried():
    other = frontier((what_if("neutral-label", "with a child"), True))
    one, without = questions((asked(), asked(target=other, other_attributes=())))
    assert PUBLISHED in one.caveats
    assert PUBLISHED not in without.caveats


def test_every_method_and_ending_has_words():
    assert tuple(EXTENSION.analyses[0].methods) == (*(method.name for method in METHODS), RERANKING) == tuple(DESCRIPTIONS)
    for ending in ENDINGS:
        assert ENDINGS[ending] in ending_text(what_if(outcome=ending))


def test_the_sampling_unit_is_named(page):
    by_image = asked(unit=CONTENT)
    clusters = "The sampling unit of every interval, p and cost, and of the gap expected by chance, is the role"
    assert units_sentence((asked(), asked())) == f"{clusters}."
    assert units_sentence((by_image,)) == "The sampling unit is the image."
    assert units_sentence((by_image, asked())) == f"{clusters}; for a question without clusters it is the image."
    (question,) = questions((by_image,))
    assert question.caveats == ("Too few images in this half to compare: person.", PUBLISHED)
    assert "paired: before and after on the same images. The sampling unit of every interval, p and cost" in text_of(page)


def test_what_could_not_be_judged_is_not_tried_and_says_why():
    from audit.statistics.units.cluster_units import FEWEST_CLUSTERS as OF_THE_AUDIT

    assert FEWEST_CLUSTERS == OF_THE_AUDIT
    few = Note("too_few_clusters", {"images": 30, "clusters": 15, "cluster": "role"})
    (question,) = questions((asked(target=None, other_attributes=(), refused=(Refused("", "gender", few),)),))
    assert (question.summary, question.rows) == ("Every setting was refused, for the reasons below.", ())
    assert question.refused == (
        "Judged by gender: fewer than two groups have at least 30 images in effectively 15 clusters or more in both halves (a cluster: "
        "all images of one 'role'), so that no change could be judged.",
    )
    # Older files have numbers that nothing was concluded from.
    (question,) = questions((asked(target=frontier((what_if(outcome="not judged"), True))),))
    assert question.rows[0].cells[3][1] == "not judged, because of too few clusters"


@pytest.mark.slow
def test_a_reversal_stands_with_its_own_p():
    turned = what_if(outcome="reversed", change_p_adjusted=1.0, reversal_p=0.002, reversal_p_adjusted=0.006)
    (question,) = questions((asked(target=frontier((turned, True))),))
    assert question.rows[0].cells[3][1] == "reversed: the other group is ahead (adjusted p\u00a0=\u00a0.0060)"
    assert question.rows[0].cells[2][1] == "1"


def test_another_order_stands_with_its_quality(results, page):
    tried = what_if("re-ranking", "each group's share", ndcg=(0.9412, 0.8765))
    made = results.audits[0].with_analyses({"what_ifs": (asked(target=frontier((tried, True))),)})
    text = section(render(replace(results, audits=(made,))))
    assert "Cost [interval] nDCG Answered" in text
    assert "−5.0 [−10.0, −1.0] 0.876 all" in text
    assert "unmodified 30 points [22, 38] 90.0 % 0.941" in text
    assert "Its interval is not computed." in text
    assert "nDCG" not in section(page)  # without another order


@pytest.mark.slow
def test_a_dumbbell_runs_from_the_gap_before_to_the_gap_after():
    """Gaps of 30 points before, 12 and 5 after, the first with [4, 20]: of a track of 300, of which 8 are margin on either side."""
    (question,) = questions((asked(),))
    first, second = question.chart.rows
    marks = dict(first.track)

    assert question.chart.ends == ("0 points", "30 points")
    assert [first.cells[0], second.cells[0]] == ["12\u00a0points [4,\u00a020]", "5\u00a0points [0,\u00a013]"]
    assert (marks["hole"], marks["dot cool"], marks["interval cool"]) == ("M292 11h0", "M122 11h0", "M46 11H197")
    assert first.cells[2] == "−5.0 [−10.0,\u00a0−1.0]"


@pytest.mark.slow
def test_one_point_that_changes_nothing_is_drawn():
    same = frontier((what_if(gap=0.0, accuracy=1.0, gap_before=Estimate(0.0, 0.0, 0.1)), True))
    (question,) = questions((asked(target=same),))
    assert dict(question.chart.rows[0].track)["dot cool"] == "M8 11h0"


def test_hostile_words_in_what_ifs_stay_text(results):
    bad = "<i onload=x>{{1+1}}"
    note = Note.of(bad)
    target = frontier((what_if(bad, bad, needs=(note,)), True))
    changed = asked(question=note, cost=note, refused=(Refused(bad, bad, note),), target=target)
    made = replace(results, audits=(results.audits[0].with_analyses({"what_ifs": (changed,)}), *results.audits[1:]))
    page = render(made)
    assert "<i onload" not in page
    assert "&lt;i onload=x&gt;{{1+1}}" in page
