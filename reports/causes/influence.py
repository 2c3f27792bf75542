"""The section about groups of captions that were left out one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.records.causes import Causes, CausesPlan, Influence, Of, ProxyCheck
from reports.charts.tracks import TrackRow, TrackTable, difference_track, signed_ends, signed_ticks
from reports.table import Columns, Row, Table, headers, table_rows
from reports.text import causes as text
from reports.text import influence as words
from reports.text.numbers import decimal, difference, level, number, upper_first


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
        effects=words.effects_sentence(facts, influence),
        chart=_chart(facts, influence),
        order=words.order_sentence(influence),
        checks=[words.proxy_sentence(influence, check) for check in influence.proxies],
        proxies=_proxies(influence),
        ranks=_ranks(influence),
        stand_in=words.stand_in_sentence(facts, influence),
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
    of_columns = [text.group(where)] if where else []
    return ", ".join([*of_columns, *([f"a caption with {' or '.join(listed)}"] if listed else [])])


def _chart(facts: Causes, influence: Influence) -> TrackTable:
    ends = [end for group in influence.groups if group.effect for end in (group.effect.low, group.effect.high)]
    ticks = signed_ticks(ends or [group.difference for group in influence.groups])
    caption = (
        "Change of the outcome when a group is left out of training, in points, with the same seeds; jointly for all groups at "
        f"{level(facts.settings.alpha)}, over seeds and images."
    )
    rows = tuple(
        TrackRow(
            name=upper_first(group.group),
            track=difference_track(group.effect.value, group.effect.low, group.effect.high, ticks, hot=words.is_shown(group))
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
        ("Proxy", lambda check: upper_first(words.NAMES[check.proxy])),
        ("Rank correlation with leaving out", lambda check: words.correlation(check.correlation)),
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
    columns = ("Group left out", "Leaving out", *map(upper_first, words.NAMES.values()), "Pairs in gradients")
    return Table(caption, caption, columns, rows)
