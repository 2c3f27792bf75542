"""``vlm-audit words RUN``: who is called what in training captions, before anything is trained."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import ended
from audit.cli.parser import Parser
from audit.errors import DataError, UsageError
from contrastive.data.words import NEITHER, SEVERAL, Term, WordsOfRun, count_words_of_run, read_terms, tokens_of
from strictio.console import prepare_streams, visible
from strictio.files import read_text

if TYPE_CHECKING:
    from audit.extensions.words.record import CaptionWords
    from audit.types import Probe

TABLE, PAGE = "words.csv", "words.html"
_ARTICLES = ("a ", "an ", "the ")
_MOST_BYTES = 1 << 20


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser(
        "vlm-audit words",
        description="Counts how often words occur in the training captions of each group, before anything is trained: who is called what. "
        "Writes a table and a page.",
    )
    parse.add_argument("run", metavar="RUN", help="what vlm-audit train takes: a TOML file, or the name of a recipe")
    parse.add_argument("overrides", metavar="section.key=value", nargs="*", help='replaces a setting, for example data.groups=["gender"]')
    parse.add_argument("--words", action="append", default=[], metavar="LIST", help=_LISTS + "; repeatable")
    parse.add_argument("--probe", action="append", default=[], metavar="NAME", help="the answers of a probe as words; repeatable")
    parse.add_argument(
        "--group-words", metavar="LIST", help="the same, for groups: 'woman=woman|women|she,man=man|men|he'. Images are assigned to groups "
        "by their captions (default: by the columns in data.groups; if it is not set, by English words for women and men)",
    )  # fmt: skip
    parse.add_argument("--alpha", type=float, default=0.05, help="one minus the level of the intervals (default: %(default)s)")
    parse.add_argument("--out", metavar="DIR", help="default: audits/words--<data>--<UTC>")
    parse.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parse


_LISTS = "words separated by commas, or a file with one per line; forms that count as one word: 'nurse=nurse|nurses'"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    arguments = parser().parse_intermixed_args(argv)
    return ended(lambda: _run(arguments), debug=arguments.debug)


def _run(arguments: argparse.Namespace) -> int:
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.extensions.words.exports import caption_words_lines
    from audit.output.directory import default_directory

    if not 0 < arguments.alpha < 1:
        raise UsageError(f"invalid --alpha {arguments.alpha:g}: expected 0 < alpha < 1", fix="--alpha 0.05")
    terms = _terms(arguments)
    group_terms = _group_terms(arguments.group_words)
    counted = count_words_of_run(arguments.run, arguments.overrides, terms, group_terms)
    facts = caption_words(counted, terms, arguments.alpha)
    out = Path(arguments.out) if arguments.out else default_directory(["words"], [counted.source], dt.datetime.now(dt.UTC))
    _write(facts, out)
    terminal.show(f"{caption_words_lines(facts, Screen.of(sys.stdout))}\n{visible(terminal.shown_path(out / PAGE))}", out)
    return 0


def _terms(arguments: argparse.Namespace) -> tuple[Term, ...]:
    import probes

    if not arguments.words and not arguments.probe:
        raise UsageError("no words to count", fix="--words nurse,doctor or --probe occupations")
    own = [entry for text in arguments.words for entry in _entries(text, "--words")]
    named = {tuple(tokens_of(entry.partition("=")[0])) for entry in own}  # the forms of the user replace those of a probe
    of_probes = [word for name in arguments.probe for word in answer_words(probes.get(name)) if tuple(tokens_of(word)) not in named]
    return read_terms([*own, *of_probes], " and ".join(["--words"] * bool(own) + ["--probe"] * bool(of_probes)))


def _group_terms(text: str | None) -> tuple[Term, ...]:
    if text is None:
        return ()
    terms = read_terms(_entries(text, "--group-words"), "--group-words")
    if len(terms) < 2:
        fix = "--group-words 'woman=woman|women|she,man=man|men|he'"
        raise UsageError("--group-words names one group", why="a group is compared with the others", fix=fix)
    return terms


def _entries(text: str, flag: str) -> list[str]:
    """Return the entries of a list, or the lines of the file that it names, without comments."""
    path = Path(text)
    if "," in text or "=" in text or not path.exists():
        return text.split(",")
    try:
        lines = read_text(path, _MOST_BYTES, "utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the list of {flag} cannot be read",
            where=text,
            why=getattr(error, "strerror", None) or str(error),
            fix="give a UTF-8 text file",
        ) from error
    return [line for line in lines if not line.lstrip().startswith("#")]


def answer_words(probe: Probe) -> list[str]:
    """Return the answers of a probe's questions, and the words of its rankings and taggings, without articles.

    Raises UsageError if it has none: options that differ from image to image are not words for a group.
    """
    from audit.analyses.plans import RankingPlan, TaggingPlan

    def named() -> Iterator[Iterable[str]]:
        for measurement in probe.measurements:
            yield measurement.label_set.labels if measurement.kind != "row_options" else ()
        for plan in probe.analyses:
            yield plan.labels if isinstance(plan, TaggingPlan) else plan.queries if isinstance(plan, RankingPlan) else ()

    words = dict.fromkeys(chain.from_iterable(named()))
    if not words:
        fix = "name words: --words nurse,doctor"
        raise UsageError(f"the probe {probe.name!r} has no words to count", why="it has no fixed answers", fix=fix)
    return [_without_article(word) for word in words]


def _without_article(word: str) -> str:
    return next((word[len(article) :] for article in _ARTICLES if word.lower().startswith(article)), word)


def caption_words(counted: WordsOfRun, terms: Sequence[Term], alpha: float) -> CaptionWords:
    """Return the facts: groups and images, and every word with every group.

    Raises DataError if fewer than two groups have captions.
    """
    import numpy as np

    from audit.extensions.words.cooccurrence import CaptionedGroups, comparisons, word_ratios
    from audit.extensions.words.record import CaptionGroup, CaptionWords

    captions, counts = counted.counts.captions_m, counted.counts
    sizes = {
        name: CaptionGroup(name, int(((counted.group_m == code) & (captions > 0)).sum()), int(captions[counted.group_m == code].sum()))
        for code, name in ((NEITHER, "no group"), (SEVERAL, "several groups"), *enumerate(counted.groups))
    }
    present = [code for code, name in enumerate(counted.groups) if sizes[name].captions]
    if len(present) < 2:
        raise DataError(
            "fewer than two groups have captions", where=counted.source,
            why=", ".join(f"{size.name}: {size.images:,} images" for size in sizes.values()),
            fix='name the column of groups, data.groups=["gender"], or words for groups, --group-words',
        )  # fmt: skip
    renumbered = np.full(len(counted.groups) + 2, -1)
    renumbered[present] = np.arange(len(present))  # the last two stand for -2 and -1
    names = tuple(counted.groups[code] for code in present)
    groups = CaptionedGroups(names, renumbered[counted.group_m], captions)
    words = tuple((term.name, tuple(map(" ".join, term.forms))) for term in terms)
    hits = counts.word_h, counts.image_h, counts.events_h
    return CaptionWords(
        source=counted.source, attribute=" × ".join(counted.columns),
        group_words=tuple((term.name, tuple(map(" ".join, term.forms))) for term in counted.group_terms), words=words,
        groups=tuple(sizes[name] for name in names),
        left_out=tuple(sizes[name] for name in ("no group", "several groups") if sizes[name].images),
        clustered=groups.clustered, alpha=alpha, comparisons=comparisons(len(words), len(names)),
        ratios=tuple(word_ratios([name for name, _ in words], *hits, groups, alpha)),
    )  # fmt: skip


def _write(facts: CaptionWords, out: Path) -> None:
    from audit.extensions.words.exports import caption_words_csv
    from audit.extensions.words.page import caption_words_page
    from audit.output.directory import OutputFolder

    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / TABLE).is_file()):
        raise UsageError(f"--out {str(out)!r} holds other things", fix="name a new folder")
    folder = OutputFolder(out, make=True)
    folder.write_text(TABLE, caption_words_csv(facts))
    folder.write_text(PAGE, caption_words_page(facts))


if __name__ == "__main__":
    sys.exit(main())
