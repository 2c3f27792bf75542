"""``python -m contrastive.train RUN``: one training run, from a TOML file or a shipped recipe, to ``ckpt.pt``.

The same command again takes an interrupted run up where it was saved, and leaves a finished one alone. Nothing heavy is imported before
the arguments are read: ``--help`` needs no torch.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive.errors import ContrastiveError, MachineError

if TYPE_CHECKING:
    from contrastive.config import Config
    from contrastive.loop import Material, Training


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 finished; 2 a bad flag or configuration; 3 bad data; 4 an unsafe checkpoint in the output folder; 5 the machine (disk, folder in use);
    70 training diverged, or a defect of this program; 130 Ctrl-C and 143 SIGTERM, with the state saved.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = _parser().parse_intermixed_args(arguments)  # settings may stand before and after flags
    try:
        return _run(options, arguments)
    except KeyboardInterrupt:
        _complain("stopped at once; what was saved before is still there")
        return 130
    except Exception as error:
        if options.debug:
            traceback.print_exc()
        return _explain(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m contrastive.train",
        description="Train a CLIP-style model on captioned images and write <run.out>/ckpt.pt and log.jsonl. "
        "The same command again resumes an interrupted run.",
    )
    parser.add_argument(
        "run", metavar="RUN", help="a TOML file, or the name of a recipe that comes with the package (emoji, emoji_balanced)"
    )
    parser.add_argument("overrides", metavar="section.key=value", nargs="*", help="replaces a setting, for example optim.lr=1e-3")
    parser.add_argument("--fresh", action="store_true", help="start again, replacing what is in the output folder")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from contrastive.config import read_config

    config = read_config(options.run, options.overrides)
    with _claimed(Path(config.run.out)):
        return _train(config, options, arguments)


def _train(config: Config, options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from contrastive import loop
    from contrastive.checkpoint import load
    from contrastive.journal import Journal, StopRequest

    path = Path(config.run.out) / "ckpt.pt"
    found = load(path) if path.exists() and not options.fresh else None
    material = loop.prepare(config)
    training = loop.take_up(material, found, path) if found else loop.start(material)
    _announce(material, training)
    if found and found.training is None:
        print(f"already finished; --fresh trains again\n{path}")
        return 0
    journal = Journal(path.with_name("log.jsonl"))
    journal.begin(training.step)
    journal.write("start", step=training.step, config=config.to_dict(), data_card=material.data_card, replaced=material.pairs.replaced)
    with StopRequest() as stop:
        loop.carry_through(training, material, stop, quiet=options.quiet)
    if training.step < config.optim.steps and stop.signal is not None:
        _complain(f"stopped after step {training.step} of {config.optim.steps}; the state is saved")
        _complain(f"resume: python -m contrastive.train {shlex.join(item for item in arguments if item != '--fresh')}")
        return 128 + stop.signal
    _conclude(loop.finish(training, material), training, config)
    print(path)
    return 0


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Make the output folder and hold it against a second process."""
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MachineError("the output folder is in use", where=str(folder), why="another training run holds it") from error
    except OSError as error:
        raise MachineError("the output folder cannot be written", where=str(folder), why=error.strerror) from error
    with lock:
        yield


def _announce(material: Material, training: Training) -> None:
    config, text = material.config, material.model.text
    parameters = sum(parameter.numel() for parameter in training.model.parameters())
    print(
        f"model  {config.model.preset}: {parameters:,} parameters, {material.preprocess.size} px, "
        f"{text.vocab_size} ids, context {text.context}, {config.loss.kind} loss, on {config.run.device}"
    )
    print(
        f"data   {config.data.train}: {len(material.train_rows)} pairs, {len(material.held_out_rows)} held out, batch {config.data.batch}"
    )
    print(f"card   {material.data_card}")
    begin = f"from step {training.step}" if training.step else "from the start"
    print(f"run    {config.run.out}: {config.optim.steps} steps, {begin}, seed {config.run.seed}", flush=True)
    for sentence in material.pairs.replaced[:3]:
        _complain(f"warning: {sentence}")


def _conclude(measures: dict[str, float], training: Training, config: Config) -> None:
    if measures:
        recalls = ", ".join(f"{name.replace('_', ' ')} {value:.2f}" for name, value in measures.items() if "recall" in name)
        print(f"held out, {measures['pairs']} pairs: loss {measures['loss']:.3f}, {recalls}")
    samples = config.optim.steps * config.data.batch
    print(
        f"took   {config.optim.steps} steps, {samples:,} samples in {training.seconds:.0f} s ({samples / training.seconds:,.0f} samples/s)"
    )


def _explain(error: Exception) -> int:
    if isinstance(error, ContrastiveError):
        _complain(f"error: {error}")
        return error.exit_code
    _complain(f"error: a defect of this program: {type(error).__name__}: {error}\nfix: run it again with --debug and report what it prints")
    return 70


def _complain(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
