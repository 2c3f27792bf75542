"""The page of a mitigation: what it says in each outcome, whole, closed to the outside, and drawn again from mitigation.json."""

import re
from collections import Counter
from dataclasses import replace
from importlib.resources import files

import pytest

from audit.api.lookup import planned_questions
from audit.errors import DataError
from audit.extensions.mitigate import sentences as text
from audit.extensions.mitigate.page import render_mitigation
from audit.extensions.mitigate.record import FILE, MITIGATION
from audit.extensions.mitigate.terminal import SIGNS, mitigation_lines
from audit.gates.changes import ChangeGates
from audit.records.comparison import Comparison
from audit.types import Note
from reports.read import read_facts
from reports.render import main
from tests.extensions.mitigate.samples import EARLIER, QUESTION, WRONG, further_training, mitigation
from tests.reports.test_length import MOST_APPENDIX_PAGES, MOST_MAIN_PAGES, MOST_SCREENS, MOST_WORDS
from tests.support import comparison_samples
from tests.support.page_length import page_length
from tests.support.page_text import Walk, text_of

NEVER = re.compile(r"debias|\bfair(er|ness)?\b|\bfix(ed|es)?\b|unbiased|\brepaired\b", re.IGNORECASE)


def first_screen(facts):
    """What a reader sees before the questions."""
    return text_of(render_mitigation(facts)).partition("planned questions")[0]


# ---- each outcome --------------------------------------------------------------------------------------------------------------------


def test_better_says_what_became_smaller_what_it_cost_and_what_is_left():
    facts = mitigation("better")
    said = first_screen(facts)

    # Of 120 images of b, 60 were wrong and 6 are: 50 points, then 98.3 % (c) - 95 % (b).
    assert "Better The gap in animal accuracy by group is smaller: 50 points before, 3 after." in said
    assert "Change. Removed from the embeddings (image and text towers): the differences between groups among images with the same" in said
    assert "No cost shown. Accuracy (animal) went from 83.3 % to 96.9 %: shown to be higher." in said
    assert "What is left: 3 points; the changed model’s own audit ends with “inconclusive”." in said
    assert "0 of 99" in said
    assert 'class="mitigated answer v-better"' in render_mitigation(facts)


def test_worse_says_so_first_and_draws_what_became_worse():
    facts = mitigation("worse")
    said = first_screen(facts)
    page = render_mitigation(facts)

    assert 'class="mitigated answer v-worse"' in page
    assert "Worse The gap in animal accuracy by group grew: 5 points before, 50 after." in said
    assert "Cost. Accuracy (animal) went from 97.8 % to 82.8 %: shown to be more than 2 points lower." in said
    assert "levelled_down" in [note.code for note in facts.reasons]
    assert "worse off" not in said  # where the gap grew, that is not said twice
    assert "Better" not in said


def test_a_loss_of_accuracy_is_the_headline_if_it_is_the_first_harm_and_else_the_cost():
    facts = mitigation("worse")
    lost = [note for note in facts.reasons if note.code == "capability_lost"]
    headline = "Accuracy (animal) fell by more than 2 points: 97.8 % before, 82.8 % after."

    assert f"Worse {headline}" in first_screen(replace(facts, reasons=tuple(lost)))
    assert headline not in first_screen(facts)


def test_levelled_down_is_said_where_the_gap_did_not_grow():
    note = Note("levelled_down", {"finding": QUESTION})
    said = first_screen(replace(mitigation("better"), outcome="worse", reasons=(note,)))

    assert "In animal accuracy by group, a group became worse off by more than 2 points, and none is shown to be better off." in said


def test_what_became_worse_is_drawn_though_it_is_another_question():
    facts = mitigation("better")
    other = next(change for change in facts.comparison.changes if change.id != QUESTION and change.gap)
    note = Note("order_reversed", {"finding": other.id, "first": "a", "second": "b"})
    worse = replace(facts, outcome="worse", reasons=(note,))

    assert f"In {text.changed_rate(other, worse)}, a and b changed places." in first_screen(worse)
    assert text.leading_change(worse) == other
    assert text.leading_change(facts).id == QUESTION


