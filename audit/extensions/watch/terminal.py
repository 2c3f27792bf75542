"""Watches on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from audit.cli.screen import Screen
from audit.extensions.watch import sentences as text
from audit.extensions.watch.record import Watch
from reports.exports.markdown import ordinary_spaces
from reports.exports.terminal.lines import lines_of, marked
from reports.text.numbers import count

_PIPE = Screen()


def watch_lines(facts: Watch, new_rows: int, screen: Screen = _PIPE, cut: Sequence[str] = ()) -> str:
    """Return whether there is an alarm, what was used for it, and which files are `cut` in the middle of a line."""
    word = text.ALARM if facts.alarms else text.NO_ALARM
    head = f"{text.watch_title(facts)} · {text.watch_deck(facts)} ({count(new_rows)} new)"
    said = marked("disparity" if facts.alarms else "no signal", f"{word}. {text.watch_headline(facts)}", screen, whole=True)
    of_gaps = (sentence for gap in facts.gaps for sentence in (text.late_sentence(gap), text.others_sentence(gap)))
    others = list(dict.fromkeys(filter(None, of_gaps)))
    others += [text.cut_sentence(cut)] if cut else []
    lines = [*lines_of(head, screen), *said, *(line for sentence in [*text.details(facts), *others] for line in lines_of(sentence, screen))]
    return ordinary_spaces("\n".join(lines))
