"""The command: ``python -m audit.compare BEFORE AFTER [AFTER …]``: what changed between models on the same images.

Each argument is the directory of a finished audit or a model, which is then audited first (as `audit.run` would, with the same embedding
cache). Everything is compared with the first. Checkpoints of one run are a series and are followed step by step. Exit codes are those of
`audit.run`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import audit
from audit.cli.parser import Parser, error_rate, positive, share
from audit.errors import AuditError, UsageError

if TYPE_CHECKING:
    from audit.comparison.sides import FinishedAudit
    from audit.types import Settings

PROGRAM = "python -m audit.compare"
LOG = logging.getLogger("audit.compare")
INTERRUPTED, DEFECT = 130, 70
_PASSED_ON = ("data", "model_args", "limit", "device", "dtype", "batch_size", "max_skip", "seed", "alpha", "tolerance", "min_group_size")
"""Flags that an audit of a model gets as they were typed."""


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser(PROGRAM, description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.epilog = "exit codes: 0 complete, 2 usage, 3 bad data or model, 4 refused as unsafe, 5 environment, 70 defect, 130 interrupted"
    parse.add_argument("sides", nargs="+", metavar="SIDE", help="the directory of a finished audit, or a model as audit.run takes it")
    parse.add_argument(
        "--series", action="store_true", help="checkpoints of one run: curves over their steps (recognised by itself from 3)"
    )
    parse.add_argument("--out", type=Path, metavar="DIR", help="default: audits/<before>-against-<after>--comparison--<UTC>")
    models = parse.add_argument_group("for models, which are audited first")
    models.add_argument("--probe", action="append", metavar="NAME", help="a probe, or your own file.py, which is run; repeatable")
    models.add_argument("--data", metavar="WHERE", help="a folder, a CSV or Parquet file, or hf:ID; default: what the probe names")
    models.add_argument("--model-args", metavar="NAME=VALUE", help="what a file of weights does not say")
    models.add_argument("--limit", type=positive, metavar="N", help="a stratified sample of N images; it can conclude nothing")
    models.add_argument("--device", help="cpu, cuda, cuda:1, mps")
    models.add_argument("--dtype", choices=("float32", "bfloat16", "float16"))
    models.add_argument("--batch-size", type=positive, metavar="N")
    models.add_argument("--max-skip", type=share, metavar="SHARE", help="unreadable images that are tolerated")
    rules = parse.add_argument_group("what counts (default: as in the first audit)")
    rules.add_argument("--seed", type=int, metavar="N", help="of the random draws")
    rules.add_argument("--alpha", type=error_rate, help="error rate of tests and intervals")
    rules.add_argument("--tolerance", type=share, help="a change that would not matter, fixed beforehand")
    rules.add_argument("--min-group-size", type=positive, metavar="N", help="smaller groups are shown, not judged")
    parse.add_argument("--debug", action="store_true", help="show a traceback for every error")
    parse.add_argument("--version", action="version", version=f"vlm-audit {audit.__version__}")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; nothing but `AuditError` is shown to a person as their own mistake."""
    words = [_dashed(word) for word in (sys.argv[1:] if argv is None else argv)]
    arguments = parser().parse_intermixed_args(words)
    try:
        return run(arguments, tuple(words))
    except _StoppedError as told:
        return told.code
    except AuditError as error:
        return _report(f"error[E{error.exit_code}] {error}", error.exit_code, arguments.debug)
    except KeyboardInterrupt:
        return _report("interrupted; what was embedded is kept: the same command goes on from there", INTERRUPTED, arguments.debug)
    except Exception as error:  # a defect of ours must not look like a finding
        message = f"error[E{DEFECT}] internal error: {type(error).__name__}: {error}\nfix: run again with --debug and report what it prints"
        return _report(message, DEFECT, arguments.debug)


