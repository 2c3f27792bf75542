"""``vlm-audit causes PLAN.toml --out DIR``: what in the training data made a gap, and what would have prevented it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.exit_codes import ENDS, ended
from audit.cli.parser import Parser, words_of
from audit.errors import UsageError
from strictio.console import prepare_streams, visible

if TYPE_CHECKING:
    from audit.extensions.causes.training import RayModels

PROGRAM = "vlm-audit causes"
_DESCRIPTION = """Trains models with different doses of changed captions, audits each, fits a curve of the stated outcome against the dose,
and checks what it predicts for a held-back dose. Interventions are compared at one dose."""
_ENGINE = "local: one model after another; ray: several at once on a Ray cluster (pip install 'ray[data]')"
_ADDRESS = (
    "with --engine ray: local (a cluster on this machine), auto (the one this machine is in), or ray://HOST:PORT "
    "(default: RAY_ADDRESS, else local)"
)


def parser() -> Parser:
    """Return the parser of the command."""
    parse = Parser(PROGRAM, description=_DESCRIPTION)
    parse.add_argument("plan", metavar="PLAN", help="a TOML file: doses, seeds, the outcome, the fit (docs/extensions/causes.md)")
    parse.add_argument(
        "--out", metavar="DIR", required=True, help="folder of models, audits and page; the same command again continues there"
    )
    parse.add_argument("--allow-probe", metavar="FILE", help="the plan's probe, where that is a Python file: it is run")
    parse.add_argument(
        "--allow-remote", action="store_true", help="let the training read data behind URLs or on the hub, and log to Weights & Biases"
    )
    parse.add_argument("--data", metavar="WHERE", help="images for the audits, as of vlm-audit run; default: what the probe names")
    parse.add_argument("--image-root", metavar="DIR", help="with --data, as of vlm-audit run")
    parse.add_argument("--attributes-from", metavar="FILE", help="as of vlm-audit run")
    parse.add_argument("--engine", choices=("local", "ray"), default="local", help=_ENGINE)
    parse.add_argument("--ray-address", metavar="ADDRESS", help=_ADDRESS)
    parse.add_argument("--ray-cpus", metavar="N", type=int, help="with --engine ray: CPUs for one model (default: 1)")
    parse.add_argument(
        "--ray-gpus", metavar="N", type=float, help="with --engine ray: GPUs for one model (default: 0); 0.5 if two models share one"
    )
    parse.add_argument("--quiet", action="store_true", help="no log, and no results on stdout but the path of the page")
    parse.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parse.epilog = f"exit codes: 0 complete, 2 usage, 3 bad data or model, 4 refused as unsafe, 5 environment, {ENDS}"
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    prepare_streams()
    words = words_of(argv)
    arguments = parser().parse_args(words)
    return ended(lambda: _run(arguments, words), debug=arguments.debug)


def _ray(arguments: Namespace) -> RayModels | None:
    """Return the cluster that was named; raises `UsageError` for an option of another engine."""
    from audit.extensions.causes.training import RayModels

    own = {"address": arguments.ray_address, "cpus": arguments.ray_cpus, "gpus": arguments.ray_gpus}
    named = {name: value for name, value in own.items() if value is not None}
    if arguments.engine == "ray":
        return RayModels(**named)
    if named:
        raise UsageError(f"--ray-{next(iter(named))} requires --engine ray", fix="leave it out")
    return None


def _run(arguments: Namespace, words: Sequence[str]) -> int:
    from audit.cli import terminal
    from audit.cli.screen import Screen
    from audit.extensions.causes.exports import causes_lines
    from audit.extensions.causes.plan import PlanInputs
    from audit.extensions.causes.run import PAGE, find_causes
    from audit.output.directory import scrub

    inputs = PlanInputs(**{field.name: getattr(arguments, field.name) for field in fields(PlanInputs)})
    with terminal.working((), quiet=arguments.quiet):
        done = find_causes(arguments.plan, Path(arguments.out), (PROGRAM, *map(scrub, words)), inputs=inputs, ray=_ray(arguments))
    text = "" if arguments.quiet else f"{causes_lines(done.facts, Screen.of(sys.stdout))}\n"
    terminal.show(text + visible(terminal.shown_path(done.directory / PAGE)), done.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
