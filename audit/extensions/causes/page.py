"""The sections of the page, listed in order, with their views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.extensions.causes import influence_sentences as influence_text
from audit.extensions.causes import sentences as text
from audit.extensions.causes.chart import DoseChart, dose_chart
from audit.extensions.causes.record import (
    CAUSES,
    FILE,
    Causes,
    CausesPlan,
    DosePoint,
    HeldBack,
    Influence,
    ModelOutcome,
    Of,
    ProxyCheck,
    SeedTurn,
)
from audit.records.base import Estimate
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.environment import draw
from reports.provenance import Provenance, provenance, written_date
from reports.section import Article, Page, Section, appendix_parts, contents, shown_sections
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text.detail.found import appendix_note
from reports.text.numbers import decimal, difference, level, number, span, upper_first

_MOST_OVERRIDES = 12


@dataclass(frozen=True)
class CausesScreen:
    """The first screen."""

    kind: str
    word: str
    headline: str
    how_sure: str
    turns: Sequence[str]
    tiles: Sequence[tuple[str, str]]
    """Number and label."""
    steps: Sequence[str]
    chart: DoseChart
    chart_title: str
    description: str
    definitions: Sequence[str]
    """What a dose is, and what the planted answer is if the outcome is not an accuracy."""
    held_back: bool
    band: bool
    level: str


def screen_view(facts: Causes) -> CausesScreen:
    """Return the first screen."""
    name = text.outcome_name(facts.plan.outcome)
    turns = [text.turn_sentence(facts, turn) for turn in facts.turns]
    return CausesScreen(
        kind=facts.effect.replace(" ", "-"),
        word=text.WORDS[facts.effect],
        headline=text.causes_headline(facts),
        how_sure=text.how_sure(facts),
        turns=[*turns, *filter(None, (text.null_sentence(facts), text.budget_sentence(facts)))],
        tiles=_tiles(facts),
        steps=text.steps(facts),
        chart=dose_chart(facts),
        chart_title=f"{upper_first(name)} by dose",
        description="; ".join(f"dose {point.dose:g}: mean {number(point.mean, 1)}" for point in facts.points),
        definitions=tuple(filter(None, (text.dose_sentence(facts), text.planted_sentence(facts.plan.outcome)))),
        held_back=bool(facts.held_back),
        band=facts.band[0].predicted is not None,
        level=level(facts.settings.alpha),
    )


def _tiles(facts: Causes) -> list[tuple[str, str]]:
    change = facts.curve.change
    least, most = min(facts.plan.doses), max(facts.plan.doses)
    tiles = [
        (
            f"{number(change.value, 1, signed=True)} points",
            f"from dose {least:g} to dose {most:g} {span(change.low, change.high, 1)}",
        )
    ]
    decided = [held for held in facts.held_back if held.inside is not None]
    if decided:
        tiles.append((f"{sum(bool(held.inside) for held in decided)} of {len(decided)}", "held-back models inside the prediction interval"))
    if facts.prevented and (best := facts.prevented[0]).effect:
        size = span(best.effect.low, best.effect.high, 1)
        tiles.append((f"{number(best.difference, 1, signed=True)} points", f"change by {best.arm} {size}"))
    return tiles


@dataclass(frozen=True)
class DosesView:
    """Every dose, and every held-back model against its prediction."""

    spread: str
    doses: Table
    held_back: Table | None
    check: str


def doses_view(facts: Causes) -> DosesView:
    """Return the doses."""
    alpha = level(facts.settings.alpha)
    points = _point_columns(facts)
    caption = (
        f"{upper_first(text.outcome_name(facts.plan.outcome))}, by dose. Curve: with its {alpha} interval over seeds and images. "
        f"One more model: the {alpha} prediction interval, on the same images. "
        f"Audit: models of which the audit calls ‘{facts.plan.question}’ a disparity."
    )
    held = Table("Held-back models", "Held-back models", headers(_HELD), table_rows(_HELD, facts.held_back)) if facts.held_back else None
    return DosesView(
        text.spread_sentence(facts), Table("Doses", caption, headers(points), table_rows(points, facts.points)), held,
        text.held_back_sentence(facts),
    )  # fmt: skip


def _point_columns(facts: Causes) -> Columns[DosePoint]:
    called: Columns[DosePoint] = (
        (("Significant difference", lambda point: f"{point.contrast_called} of {point.models}"),) if facts.plan.outcome.minus else ()
    )
    return (
        ("Dose", lambda point: f"{point.dose:g}{' (held back)' if point.held_back else ''}"),
        ("Models", lambda point: str(point.models)),
        ("Mean", lambda point: text.percent_of(facts, point.mean, places=1)),
        ("Curve", lambda point: text.estimate_of(facts, point.fitted)),
        (
            "One more model",
            lambda point: "unknown" if point.predicted is None else span(point.predicted.low, point.predicted.high, 1),
        ),
        ("Audit", lambda point: f"{point.audit_called} of {point.models}"),
        *called,
    )


_HELD: Columns[HeldBack] = (
    ("Model", lambda held: held.name),
    ("Dose", lambda held: f"{held.dose:g}"),
    ("Seed", lambda held: str(held.seed)),
    ("Predicted", lambda held: "unknown" if held.interval is None else span(held.interval.low, held.interval.high, 1)),
    ("Observed", lambda held: number(held.value, 1)),
    ("Inside", lambda held: "undecided" if held.inside is None else "yes" if held.inside else "no"),
)


@dataclass(frozen=True)
class ArmsView:
    """The interventions side by side."""

    sentence: str
    chart: TrackTable | None
    between: Table | None


def arms_view(facts: Causes) -> ArmsView | None:
    """Return the interventions; None if none was trained."""
    if not facts.arms:
        return None
    estimates = [arm.effect for arm in facts.arms if arm.effect]
    ticks = signed_ticks([end for effect in estimates for end in (effect.low, effect.high)] or [arm.difference for arm in facts.arms])
    caption = (
        f"Change of the outcome against {facts.reference}, in points, with the same seeds; jointly for all interventions at "
        f"{level(facts.settings.alpha)}, over seeds and images. These are differences of means; the headline has the "
        "change of the curve. Accuracy: its change in images of "
        f"{text.group_name(facts.plan.capability.where)}."
    )
    rows = tuple(
        TrackRow(
            name=upper_first(arm.arm),
            note="shown to reduce it" if arm in facts.prevented else "shown to make it larger" if arm in facts.worsened else "",
            track=difference_track(arm.effect.value, arm.effect.low, arm.effect.high, ticks, hot=arm in facts.prevented)
            if arm.effect
            else (),
            cells=(
                _change(arm.effect, arm.difference),
                text.percent_of(facts, arm.level),
                difference(arm.capability.value, arm.capability.low, arm.capability.high, 1) if arm.capability else "unknown",
                str(arm.models),
            ),
        )
        for arm in facts.arms
    )
    columns = ("Change, points", "Outcome with it", "Accuracy, points", "Models")
    chart = TrackTable(caption, "Intervention", signed_ends(ticks), columns, rows)
    return ArmsView(text.prevention(facts), chart, _between(facts))


def _change(estimate: Estimate | None, value: float) -> str:
    return difference(estimate.value, estimate.low, estimate.high, 1) if estimate else number(value, 1, signed=True)


def _between(facts: Causes) -> Table | None:
    rows = tuple(Row((upper_first(pair.first), pair.second, _change(pair.outcome, pair.difference))) for pair in facts.arm_differences)
    caption = "One intervention minus another, in points, jointly for all pairs"
    return Table(caption, caption, ("Intervention", "minus", "Outcome, points"), rows) if rows else None


@dataclass(frozen=True)
class InfluenceView:
    """The effects of the groups, and how well proxies predict their order."""

    effects: str
    chart: TrackTable
    order: str
    checks: Sequence[str]
    proxies: Table
    ranks: Table
    stand_in: str


def influence_view(facts: Causes) -> InfluenceView | None:
    """Return the groups of captions; None if none was left out."""
    influence = facts.influence
    if influence is None:
        return None
    return InfluenceView(
        effects=influence_text.effects_sentence(facts, influence),
        chart=_influence_chart(facts, influence),
        order=influence_text.order_sentence(influence),
        checks=[influence_text.proxy_sentence(influence, check) for check in influence.proxies],
        proxies=_proxies(influence),
        ranks=_ranks(influence),
        stand_in=influence_text.stand_in_sentence(facts, influence),
    )


def planned_influence(plan: CausesPlan) -> list[tuple[str, str]]:
    """Return the rows of the plan about groups that are left out."""
    planned = plan.influence
    if planned is None:
        return []
    groups = "; ".join(f"{group.name} ({_chosen_by(group.where, group.words)})" for group in planned.groups)
    how = f"at dose {planned.at:g}, seeds {', '.join(map(str, planned.seeds))}; a checkpoint every {planned.keep_every} steps, "
    return [("Groups left out", groups), ("Influence", f"{how}{planned.batches} reference batches")]


def _chosen_by(where: Of, listed: Sequence[str]) -> str:
    of_columns = [text.group_name(where)] if where else []
    return ", ".join([*of_columns, *([f"a caption with {' or '.join(listed)}"] if listed else [])])


def _influence_chart(facts: Causes, influence: Influence) -> TrackTable:
    ends = [end for group in influence.groups if group.effect for end in (group.effect.low, group.effect.high)]
    ticks = signed_ticks(ends or [group.difference for group in influence.groups])
    caption = (
        "Change of the outcome when a group is left out of training, in points, with the same seeds; jointly for all groups at "
        f"{level(facts.settings.alpha)}, over seeds and images."
    )
    rows = tuple(
        TrackRow(
            name=upper_first(group.group),
            track=difference_track(group.effect.value, group.effect.low, group.effect.high, ticks, hot=influence_text.is_shown(group))
            if group.effect
            else (),
            cells=(
                difference(group.effect.value, group.effect.low, group.effect.high, 1)
                if group.effect
                else number(group.difference, 1, signed=True),
                text.percent_of(facts, group.level),
                f"{group.pairs:,}",
            ),
        )
        for group in influence.groups
    )
    return TrackTable(caption, "Group left out", signed_ends(ticks), ("Change, points", "Outcome without it", "Pairs"), rows)


def _proxies(influence: Influence) -> Table:
    columns: Columns[ProxyCheck] = (
        ("Proxy", lambda check: upper_first(influence_text.NAMES[check.proxy])),
        ("Rank correlation with leaving out", lambda check: influence_text.correlation(check.correlation)),
        ("Of the proxy between two seeds", lambda check: "unknown" if check.agreement is None else decimal(check.agreement, 2)),
        ("Explains", influence.judgement),
    )
    caption = f"Proxies against leaving out, over {len(influence.groups)} groups"
    return Table(caption, caption, headers(columns), table_rows(columns, influence.proxies), unseen=True)


def _ranks(influence: Influence) -> Table:
    by_rank = [influence.ranks(name) for name in ("difference", "tracin", "similarity")]
    rows = tuple(
        Row((upper_first(group.group), *(str(ranks[at]) for ranks in by_rank), f"{group.sampled:,}"))
        for at, group in enumerate(influence.groups)
    )
    caption = "Ranks of the groups; 1: without it, the outcome is lowest. For comparison only where a proxy does not explain"
    columns = ("Group left out", "Leaving out", *map(upper_first, influence_text.NAMES.values()), "Pairs in gradients")
    return Table(caption, caption, columns, rows)


@dataclass(frozen=True)
class TurnsView:
    """Where each verdict turns, seed by seed."""

    rows: Sequence[tuple[str, Table]]


def turns_view(facts: Causes) -> TurnsView:
    """Return the sensitivity of the audit."""
    columns: Columns[SeedTurn] = (
        ("Seed", lambda one: str(one.seed)),
        ("Largest dose without it", lambda one: "none: it is there at every dose" if one.low is None else f"{one.low:g}"),
        ("Smallest dose with it", lambda one: "none of those tried" if one.high is None else f"{one.high:g}"),
    )
    names = {"audit": f"A disparity in the audit’s question ‘{facts.plan.question}’", "contrast": "A significant difference in the outcome"}
    return TurnsView([
        (text.turn_sentence(facts, turn), Table(names[turn.of], names[turn.of], headers(columns), table_rows(columns, turn.seeds)))
        for turn in facts.turns
    ])  # fmt: skip


@dataclass(frozen=True)
class StatedPlanView:
    """What was recorded before the first model."""

    created: str
    rows: Sequence[tuple[str, str]]


def plan_view(facts: Causes) -> StatedPlanView:
    """Return the plan."""
    plan, outcome = facts.plan, facts.plan.outcome
    rows = [
        ("Training", f"{plan.run}, {' '.join(plan.overrides[:_MOST_OVERRIDES]) or 'no overrides'}"),
        ("Dose", plan.dose),
        ("Doses", f"{text.doses(plan.doses)}; held back: {text.doses(plan.held_back) if plan.held_back else 'none'}"),
        ("Seeds", ", ".join(map(str, plan.seeds))),
        ("Outcome", f"{text.outcome_name(outcome)} (measurement {outcome.measurement} of the {plan.probe} probe)"),
        ("Among", text.group_name(outcome.where)),
        ("Curve", plan.fit),
        ("Question of the audit", plan.question),
        ("Interventions", "; ".join(f"{arm.name}: {' '.join(arm.overrides)}" for arm in plan.arms) or "none"),
        *planned_influence(plan),
        ("sha256 of the plan", plan.sha256),
    ]
    return StatedPlanView(written_date(plan.created), rows)


def models_view(facts: Causes) -> Table:
    """Return every model."""
    columns: Columns[ModelOutcome] = (
        ("Model", lambda model: model.name),
        ("Dose", lambda model: f"{model.dose:g}"),
        ("Seed", lambda model: str(model.seed)),
        ("Outcome, interval over images", lambda model: text.estimate_of(facts, model.outcome)),
        ("Images", lambda model: " and ".join(map(str, model.images))),
        ("Verdict", lambda model: model.verdict),
        ("Accuracy (cost)", lambda model: number(model.capability, 1)),
        ("Seconds", lambda model: f"{sum(facts.seconds[model.name]):.0f}" if model.name in facts.seconds else "unknown"),
    )
    return Table("Models", "Every model, as in causes.csv", headers(columns), table_rows(columns, facts.models))


def not_tested_view(facts: Causes) -> Sequence[str]:
    """Return what this cannot tell."""
    return (
        *text.NOT_TESTED,
        *(influence_text.NOT_TESTED if facts.influence else ()),
        f"Seeds: {len(facts.plan.seeds)} were planned. A seed changes initial weights, order and changed captions together.",
    )


OF_CAUSES: Sequence[Section[Causes]] = (
    Section("What made it", "causes/screen", screen_view),
    Section("What would have prevented it", "causes/arms", arms_view),
    Section("What each group of captions does", "causes/influence", influence_view),
    Section("Doses and predictions", "causes/doses", doses_view),
    Section("Where the verdict turns", "causes/turns", turns_view),
    Section("What this cannot tell", "causes/limits", not_tested_view),
)
APPENDIX: Sequence[Section[Causes]] = (
    Section("The plan", "causes/plan", plan_view),
    Section("Models", "causes/models", models_view),
    Section("Method", "causes/how"),
    Section("Reproduce", "base/reproduce"),
)
"""Collapsed."""


@dataclass(frozen=True, kw_only=True)
class CausesPage(Page):
    """The page of a causes run."""

    about: Provenance
    deck: str
    shown: Article[Causes]


def causes_page(facts: Causes) -> CausesPage:
    """Return everything that the templates print."""
    shown = Article(facts, shown_sections(OF_CAUSES, facts))
    hashes = [facts.checkpoints[name] for name in sorted(facts.checkpoints)]
    return CausesPage(
        what="results",
        about=provenance(facts, facts.plan.title, hashes, CAUSES, FILE.to_json(facts)),
        deck=text.causes_deck(facts),
        contents=contents(("", "", shown.sections)),
        shown=shown,
        appendix=appendix_parts(("", None, shown_sections(APPENDIX, facts))),
        appendix_note=f"{appendix_note(CAUSES, has_tables=False)} causes.csv has one row per model.",
    )


def render_causes(facts: Causes) -> str:
    """Return the page of what made a gap."""
    return draw("causes/page.html", page=causes_page(facts))
