"""The words of the command line: the parser of ``python -m audit.run`` and the numbers that it takes. Cheap to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

import audit
from audit.errors import nearest

PROGRAM = "python -m audit.run"
MIN_ALPHA = 1e-4  # the permutation tests draw 9,999 times: nothing smaller could ever be reached


class Parser(argparse.ArgumentParser):
    """An argument parser that names the nearest flag."""

    def error(self, message: str) -> NoReturn:
        """Exit with code 2; an unknown flag gets its nearest neighbours."""
        unknown = [word for word in message.split() if word.startswith("-")] if "unrecognized" in message else []
        flags = [flag for flag in self._option_string_actions if flag.startswith("--")]
        hint = nearest(unknown[0].split("=")[0], flags) if unknown else f"{self.prog} --help"
        self.exit(2, f"error[E2] {message}\nfix: {hint}\n")


class AboutModel(argparse.Action):
    """Keeps words with the number of models named before them: they are about the last of those."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        said = getattr(namespace, self.dest) or []
        setattr(namespace, self.dest, [*said, (len(namespace.model or ()), values)])


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser(PROGRAM, description=audit.__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.epilog = (
        "exit codes: 0 complete, 1 a gate is breached or under --limit, 2 usage, 3 bad data or model, 4 refused as unsafe, 5 environment, "
        "70 defect, 130 interrupted"
    )
    for add in (_what_to_audit, _how_to_run, _what_counts, _gates, _about):
        add(parse)
    return parse


def _what_to_audit(parse: Parser) -> None:
    """Model, data and where the results go."""
    what = parse.add_argument_group("what to audit")
    what.add_argument(
        "--model",
        action="append",
        metavar="SPEC",
        help="weights (ckpt.pt), a folder, hf:ORG/NAME[@REV], open_clip:ARCH,FILE or file.py:CLASS; repeatable",
    )
    what.add_argument(
        "--model-args", action=AboutModel, metavar="NAME=VALUE", help="what a file of weights does not say: activation=gelu "
        "mean=0.5,0.5,0.5 …; about the --model before it, or before the first about all"
    )  # fmt: skip
    what.add_argument(
        "--probe", action="append", metavar="NAME", help="a probe (--list-probes), or your own file.py, which is run; repeatable"
    )
    what.add_argument("--data", metavar="WHERE", help="a folder, a CSV or Parquet file, or hf:ID; default: what the probe names")
    what.add_argument("--predictions", type=Path, metavar="FILE", help="audit answers given elsewhere (CSV or Parquet); no model is loaded")
    what.add_argument(
        "--attributes", type=names, metavar="NAME,NAME", help="with --predictions: columns to slice by (default: text with 2 to 50 levels)"
    )
    what.add_argument(
        "--outcome",
        action="append",
        metavar="NAME=LABEL,LABEL",
        help="with --predictions: labels that count as one thing; NAME:low= where it is bad to get, NAME:high= where good; repeatable",
    )
    what.add_argument("--depth", type=positive, metavar="N", help="with --predictions: most attributes that an intersection combines (2)")
    what.add_argument("--cluster", metavar="COLUMN", help="images that belong together (of one person, say) and count as one case")
    what.add_argument(
        "--by", action="append", type=names, metavar="NAME,NAME", help="ask what counts by these groups too (their intersections), outside "
        "the verdict; repeatable"
    )  # fmt: skip
    what.add_argument("--exclude", type=Path, metavar="FILE", help="leave out the images that this text file lists, an identifier a line")
    what.add_argument(
        "--limit", type=positive, metavar="N", help="a stratified sample of N images; such a run can conclude nothing and passes no gate"
    )
    what.add_argument(
        "--what-if", action="append", metavar="METHOD", help="what would change if ...: neutral-label, projection, ... or all; repeatable"
    )
    what.add_argument(
        "--include-examples", type=positive, metavar="N", help="put N small pictures into the report; they may show people (default: none)"
    )
    what.add_argument("--twin", action="store_true", help="audit the same architecture untrained as well, as a control beside the model")
    what.add_argument("--out", type=Path, metavar="DIR", help="default: audits/<model>--<probe>--<UTC>")


def _how_to_run(parse: Parser) -> None:
    """What changes no number but by rounding, and the seed."""
    how = parse.add_argument_group("how to run it")
    how.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: %(default)s)")
    how.add_argument("--dtype", default="float32", choices=("float32", "bfloat16", "float16"), help="default: %(default)s")
    how.add_argument(
        "--batch-size", type=positive, default=32, metavar="N", help="halved by itself when memory runs out (default: %(default)s)"
    )
    how.add_argument(
        "--max-skip", type=share, default=0.01, metavar="SHARE", help="unreadable images that are tolerated (default: %(default)s)"
    )
    how.add_argument("--seed", type=int, default=0, metavar="N", help="of the permutation tests and of --limit (default: %(default)s)")


def _what_counts(parse: Parser) -> None:
    """What decides a verdict."""
    rules = parse.add_argument_group("what counts")
    rules.add_argument("--alpha", type=error_rate, default=0.05, help="error rate of tests and intervals (default: %(default)s)")
    rules.add_argument("--tolerance", type=share, default=0.05, help="a gap that would not matter, fixed beforehand (default: %(default)s)")
    rules.add_argument(
        "--min-group-size", type=positive, default=30, metavar="N", help="smaller groups are shown, not judged (default: %(default)s)"
    )


def _gates(parse: Parser) -> None:
    """What ends the command with exit code 1."""
    gates = parse.add_argument_group("gates")
    gates.add_argument(
        "--fail-on",
        action="append",
        metavar="GATE",
        help="exit with 1 if this is shown: 'gap[occupation.accuracy by gender] > 0.05'; repeatable",
    )
    gates.add_argument("--require-conclusive", action="store_true", help="exit with 1 if a gate can be neither breached nor held")
    gates.add_argument("--junit", type=Path, metavar="FILE", help="the gates as JUnit XML, for a build server")


def _about(parse: Parser) -> None:
    """Words about the program."""
    about = parse.add_argument_group("about")
    about.add_argument("--list-probes", action="store_true", help="name the probes and their questions")
    about.add_argument("--debug", action="store_true", help="show a traceback for every error")
    about.add_argument("--version", action="version", version=f"vlm-audit {audit.__version__}")


def positive(text: str) -> int:
    """Return a whole number of at least 1."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Return the names between commas, each once."""
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} names nothing")
    return found


def share(text: str) -> float:
    """Return a share from 0 up to, but not including, 1."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share: give a number from 0 up to 1, such as 0.05")
    return number


def error_rate(text: str) -> float:
    """Return an error rate that the permutation tests can reach."""
    if not MIN_ALPHA <= (rate := share(text)) < 0.5:  # equivalence uses intervals at 1 - 2 alpha
        raise argparse.ArgumentTypeError(f"{text!r} is no error rate: give at least {MIN_ALPHA} and less than 0.5")
    return rate
