"""The headline of an audit: group first, then the number, then its uncertainty, for every way in which an audit can end."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from audit.evidence.adjustment import Adjustment
from audit.records.finding import Composition, LeadingPair, MoreImages, WithinClusters
from audit.records.inputs import AgainstConstant, Responsiveness
from audit.types import Note, Settings
from reports.text import phrases
from reports.text.headline import captions, headline_of, left_out_by_rule, question, statement, tiles_of
from reports.text.headline.differences import ends, size_sentence
from reports.text.headline.unanswered import commonest
from reports.text.reasons import needs_sentence, needs_tag
from tests.reports.text.test_verdicts import audit_of
from tests.support import report_samples as samples

BY_GENDER = samples.emoji().findings[0]
"""Woman 72 of 100 right, man 98, person 97."""


def headline(audit, **settings):
    return headline_of(audit, replace(Settings(), **settings))


def plain(text):
    return text.replace("\xa0", " ")


def with_first(audit, **changes):
    """Return an audit of one measurement whose first finding is changed."""
    first, *others = audit.findings
    return replace(audit, findings=(replace(first, **changes), *others), measurements=audit.measurements[:1])


def test_a_disparity_names_the_group_then_the_number_then_its_uncertainty():
    said = headline(audit_of("disparity", "equivalent", "inconclusive"))

    assert said.kind == "disparity"
    assert said.verdict_line == "Disparity · 1 of 3 planned questions"
    assert plain(said.sentence) == (
        "Role answers are less accurate for woman (gender): 72 % (3 in 10 wrong), against 98.0 % (1 in 50 wrong) for man."
    )
    assert plain(said.size) == "The gap is 26 points (95 % interval 14 to 38)."
    assert said.affected == (("woman",),)
    assert said.finding.id == "q0"
    assert plain(said.text).endswith("98.0 % (1 in 50 wrong) for man. The gap is 26 points (95 % interval 14 to 38).")


def test_the_scope_says_of_how_many_questions_a_verdict_holds():
    lines = {
        ("disparity",): "Disparity · the one planned question",
        ("disparity", "disparity"): "Disparity · both planned questions",
        ("equivalent",) * 3: "Equivalent · all 3 planned questions",
        ("disparity", "equivalent"): "Disparity · 1 of 2 planned questions",
        ("equivalent", "not estimable"): "Inconclusive · 2 planned questions",
    }
    assert {verdicts: headline(audit_of(*verdicts)).verdict_line for verdicts in lines} == lines


def test_the_level_is_that_of_the_run():
    assert "(90\xa0% interval" in headline(audit_of("disparity"), alpha=0.1).size


@pytest.mark.parametrize(
    ("metric", "better", "sentence"),
    [
        ("accuracy", "high", "Less accurate for woman (gender): 72 %, against 98.0 % for man"),
        ("selection_rate", "neither", "‘thief’ is the answer more often for man (gender): 98.0 %, against 72 % for woman"),
        ("selection_rate", "low", "‘thief’ is the answer more often for man (gender): 98.0 %, against 72 % for woman"),
        ("selection_rate", "high", "‘thief’ is the answer less often for woman (gender): 72 %, against 98.0 % for man"),
        ("true_positive_rate", "high", "‘thief’ is recognised less often for woman (gender): 72 %, against 98.0 % for man"),
        ("false_negative_rate", "low", "‘thief’ is missed more often for man (gender): 98.0 %, against 72 % for woman"),
        ("false_positive_rate", "low", "‘thief’ is wrongly given more often for man (gender): 98.0 %, against 72 % for woman"),
        ("true_negative_rate", "high", "‘thief’ is correctly ruled out less often for woman (gender): 72 %, against 98.0 % for man"),
        ("precision", "high", "The answer ‘thief’ is right less often for woman (gender): 72 %, against 98.0 % for man"),
        ("of_tomorrow", "high", "Of tomorrow for ‘thief’ is lower for woman (gender): 72 %, against 98.0 % for man"),
    ],
)
def test_every_rate_has_its_words(metric, better, sentence):
    """A side is worse where the metric has a better one; of the others both groups are marked."""
    outcome = None if metric == "accuracy" else "thief"
    audit = with_first(audit_of("disparity"), metric=metric, better=better, outcome=outcome)

    assert plain(statement(audit.findings[0], audit)) == sentence
    assert len(headline(audit).affected) == (2 if better == "neither" else 1)
    assert question(audit.findings[0], audit).endswith("regardless of gender?")


def test_groups_are_called_what_they_are():
    """Adjectives of faces where the images are faces; a level that says nothing by itself gets its attribute."""
    faces = samples.fairface()
    by_id = {finding.id: finding for finding in faces.findings}

    race, age = by_id["gender/accuracy/race"], by_id["gender/accuracy/age"]
    assert "for Middle Eastern faces: 91.0 %, against 96.0 % for Latino_Hispanic faces" in plain(statement(race, faces))
    assert "for faces of age 0-2: " in statement(age, faces)
    plainly = replace(faces, probe=replace(faces.probe, name="predictions"))
    assert "for Middle Eastern (race): " in statement(race, plainly)
    assert "for age 0-2: " in statement(age, plainly)


def test_each_name_stands_beside_its_own_level_where_only_one_level_speaks():
    """The first group has its attribute in brackets, where the level does not hold it."""
    levels = {"woman": ("woman", "3-9"), "man": ("man", "20-29"), "person": ("gender: person", "40-49")}
    rates = tuple(replace(rate, group=levels[rate.group[0]]) for rate in BY_GENDER.by_group)
    pair = LeadingPair(levels["man"], levels["woman"], 0.26, 0.14, 0.38, 0.11)
    gap = replace(BY_GENDER.gap, highest=levels["man"], lowest=levels["woman"], leading=pair)
    crossed = {"attributes": ("gender", "age"), "by_group": rates, "gap": gap}
    audit = with_first(audit_of("disparity"), **crossed)
    assert plain(statement(audit.findings[0], audit)) == (
        "Less accurate for woman (gender) × age 3-9: 72 %, against 98.0 % for man × age 20-29"
    )
    named = LeadingPair(levels["man"], levels["person"], 0.01, 0.005, 0.02, 0.001)
    audit = with_first(audit, **(crossed | {"gap": replace(gap, lowest=levels["person"], leading=named)}))
    assert "for gender: person × age 40-49: " in plain(statement(audit.findings[0], audit))


def test_several_measurements_are_told_apart():
    faces = samples.fairface()
    gender = next(finding for finding in faces.findings if finding.id == "gender/accuracy/race")

    assert statement(gender, faces).startswith("Gender answers are less accurate for ")
    assert question(gender, faces) == "Are gender answers equally accurate regardless of race?"


def test_the_leading_pair_is_named_with_its_own_number_interval_and_chance():
    """Man against person is wider, by a thin group; the sentence, the tile and the table tell of man against woman."""
    pair = LeadingPair(("man",), ("woman",), 0.26, 0.14, 0.38, 0.11)
    thin = replace(BY_GENDER, gap=replace(BY_GENDER.gap, lowest=("person",), value=0.30, low=0.14, high=0.55, leading=pair))
    named = ends(thin)

    assert (named.first.group, named.second.group, named.pair) == (("woman",), ("man",), pair)
    assert plain(size_sentence(thin, Settings())) == "The gap is 26 points (95 % interval 14 to 38)."
    assert plain(phrases.gap_text(thin)) == "26 points [14, 38]"
    assert plain(phrases.chance_text(thin)) == "11 points"
    (size, what), (chance, of_what), _ = tiles_of(
        headline(with_first(audit_of("disparity"), gap=thin.gap)), audit_of("disparity"), Settings()
    )
    assert (plain(size), plain(chance)) == ("26 points", "11 points")
    assert plain(what) == "gap by gender, 95 % interval 14 to 38"  # the headline names the two
    assert plain(of_what) == "expected by chance between these two, at most (95 %)"


def test_a_gap_inside_clusters_stands_beside_no_rates_of_all_images():
    """88 and 92 % of all images may be 2 points apart inside clusters, or the other way round: the sentence prints no marginal rates."""
    pair = LeadingPair(("woman",), ("man",), 0.02, 0.01, 0.03, 0.01)
    inside = WithinClusters(clusters=20, images_left_out=0, over_all_images=0.26, standard_error=0.004, freedom=19.0)
    found = replace(BY_GENDER, gap=replace(BY_GENDER.gap, leading=pair, within=inside))
    said = plain(f"{statement(found, samples.emoji())}. {size_sentence(found, Settings())}")

    assert "Role answers are less accurate for man (gender) than for woman, within the same clusters." in said
    assert "The gap within clusters is 2.0 points (95 % interval 1.0 to 3.0)." in said
    assert "72 %" not in said


@pytest.mark.parametrize(
    ("low", "high", "printed"),
    [
        (0.0496, 0.17, "11.00 points (95 % interval 4.96 to 17.00)"), (0.048, 0.17, "11.0 points (95 % interval 4.8 to 17.0)"),
        (0.052, 0.17, "11.0 points (95 % interval 5.2 to 17.0)"), (0.05, 0.17, "11 points (95 % interval 5 to 17)"),
        (-0.06, 0.0512, "11.0 points (95 % interval −6.0 to 5.1)"), (0.06, 0.17, "11 points (95 % interval 6 to 17)"),
    ],
)  # fmt: skip
def test_an_end_of_an_interval_is_not_printed_as_a_tolerance_that_it_is_not(low, high, printed):
    pair = LeadingPair(("man",), ("woman",), 0.11, low, high, 0.02)
    found = replace(BY_GENDER, gap=replace(BY_GENDER.gap, leading=pair))
    assert plain(size_sentence(found, Settings())) == f"The gap is {printed}."


@pytest.mark.parametrize(
    ("rates", "gap", "printed"),
    [((0.1454, 0.0248), 0.1206, ("14.54 %", "2.48 %")), ((0.145, 0.025), 0.12, ("14.5 %", "2.5 %"))],
)
def test_printed_rates_differ_by_the_printed_gap(rates, gap, printed):
    """12.06 is printed as 12.1, and 14.5 - 2.5 is 12."""
    values = dict(zip((("man",), ("woman",)), rates, strict=True))
    cells = [
        replace(cell, value=value, low=value - 0.02, high=value + 0.02)
        for cell in BY_GENDER.by_group
        if (value := values.get(cell.group)) is not None
    ]
    pair = LeadingPair(("man",), ("woman",), gap, gap - 0.021, gap + 0.021, 0.02)
    found = replace(BY_GENDER, by_group=tuple(cells), gap=replace(BY_GENDER.gap, leading=pair))
    assert sorted(plain(value) for value in phrases.pair_values(found)) == sorted(printed)


def test_a_file_of_an_earlier_version_leads_with_its_widest_gap():
    old = replace(BY_GENDER, gap=replace(BY_GENDER.gap, leading=None, open_pair=None))
    pair = phrases.leading_pair(old)

    assert (pair.higher, pair.lower, pair.difference, pair.chance) == (("man",), ("woman",), old.gap.value, old.gap.null_95)


def test_an_undecided_question_that_looks_decided_says_why():
    """p .027 alone, .37 after correction; an interval without 0 and a test that does not reject; two groups with p and no interval."""
    pair = LeadingPair(("man",), ("woman",), 0.11, 0.02, 0.20, 0.09)
    audit = audit_of("inconclusive", "equivalent")
    raw = replace(BY_GENDER.gap, p=0.027, p_adjusted=0.37, leading=pair)
    said = headline(with_first(audit, gap=raw))
    why = "Undecided: p = .027 for this question, .37 after correction for 2 questions."
    assert [plain(caution) for caution in said.cautions] == [why]
    assert why in plain(said.text)
    open_test = with_first(audit, gap=replace(raw, p=0.06, p_adjusted=0.06))
    assert plain(headline(open_test).cautions[0]) == (
        "Undecided: the interval excludes 0, but the test of all groups does not reject (adjusted p = .060)."
    )
    two = with_first(audit, gap=replace(raw, p=0.01, p_adjusted=0.02, leading=replace(pair, low=-0.01)))
    assert "the interval of the difference includes 0; with two groups, both count" in plain(headline(two).cautions[0])
    clear = with_first(audit, gap=replace(raw, p=0.4, p_adjusted=0.8, leading=replace(pair, difference=0.05, low=-0.04)))
    assert headline(clear).cautions == ()


def test_where_no_pair_stands_out_the_groups_farthest_from_the_rest_are_named():
    audit = with_first(audit_of("disparity"), diffuse=True)
    said = headline(audit)

    assert said.sentence.startswith(
        "Role accuracy differs by gender, though no two groups stand out; the most different from the rest are woman"
    )
    assert len(said.affected) == 2


def adjusted(shift):
    """The finding whose most significant difference is reversed, or weakened, at equal tone."""
    evidence = samples.with_evidence(samples.emoji()).findings[0].evidence
    pair = replace(evidence.adjustment.pairs[0], shift=shift, first=("man",), second=("woman",), crude=0.26)
    turned = -abs(pair.difference.value) if shift == "reversed" else 0.05
    pair = replace(pair, difference=replace(pair.difference, value=turned, low=turned - 0.02, high=turned + 0.02))
    return replace(evidence, adjustment=Adjustment((pair,), None))


def test_a_reversal_and_what_composition_explains_stand_in_the_headline():
    audit = audit_of("disparity", "disparity")
    turned = with_first(audit, evidence=adjusted("reversed"))
    weak = with_first(audit, evidence=adjusted("weakened"))
    composed = with_first(audit, composition=Composition(0.01, 0.4, explains=True))

    assert headline(turned).sentence.endswith("for man, but the order is reversed at equal tone.")
    assert "man leads woman by 26.0 points, but trails by" in plain(headline(turned).text)
    assert headline(weak).sentence.endswith("for man, but less than half is left at equal tone.")
    assert headline(composed).sentence.endswith("for man, but group composition explains it.")
    other = replace(audit, findings=(audit.findings[0], replace(audit.findings[1], evidence=adjusted("reversed")), audit.findings[2]))
    assert "Role accuracy by gender is reversed: man leads woman" in headline(other).text


def test_equivalent_claims_no_more_than_was_tested():
    one, two = headline(audit_of("equivalent")), headline(audit_of("equivalent", "equivalent"))

    assert plain(one.sentence) == (
        "No difference that matters: any two compared groups differ by less than 5 points in role accuracy by gender."
    )
    assert two.sentence.startswith("No difference that matters in either question: any two compared groups differ by less than 5")
    assert two.affected == ()


def test_the_size_of_an_equivalent_gap_is_what_the_verdict_rests_on():
    """The joint interval may reach beyond the tolerance; the bound of the equivalence test does not."""
    pair = LeadingPair(("man",), ("woman",), 0.02, -0.01, 0.056, 0.03)
    close = replace(BY_GENDER.gap, leading=pair, equivalence_bound=0.0433, high=0.056)
    audit = with_first(audit_of("equivalent"), gap=close)
    said = headline(audit)
    (_, what), *_ = tiles_of(said, audit, Settings())

    assert plain(said.size) == (
        "In role accuracy by gender, woman and man differ by 2.0 points, and no two groups by more than 4.4 (equivalence test, 90 %)."
    )
    assert plain(what) == "gap by gender: woman against man, no two groups differ by more than 4.4 (equivalence test)"
    old = with_first(audit, gap=replace(close, equivalence_bound=None))
    assert "may differ most: 2.0 points (95 % interval" in plain(headline(old).size)


def test_inconclusive_says_what_would_have_shown():
    few = {"gap": replace(BY_GENDER.gap, minimum_detectable=0.124)}
    one = headline(with_first(audit_of("inconclusive"), **few))
    mixed = headline(audit_of("inconclusive", "equivalent", "not estimable"))
    settled = headline(audit_of("equivalent", "not estimable"))

    assert plain(one.sentence) == "Too few images to tell: only differences above 12 points could be detected."
    assert "no difference that matters in 1." in mixed.sentence
    assert "in 1 of 3 questions" in mixed.sentence
    assert settled.sentence == "Too few images to tell in 1 of 2 questions; no difference that matters in 1."
    hopeless = with_first(audit_of("inconclusive"), gap=replace(BY_GENDER.gap, minimum_detectable=1.0))
    assert headline(hopeless).sentence == "Too few images to tell: no difference, however large, could be reliably detected."
    enough = with_first(audit_of("inconclusive"), gap=replace(BY_GENDER.gap, minimum_detectable=0.03))
    assert plain(headline(enough).sentence) == "Undecided: the images show neither a difference nor its absence within 5 points."


def test_an_undecided_question_says_how_many_more_images_of_whom_it_needs_and_with_which_power():
    needed = tuple(MoreImages((group,), images) for group, images in (("man", 90), ("woman", 1200)))
    audit = with_first(audit_of("inconclusive"), gap=replace(BY_GENDER.gap, more_images=needed))
    (finding, *_) = audit.findings

    assert plain(needs_sentence(finding)) == (
        "Needs about 1,200 more images of woman and 90 of man: then it would be decided, with power 0.8, if the groups do not differ, or "
        "if the smallest group differs by 5 points."
    )
    assert needs_tag(finding) == "needs about 1,200 more images of woman and others"
    recall = replace(finding, metric="true_positive_rate", outcome="cook")
    assert "90 of man, with the true answer ‘cook’: then" in needs_sentence(recall)
    assert needs_tag(recall) == "needs about 1,200 more images that count of woman and others"
    many = tuple(MoreImages((f"g{i}",), 100 - i) for i in range(40))
    assert "100 more images of gender g0, 99 of gender g1, 98 of gender g2 and up to 97 of each of 37 other groups" in needs_sentence(
        replace(finding, gap=replace(BY_GENDER.gap, more_images=many))
    )
    assert needs_sentence(BY_GENDER) == needs_tag(BY_GENDER) == ""


def test_a_tag_says_whether_a_disparity_exceeds_its_tolerance_and_in_what():
    """A gap of 3.5 points is no contradiction to a tolerance of 5: it may be within it, or the ratio of low rates counts."""
    disparity = replace(BY_GENDER, verdict="disparity", exceeds_tolerance=True)

    assert captions.tags(disparity, "") == ("exceeds the tolerance",)
    assert captions.tags(replace(disparity, exceeds_tolerance=False), "") == ("may be within tolerance",)
    assert captions.tags(replace(disparity, verdict="equivalent", exceeds_tolerance=False), "") == ()
    in_ratio = replace(disparity, ratio_tolerance=1.25, gap=replace(disparity.gap, low=0.01, ratio_low=3.614))
    assert captions.tags(in_ratio, "") == ("ratio of rates 3.61 or more",)


def test_not_estimable_says_what_is_missing():
    said = headline(audit_of("not estimable"), min_group_size=40)

    assert said.sentence == "Nothing can be compared: no two groups have at least 40 images that count."


def test_not_estimable_for_two_reasons_says_both():
    audit = audit_of("not estimable", "not estimable")
    first, *others = audit.findings
    said = headline(replace(audit, findings=(replace(first, unresponsive="varies"), *others)))

    assert said.kind == "not estimable"
    assert said.sentence == (
        "Nothing can be judged: in 1 of 2 questions we found no evidence that the answers depend on the images, in 1 no two groups have "
        "at least 30 images that count."
    )


def looking(audit, code):
    found = AgainstConstant(300, 0.21, "nurse", 0.2, 60, 57, 0.8, 0.5)
    first, *others = audit.measurements
    blind = Responsiveness(code, 300, "nurse", 1.0 if code == "constant" else 0.5, None, None, found)
    return replace(audit, measurements=(replace(first, responsiveness=blind), *others))


def test_a_model_that_does_not_look_is_said_first():
    audit = looking(audit_of("not estimable"), "constant")
    blind = replace(audit, findings=tuple(replace(finding, unresponsive="constant") for finding in audit.findings))

    assert headline(blind).kind == "unresponsive"
    assert headline(blind).sentence == "The model does not respond to the images: it answers ‘nurse’ to all 300 images (role)."
    part = headline(looking(audit_of("disparity", "not estimable"), "no better"))
    assert (part.kind, part.lead) == ("disparity", "")
    assert "(role), we found no evidence that its answers agree with the labels more often than a constant answer would." in part.caveat
    assert part.text.startswith("The emoji probe is not a valid test of this model")
    assert part.kind == "disparity"
    assert part.text.startswith(part.lead)


@pytest.mark.extension("association")
def test_similarities_that_differ_between_groups_are_not_hidden_behind_answers_that_tell_nothing():
    """One answer for every image, and yet a group that is nearer to some words: the model looks, and its answers do not show it."""
    from tests.extensions.association.test_section import FOUND, NONE

    audit = looking(audit_of("not estimable"), "constant")
    blind = replace(audit, findings=tuple(replace(finding, unresponsive="constant") for finding in audit.findings)).with_analyses(
        {"associations": (FOUND,)}
    )

    said = headline(blind)
    assert said.kind == "unresponsive"
    assert said.sentence == (
        "The model gives the same answers regardless of the image, though its similarities to words differ between groups: it answers "
        "‘nurse’ to all 300 images (role)."
    )
    assert said.signal == "Not planned, but visible: differences beyond chance in associations with words."
    assert headline(blind.with_analyses({"associations": (NONE,)})).signal == ""
    assert headline(blind.with_analyses({"associations": (NONE,)})).sentence.startswith("The model does not respond to the images")
    assert headline(audit_of("disparity").with_analyses({"associations": (FOUND,)})).signal == ""


def test_a_limited_run_and_one_without_questions_conclude_nothing():
    limited, exploratory = headline(audit_of("inconclusive", limited=True)), headline(audit_of())

    assert (limited.kind, limited.sentence) == ("limited", "A sample of 300 images settles nothing: its verdict is always “inconclusive”.")
    assert (exploratory.kind, exploratory.word) == ("exploratory", "No verdict")
    assert exploratory.finding is None


def test_the_strongest_signal_is_carried():
    audit = audit_of("equivalent")
    repeated = replace(BY_GENDER, id="s", primary=False, verdict="signal")
    other = replace(repeated, by_group=tuple(replace(cell, n=cell.n + 1) for cell in BY_GENDER.by_group))
    seen = replace(audit, findings=(*audit.findings, other))

    assert headline(audit).signal == ""
    # The same counts under another name are no news.
    assert headline(replace(audit, findings=(*audit.findings, repeated))).signal == ""
    # Of an audit whose planned questions are equal the headline tells of it: nobody must read past it.
    assert headline(seen).visible is other
    assert plain(headline(seen).text).startswith(
        "Planned questions: equivalent. Unplanned: role answers are less accurate for woman (gender): 72 %"
    )
    assert plain(headline(seen).text).endswith("The gap is 26 points (95 % interval 14 to 38).")
    assert plain(headline(seen).details[0]).startswith("Planned: no difference that matters")
    assert headline(seen).signal == "Not planned: a reason to test again with new images, not a verdict."
    # One that may lie within the tolerance, and one beside a disparity, stand in a line of their own.
    small = replace(other, tolerance=0.2)
    assert plain(headline(replace(seen, findings=(*audit.findings, small))).signal).startswith(
        "Not planned, but visible: role answers are less accurate for woman (gender): 72 %"
    )


def test_an_audit_without_an_answer_leads_with_what_came_most_often_instead():
    audit = audit_of("equivalent", "equivalent", "equivalent")
    outcomes = ("refusal", "unparsed", "thief")
    findings = tuple(replace(finding, outcome=outcome) for finding, outcome in zip(audit.findings, outcomes, strict=False))
    silent = SimpleNamespace(account=SimpleNamespace(asked=30, without_answer={"refusal": 10, "unparsed": 20}))

    assert commonest(silent, findings).outcome == "unparsed"
    assert commonest(silent, findings[::2]).outcome == "refusal"
    assert commonest(silent, findings[2:]) is None
    assert commonest(silent, [replace(findings[1], gap=None), findings[0]]).outcome == "refusal"


def test_what_a_rule_left_out_stands_in_the_first_sentence():
    note = Note(
        "attributes_by_rule_of_several",
        {
            "levels": 50,
            "attributes": ("'race'",),
            "others": ("'city' (60 levels; where rows belong together: --cluster city)", "'age' (numbers)"),
        },
    )
    base = audit_of("disparity")
    audit = replace(base, data=replace(base.data, notes=(*base.data.notes, note)))

    assert headline(audit).verdict_line == ("Disparity · the one planned question, without 'city' (60 levels), 'age' (numbers)")
    assert left_out_by_rule(audit) == (
        "Columns left out by default: 'city' (60 levels), 'age' (numbers). Without --attributes, text columns with 2 to 50 levels that "
        "may be groups are compared; name others with it.",
    )
    assert left_out_by_rule(base) == ()


def test_where_nothing_can_be_judged_no_gap_is_shown():
    """A gap of accuracy whose answers tell nothing beside questions without enough groups: neither tile nor chart has it."""
    audit = audit_of("inconclusive", "not estimable")
    first, *others = audit.findings
    few = [replace(other, gap=None) for other in others]
    withheld = replace(audit, verdict="not estimable", findings=(replace(first, verdict="not estimable", unresponsive="no better"), *few))
    assert headline(withheld).kind == "not estimable"
    assert headline(withheld).finding is None