def test_no_change_shown_does_not_say_that_nothing_changed():
    said = first_screen(mitigation("no change shown"))

    # 20 of 120 wrong before, 19 after.
    assert (
        "No change shown It is not shown that the gap in animal accuracy by group became smaller: 16.7 points before, 15.8 after." in said
    )
    assert "unchanged" not in said
    assert "v-worse" not in render_mitigation(mitigation("no change shown")).partition("</style>")[2]


@pytest.mark.parametrize(
    ("controls", "but"),
    [((0.3, 0.01), "random directions do as well"), ((0.01, 0.24), "the same with shuffled groups does as well")],
)  # fmt: skip
def test_a_smaller_gap_that_random_maps_leave_too_is_said_to_be_no_effect_of_the_method(controls, but):
    facts = mitigation("better", controls=controls)

    assert facts.outcome == "no change shown"
    said = first_screen(facts)
    assert f"The gap in animal accuracy by group is smaller (50 points before, 3 after), but {but}." in said
    assert f"(p = {max(controls):.2f}; 0.05 would do)" in said


def test_a_gap_that_is_larger_by_chance_is_not_called_smaller():
    facts = mitigation("no change shown")
    turned = replace(facts.target, gap=replace(facts.target.gap, difference=0.01))
    facts = with_changes(facts, lambda change: turned if change.id == QUESTION else change)

    assert "The gap in animal accuracy by group did not become smaller: " in first_screen(facts)


def with_changes(facts, changed):
    comparison: Comparison = facts.comparison
    comparison = replace(comparison, changes=tuple(map(changed, comparison.changes)))
    return replace(facts, compared=replace(facts.compared, comparisons=(comparison,)))


def test_what_is_not_known_is_not_shown():
    facts = mitigation("no change shown")
    facts = replace(
        with_changes(facts, lambda change: replace(change, gap=None) if change.id == QUESTION else change), capability=None, controls=(),
        tried=(), refused=(), reasons=(Note("gap_not_estimable", {"finding": QUESTION}), Note("capability_unknown")), earlier=None,
    )  # fmt: skip
    said = text_of(render_mitigation(facts))

    assert f"The gap of {QUESTION} cannot be estimated on the images that it was to be judged on." in said
    assert "Cost. Not known: the probe has no true answers other than the group." in said
    assert "earlier runs on these data are not counted" in said
    for title in ("the margin of this run", "Line: the exported map", "Change of the gap under every method"):
        assert title not in said


def test_prompts_have_no_groups_to_shuffle_and_the_first_screen_says_so():
    said = first_screen(mitigation("better", controls=(0.01, None)))

    assert "only random directions could be used as a control" in said


def test_a_further_training_says_on_what_it_was_trained_and_what_its_control_is():
    facts = further_training()
    said = text_of(render_mitigation(facts))

    assert facts.outcome == "better"
    assert "Change. The weights were trained further on 300 images of the fitted half, with captions from a table." in said
    assert "Of 19 trainings on uncorrected captions, 0 leave a gap as small or smaller (p = .050)." in said
    assert "Trainings as a control" in said
    assert "Read ‘What else may have changed’ first." in said
    assert "Random directions and shuffled groups do not apply to a training. 19 models are trained in the same way on captions" in said
    assert "data.batch=75, optim.lr=1e-05, optim.epochs=10, loss.kind=softmax" in said
    assert "31 (float32)" in said
    for of_a_map in (
        "Removed from",
        "Directions removed",
        "Hidden states are unchanged",
        "Random maps",
        "mapped embeddings",
        "does not change",
        "None",
    ):
        assert of_a_map not in said
    assert "the prompts of the true answers as captions" in first_screen(further_training(captions="true answers"))
    card = text.note_for_model_card(facts)
    assert card.startswith("## Changed by vlm-audit mitigate\n\nThe weights were trained further on 300 images of the fitted half, with ")
    assert "None" not in card
    assert FILE.from_json(FILE.to_json(facts)) == facts


def test_a_training_that_uncorrected_captions_equal_or_that_needed_no_control():
    said = first_screen(further_training(p=0.3))
    assert "is smaller (50 points before, 3 after), but the same training on uncorrected captions does as well." in said
    assert "Of 19 trainings on uncorrected captions, too many leave as small a gap (p = 0.30; 0.05 would do)" in said
    worse = further_training("worse", p=None)
    assert "Trainings as a control" not in text_of(render_mitigation(worse))
    assert "a map cannot" not in " ".join(text.mitigation_steps(further_training("no change shown", p=None)))


