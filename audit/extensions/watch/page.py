"""The page of a watch, as `page.html` prints it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit.extensions.watch import sentences as text
from audit.extensions.watch.record import WATCH, WATCH_FILE, GapWatch, Watch
from audit.extensions.watch.wealth import wealth_curve
from audit.naming import natural_order
from reports.charts.curves import Curve
from reports.environment import draw
from reports.provenance import About, written_date
from reports.section import Page, Section, appendix_parts, shown_sections
from reports.table import MOST_ITEMS, Row, Table
from reports.text.detail.found import appendix_note
from reports.text.numbers import count

_MOST_LOOKS = 50


@dataclass(frozen=True)
class GapView:
    """One gap: its curve, its groups and its pairs."""

    key: str
    title: str
    alarm: str
    """When the alarm was raised, and the bounds of the difference; empty without one."""
    chart: Curve
    alt: str
    groups: Table
    pairs: Table
    others: str


@dataclass(frozen=True, kw_only=True)
class AboutWatch(About):
    """Header and footer of the page."""

    command: str
    file: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class WatchPage(Page):
    """The page of a watch."""

    about: AboutWatch
    deck: str
    alarm: bool
    word: str
    headline: str
    details: Sequence[str]
    gaps: Sequence[GapView]
    limits: Sequence[str]


@dataclass(frozen=True)
class PlanTable:
    """The plan, and when it was fixed."""

    created: str
    rows: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class LookTables:
    """The rows that were used, and the looks."""

    files: Table
    looks: Table


def render_watch(facts: Watch) -> str:
    """Return the page of a watch as HTML."""
    return draw("watch/page.html", page=watch_page(facts))


def watch_page(facts: Watch) -> WatchPage:
    """Return everything that the templates print about a watch."""
    gaps = [_gap(gap, number, facts) for number, gap in enumerate(sorted(facts.gaps, key=_closest_first), 1)]
    ended = WATCH_FILE.to_json(facts).encode("utf-8", "surrogatepass")
    about = AboutWatch(
        title=text.watch_title(facts), tool=facts.tool, created=written_date(facts.looks[-1].created),
        command=" ".join([facts.command[0], shlex.join(facts.command[1:])]) if facts.command else "",
        file=WATCH, sha256=hashlib.sha256(ended).hexdigest(),
    )  # fmt: skip
    return WatchPage(
        what="watch",
        about=about,
        contents=[*((gap.title, gap.key, "") for gap in gaps), ("What this cannot tell", "limits", ""), ("Appendix", "appendix", "")],
        appendix=appendix_parts(("", None, shown_sections(_APPENDIX, facts))),
        appendix_note=appendix_note(WATCH, has_tables=False),
        deck=text.watch_deck(facts),
        alarm=bool(facts.alarms),
        word=text.ALARM if facts.alarms else text.NO_ALARM,
        headline=text.watch_headline(facts),
        details=text.details(facts),
        gaps=gaps,
        limits=text.NOT_TOLD,
    )


def _closest_first(gap: GapWatch) -> tuple[float, float]:
    return (float("inf") if gap.alarm is None else gap.alarm.row, -max((pair.log10_most for pair in gap.pairs), default=0.0))


def _gap(gap: GapWatch, number: int, facts: Watch) -> GapView:
    title = text.watched_question_title(gap.question)
    raised = "" if gap.alarm is None else " ".join([text.alarm_place(gap, facts), text.interval_sentence(gap, facts.plan)])
    more = len(gap.pairs) - MOST_ITEMS
    caption = "Pairs of groups, the one closest to an alarm first"
    return GapView(
        key=f"gap-{number}",
        title=title,
        alarm=raised,
        chart=wealth_curve(gap, facts.plan),
        alt=_alt(gap, facts),
        groups=Table("Groups", "Groups", ("Group", "Rows that count", "Events"), tuple(
            Row((group.group, count(group.n), count(group.events))) for group in gap.groups
        )),
        pairs=Table(
            "Pairs", f"{caption} ({WATCH} has {more} more)" if more > 0 else caption,
            ("Bet on", "Rounds", "Rows that wait", "Wealth now", "Most wealth", "Difference, points"),
            tuple(
                Row((text.above(pair.first, pair.second), count(pair.rounds), count(pair.waiting), text.wealth(pair.log10_wealth),
                     text.wealth(pair.log10_most), text.pair_interval(pair)))
                for pair in gap.pairs[:MOST_ITEMS]
            ),
        ),
        others=" ".join(filter(None, (text.late_sentence(gap), text.others_sentence(gap)))),
    )  # fmt: skip


def _alt(gap: GapWatch, facts: Watch) -> str:
    best = gap.pairs[0] if gap.pairs else None
    most = f"At most {text.wealth(best.log10_most)} ({text.above(best.first, best.second)})" if best else "No pair of groups yet"
    return f"{most}; alarm at {text.threshold(facts.plan)}."


def _files(facts: Watch) -> Table:
    rows = tuple(Row((used.file, f"{count(used.start + 1)} to {count(used.stop)}", used.sha256[:16])) for used in facts.used[-_MOST_LOOKS:])
    more = len(facts.used) - len(rows)
    caption = "Rows in the order in which they were used" + (f" (the last {len(rows)}; {WATCH} has {more} more)" if more else "")
    return Table("Rows", caption, ("File", "Rows", "sha256 of what was read (begins with)"), rows)


def _looks(facts: Watch) -> Table:
    totals = [0, *(look.rows for look in facts.looks)]
    pairs = list(zip(facts.looks, pairwise(totals), strict=True))[-_MOST_LOOKS:]
    rows = tuple(Row((written_date(look.created), count(after - before), count(after))) for look, (before, after) in pairs)
    more = len(facts.looks) - len(rows)
    caption = "Looks" + (f" (the last {len(rows)}; {WATCH} has {more} more)" if more else "")
    return Table("Looks", caption, ("Date", "New rows", "Rows by then"), rows)


def _versions(facts: Watch) -> Table:
    rows = tuple(Row((part, facts.environment[part])) for part in natural_order(facts.environment))
    return Table("Versions", "Environment of the last look", ("Part", "Version"), rows)


_APPENDIX: Sequence[Section[Watch]] = (
    Section("The plan", "watch/plan", lambda facts: PlanTable(written_date(facts.plan.created), text.watch_plan_rows(facts.plan))),
    Section("Rows and looks", "watch/looks", lambda facts: LookTables(_files(facts), _looks(facts))),
    Section("How the test works", "watch/method", lambda facts: facts.plan),
    Section("Versions", "watch/versions", _versions),
)