class _StoppedError(Exception):
    """An audit ended otherwise than complete, and has said so."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


def _dashed(word: str) -> str:
    """Accept underscores in the names of flags."""
    flag, equals, value = word.partition("=")
    return (flag.replace("_", "-") if word.startswith("--") else flag) + equals + value


def _report(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
    return code


def run(arguments: argparse.Namespace, words: tuple[str, ...]) -> int:
    """Audit what is no finished audit yet, compare, write the directory, print what changed."""
    from audit.comparison.engine import compare
    from audit.comparison.sides import distinct_names, read
    from audit.output import directory as outputs
    from audit.output.audit import Clock
    from audit.output.comparison import assemble_comparisons, write
    from reports.exports.comparison_summary import terminal

    clock = Clock.start()
    specs = [side for side in arguments.sides if not _is_finished(side)]
    _check_words(arguments, specs)
    finished = {side: read(Path(side)) for side in arguments.sides if side not in specs}
    directory = arguments.out or _default_directory(arguments.sides, clock.moment)
    outputs.check_writable(directory, outputs.COMPARISON)
    with _claimed(directory):
        finished |= {spec: read(_audit(spec, place, arguments, directory)) for place, spec in enumerate(dict.fromkeys(specs), 1)}
        sides = [each for side in arguments.sides for each in finished[side]]
        distinct_names(sides)
        settings = _settings(arguments, sides[0])
        compared = compare(sides, settings, series=arguments.series, tolerance=arguments.tolerance)
        LOG.info("compared %s", ", ".join(each.side.name for each in compared.sides))
        comparisons = assemble_comparisons(compared, settings, (PROGRAM, *map(outputs.scrub, words)), clock.timing())
        write(directory, comparisons)
        print(terminal(comparisons))
        print(os.path.relpath(directory / "comparison.html") if not directory.is_absolute() else directory / "comparison.html")
    return 0


def _is_finished(side: str) -> bool:
    return any((Path(side) / name).is_file() for name in ("results.json", "STATUS"))


def _check_words(arguments: argparse.Namespace, specs: Sequence[str]) -> None:
    if specs and not arguments.probe:
        why = "it holds no results.json, so it is taken for a model" if Path(specs[0]).is_dir() else "it is taken for a model"
        raise UsageError(f"--probe is missing: {specs[0]!r} is no finished audit", why=why, fix=f"{PROGRAM} BEFORE AFTER --probe fairface")
    audited_only = [name for name in ("probe", *_PASSED_ON[:7]) if getattr(arguments, name) is not None]
    if not specs and audited_only:
        flag = audited_only[0].replace("_", "-")
        raise UsageError(f"--{flag} has no meaning here", why="every side is a finished audit", fix="leave it out, or name models instead")


def _default_directory(sides: Sequence[str], now: dt.datetime) -> Path:
    from audit.output import directory as outputs

    short = ["-".join(Path(side.removeprefix("hf:")).parts[-2:]).removesuffix(".pt") or side for side in sides]
    name = [f"{short[0]}-against-{short[1]}"] if len(short) == 2 else short
    return outputs.default_directory(name, ["comparison"], now)


@contextlib.contextmanager
def _claimed(directory: Path) -> Iterator[None]:
    """Take the directory for this process, and leave STATUS and run.log saying how it ended."""
    from audit.output import directory as outputs

    outputs.open_directory(directory)
    status = "failed"
    handler = logging.FileHandler(directory / "run.log", mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    LOG.setLevel(logging.INFO)
    LOG.addHandler(handler)
    try:
        yield
        status = "complete"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except Exception as error:
        LOG.error("stopped: %s", str(error).replace("\n", "; "))
        raise
    finally:
        outputs.close(directory, status)
        LOG.removeHandler(handler)
        handler.close()


def _audit(spec: str, place: int, arguments: argparse.Namespace, directory: Path) -> Path:
    """Audit a model into a folder of its own below the comparison's, and return that folder."""
    from audit.run import main as run_audit

    short = "-".join(Path(spec.removeprefix("hf:")).parts[-2:]).removesuffix(".pt")
    own = directory / "audits" / f"{place}-{''.join(c if c.isalnum() or c in '.-_' else '-' for c in short).strip('.-') or 'model'}"
    words = [f"--model={spec}", *(f"--probe={name}" for name in arguments.probe), f"--out={own}"]
    words += [f"--{name.replace('_', '-')}={value}" for name in _PASSED_ON if (value := getattr(arguments, name)) is not None]
    LOG.info("auditing %s", Path(spec).name)
    with contextlib.redirect_stdout(sys.stderr):  # the results of this command are what changed
        code = run_audit([*words, *(["--debug"] if arguments.debug else [])])
    if code:
        raise _StoppedError(code)
    return own


def _settings(arguments: argparse.Namespace, first: FinishedAudit) -> Settings:
    """Return the settings of the first audit, with what was typed in their place."""
    names = ("seed", "alpha", "tolerance", "min_group_size")
    typed = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    return replace(first.results.settings, **typed)


if __name__ == "__main__":
    sys.exit(main())