def test_what_to_do_next_depends_on_the_outcome():
    better, worse = mitigation("better"), mitigation("worse")
    unsure = replace(better, outcome="no change shown", reasons=(Note("capability_not_shown", {"measurement": "animal", "margin": 0.02}),))

    assert "What to do next Audit the changed model on data of its intended use" in first_screen(better)
    assert "What to do next Confirm it on images that no run has used" in first_screen(replace(better, earlier=EARLIER))
    assert "What to do next Keep the original model." in first_screen(worse)
    assert "What to do next Keep the original model." in first_screen(mitigation("better", controls=(0.3, 0.01)))
    assert "What to do next Judge it on more images" in first_screen(unsure)
    assert "is smaller (50 points before, 3 after), but it is not shown that the accuracy did not fall." in first_screen(unsure)


def test_where_the_answers_went():
    said = text_of(render_mitigation(mitigation("better")))

    # Of 120 images of b, 60 were wrong and 6 are.
    assert "Group −20 points +60 points Images Only before Only after Change, points" in said
    assert "b dog cat 40 0 38 b cat dog 3 2 0" in said
    assert "Which answers changed (animal by group)" in said
    assert "Which answers changed" not in text_of(render_mitigation(mitigation("better", moved=())))


def test_gates_are_listed():
    facts = mitigation("worse")
    questions = planned_questions([comparison_samples.measurement()])
    compared = ChangeGates.of(["change[animal.accuracy by group] > 0.02"], questions).decide(facts.compared, questions)
    said = text_of(render_mitigation(replace(facts, compared=compared)))

    assert "Breached change[animal.accuracy by group] > 0.02 The gap changed by +45" in said
    assert "A gate states what must not happen" not in text_of(render_mitigation(facts))


def test_earlier_runs_are_on_the_first_screen_and_in_the_plan():
    said = text_of(render_mitigation(mitigation("better", earlier=EARLIER)))

    assert "There were 2 earlier runs on the same data on this machine: this outcome is one of several tries." in said
    assert "1 January 2026, 12:00 UTC zoo animal/accuracy/group LEACE no change shown" in said
    assert "animal/accuracy/group Projection did not end" in said
    assert "No earlier run on the same data is recorded" in text_of(render_mitigation(mitigation("better")))


@pytest.mark.parametrize("outcome", WRONG)
def test_every_part_is_there_and_no_word_promises_too_much(outcome):
    facts = mitigation(outcome)
    said = text_of(render_mitigation(facts))

    for part in (
        "Hidden states are unchanged", "Later training can bring back", "model = load(DIR)", "Changed by vlm-audit mitigate",
        "Of 99 tries with random directions, ", "Of 99 tries with shuffled groups, ", "LEACE was not tried: too few images",
        "Mean difference within class exported", "Largest fall that would not matter 2 points", "Never split between the halves",
    ):  # fmt: skip
        assert part in said, part
    for written in (said, mitigation_lines(facts), text.note_for_model_card(facts)):
        assert not NEVER.search(written.replace("fixed before", "")), NEVER.search(written)


def test_page_terminal_and_model_card_say_the_same():
    for outcome in WRONG:
        facts = mitigation(outcome)
        headline = text.outcome_sentence(facts).headline
        lines = " ".join(mitigation_lines(facts).split())
        for written in (first_screen(facts), text.note_for_model_card(facts), lines):
            assert " ".join(headline.split()) in " ".join(written.split())
        assert all(step in lines for step in text.mitigation_steps(facts))


# ---- one file, always the same -------------------------------------------------------------------------------------------------------


def test_the_page_is_drawn_again_from_mitigation_json_alone(tmp_path, capsys):
    facts = mitigation("worse")
    (tmp_path / "mitigation.json").write_text(FILE.to_json(facts), "utf-8")

    assert read_facts(tmp_path, MITIGATION, FILE.from_json, "a mitigation") == facts
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "report.html").read_text("utf-8") == render_mitigation(facts)
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")


