"""``python -m contrastive.influence RUN --target FILE``: TracIn and gradient similarity of groups of training pairs, as JSON.

For a finished run with ``run.keep_every``. The file names the groups, and the images and texts whose probabilities they may move. It is
what ``vlm-audit causes`` writes for a plan with ``[influence]``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StrictFloat, StrictInt, StrictStr

from contrastive.cli.command import command_parser, run_command, wait_asleep
from contrastive.config import Config, read_config
from contrastive.settings import LeaveOutConfig
from strictio.errors import DataError, UsageError
from strictio.files import read_text
from strictio.limits import parse_json
from strictio.schema import from_dict, record

if TYPE_CHECKING:
    from contrastive.training.influence import Target


@record
class ImageEntry:
    """An image, its weight in the target, and the texts that mean its answer, by position."""

    file: StrictStr
    weight: StrictFloat
    texts: tuple[Annotated[StrictInt, Field(ge=0)], ...]


@record
class TargetFile:
    """The content of the file."""

    batches: Annotated[StrictInt, Field(ge=1)]
    """Number of reference batches."""
    groups: Mapping[StrictStr, LeaveOutConfig]
    prompts: tuple[tuple[StrictStr, ...], ...]
    """The prompts of each text."""
    images: tuple[ImageEntry, ...]
    """Files in the folder ``images`` next to this file."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = command_parser("influence", "How groups of training pairs should move an answer, by gradients at the steps that a run kept.")
    parse.add_argument("run", metavar="RUN", help="a TOML file or a recipe: that of the finished run")
    parse.add_argument("overrides", metavar="section.key=value", nargs="*", help="its other settings, with run.out")
    parse.add_argument("--target", type=Path, metavar="FILE", required=True, help="JSON: groups, images and texts")
    parse.add_argument("--check", action="store_true", help="only count the training pairs of each group; read no checkpoint and no image")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, or that of the error (`strictio.errors`)."""
    options = parser().parse_intermixed_args(argv)
    return run_command(lambda: _result(options), debug=options.debug, whole=True)  # JSON is never cut


def _result(options: argparse.Namespace) -> str:
    config, target = read_config(options.run, options.overrides), _read(options.target)
    wait_asleep()
    from contrastive.training.influence import find_members, influences
    from contrastive.training.inputs import prepare

    inputs = prepare(config)
    members = find_members(inputs, target.groups, target.batches)
    counts = {"pairs": members.pairs_g.tolist(), "sampled": members.sampled_g.tolist(), "batches": members.batches}
    if options.check:
        return json.dumps(counts)
    made = influences(inputs, _checkpoints(config), members, _opened(target, options.target.parent / "images"))
    proxies = {"tracin": made.tracin_g.tolist(), "similarity": made.similarity_g.tolist(), "target": made.target, "steps": made.steps}
    return json.dumps(counts | proxies)


def _read(path: Path) -> TargetFile:
    try:
        return from_dict(TargetFile, parse_json(read_text(path)), "the target")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("the target is not a readable JSON file", where=str(path), why=str(error)[:200]) from error


def _checkpoints(config: Config) -> list[Path]:
    out = Path(config.run.out)
    kept, last = sorted(out.glob("step-*.pt")), out / "ckpt.pt"
    if not kept or not last.is_file():
        why = "it has no step-*.pt" if last.is_file() else "it has no ckpt.pt"
        raise UsageError("the run has no kept steps", where=str(out), why=why, fix="train it with run.keep_every, to its end")
    return [*kept, last]


def _opened(target: TargetFile, folder: Path) -> Target:
    import numpy as np

    from contrastive.training.influence import Target
    from strictio.images.decode import UnreadableImage, decode
    from strictio.images.in_process import read_under

    answer_nk = np.zeros((len(target.images), len(target.prompts)), bool)
    images = []
    for entry, answer_k in zip(target.images, answer_nk, strict=True):
        try:
            images.append(decode(read_under(folder, entry.file)).image)
        except UnreadableImage as error:
            raise DataError("an image of the target cannot be read", where=entry.file, why=error.reason) from error
        answer_k[list(entry.texts)] = True
    return Target(images, np.array([entry.weight for entry in target.images]), answer_nk, target.prompts)


if __name__ == "__main__":
    sys.exit(main())