def test_facts_that_contradict_each_other_are_an_error_of_the_file(tmp_path, capsys):
    facts = mitigation("better")
    (tmp_path / "mitigation.json").write_text(FILE.to_json(replace(facts, compared=replace(facts.compared, comparisons=()))), "utf-8")

    assert main([str(tmp_path)]) == DataError.exit_code
    assert "mitigation.json cannot be rendered" in capsys.readouterr().err


@pytest.mark.parametrize("outcome", WRONG)
def test_nothing_leads_outside_every_link_arrives_and_no_place_has_two_names(outcome):
    page = render_mitigation(mitigation(outcome))
    walk = Walk(page)
    ids = Counter(walk.all("id"))

    assert {tag for tag, *_ in walk.shape}.isdisjoint({"img", "link", "iframe", "object", "base", "form", "image"})
    assert all(href.startswith("#") for href in walk.all("href"))
    assert not re.search(r"https?:|//|url\(|@import", re.sub(r"/\*.*?\*/", "", page))
    assert page.count("<script") == 1
    assert max(ids.values()) == 1
    assert {href[1:] for href in walk.all("href")} <= set(ids)
    assert {name for names in walk.all("aria-labelledby") for name in names.split()} <= set(ids)


def test_hostile_names_add_no_element():
    def named(name):
        facts = mitigation("better")
        plan = replace(facts.plan, question=name, method=name, probe=name, unit=name, watched=(name,), capability=name)
        fold = replace(facts.fold, changed=(name,))
        half = replace(facts.shown, groups={name: 1})
        runs = (replace(EARLIER[0], method=name, probe=name, question=name),)
        changed = with_changes(facts, lambda change: replace(change, attributes=(name,), measurement=name))
        kind = replace(changed.compared.sides[1], name=name, model=replace(changed.compared.sides[1].model, kind=f"Hugging Face {name}"))
        comparison = replace(changed.comparison, after=name, before=name)
        compared = replace(changed.compared, sides=(changed.compared.sides[0], kind), comparisons=(comparison,))
        tried = tuple(replace(tried, method=name) for tried in facts.tried)
        fold = replace(fold, form="Hugging Face folder")
        return render_mitigation(
            replace(
                facts, plan=plan, fold=fold, shown=half, fitted=half, earlier=runs, compared=compared, tried=tried, command=(name, name),
                moved=(replace(facts.moved[0], group=name, before=name, after=name),),
                refused=(replace(facts.refused[0], method=name),), capability=replace(facts.capability, measurement=name),
            )
        )  # fmt: skip

    hostile = named('"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e')
    assert Walk(hostile).shape == Walk(named("x")).shape
    assert "\u202e" not in hostile
    assert "AutoModel.from_pretrained(DIR)" in hostile


def test_forty_groups_fit():
    facts = mitigation("better")
    many = comparison_samples.forty_groups()
    page = render_mitigation(replace(facts, compared=many))

    assert "(the 5 lowest and the 5 highest of 40; mitigation.json has all)" in text_of(page)
    assert len(page) < 250_000


def test_the_code_for_each_form():
    forms = {form: text.loading(form, "Hugging Face BlipForImageTextRetrieval") for form in text.FORMS}

    for code in forms.values():
        compile(code, "loading", "exec")
    assert "model = BlipForImageTextRetrieval.from_pretrained(DIR)" in forms["Hugging Face folder"]
    assert 'create_model_and_transforms(f"local-dir:{DIR}")' in forms["open_clip folder"]
    assert "model = load(DIR)" in forms["vlm-audit folder"]


def test_the_signs_on_a_terminal_are_the_icons_of_the_page():
    icons = files("audit.extensions.mitigate.page").joinpath("icons.html").read_text("utf-8")

    assert {outcome.replace(" ", "-") for outcome in SIGNS} == set(re.findall(r'id="i-([\w-]+)"', icons))


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_is_as_short_as_that_of_an_audit(browser, tmp_path):
    (tmp_path / "report.html").write_text(render_mitigation(mitigation("worse")), "utf-8")
    length = page_length(browser, tmp_path / "report.html")

    assert length.words <= MOST_WORDS
    assert length.wide <= MOST_SCREENS
    assert length.main_pages <= MOST_MAIN_PAGES
    assert length.appendix_pages <= MOST_APPENDIX_PAGES
