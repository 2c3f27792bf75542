"""``python -m contrastive.train RUN``: one training run, from a TOML file or a shipped recipe, to ``ckpt.pt``.

Running the same command again resumes an interrupted run from its last saved state; a finished run is left unchanged. Heavy imports happen
after parsing the arguments, so ``--help`` does not need torch.

Several processes: ``torchrun --nproc-per-node 2 -m contrastive.train RUN``. The first one writes files and prints; if one fails,
``status.json`` in the output folder says which and why, because torchrun itself always exits with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from contrastive.cli.command import typed_as, wait_asleep
from contrastive.config import Config, read_config, recipes, require_local
from strictio.arguments import ArgumentParser
from strictio.console import prepare_streams, put
from strictio.errors import MachineError, VlmAuditError, as_machine_error
from strictio.stop_requests import patient

if TYPE_CHECKING:
    from contrastive.training.loop import RunInputs, Training


_FLAGS = {
    "--fresh": "start again, replacing what is in the output folder",
    "--check": "check the settings and print them as JSON; read no data",
    "--local": "refuse data behind URLs or on the hub, and logging to Weights & Biases",
    "--doctor": "check data, first loss, speed and memory, overfit 128 pairs, say what is wrong; train nothing",
    "--quiet": "no progress bar",
    "--debug": "show the traceback of an error",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 finished; 2 a bad flag or configuration; 3 bad data; 4 an unsafe checkpoint in the output folder; 5 the machine (disk, folder in use);
    70 training diverged, or a bug in this program; 130 Ctrl-C and 143 SIGTERM, with the state saved.
    """
    prepare_streams()
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_intermixed_args(arguments)  # settings may come before and after flags
    folder: list[Path] = []
    try:
        return _run(options, arguments, folder)
    except KeyboardInterrupt:
        _complain("stopped at once; what was saved before is still there")
        return 130
    except Exception as problem:
        if options.debug:
            traceback.print_exc()
        error = problem if isinstance(problem, VlmAuditError) else as_machine_error(problem) or problem
        code = _explain(error)
        _leave_status(folder, code, error)
        return code


class _ListSettings(argparse.Action):
    """Print the settings and exit, like ``--help``, without a run."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from contrastive.cli.settings_list import list_settings

        for line in list_settings().splitlines():  # a message with so many would be truncated
            if put(line, sys.stdout) is not None:
                break
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parse = ArgumentParser(
        prog=typed_as("train"),
        description="Train a CLIP-style model on captioned images and write <run.out>/ckpt.pt and log.jsonl. "
        "The same command again resumes an interrupted run.",
    )
    parse.epilog = f"Every setting with its type and default: {parse.prog} --settings; with examples: docs/training.md"
    named = ", ".join(sorted(recipes()))
    parse.add_argument("run", metavar="RUN", help=f"a TOML file, or the name of a recipe that comes with the package ({named})")
    parse.add_argument("overrides", metavar="section.key=value", nargs="*", help="replaces a setting, for example optim.lr=1e-3")
    parse.add_argument(
        "--recipe", metavar="NAME", help="settings that RUN does not have are those of this recipe (open_clip: its trainer's)"
    )
    parse.add_argument("--settings", action=_ListSettings, nargs=0, help="list every setting and exit")
    for flag, what in _FLAGS.items():
        parse.add_argument(flag, action="store_true", help=what)
    return parse


def _run(options: argparse.Namespace, arguments: Sequence[str], folder: list[Path]) -> int:
    config = read_config(
        options.run, options.overrides, options.recipe
    )  # before importing torch, so that mistakes are reported immediately
    if options.local:
        require_local(config)
    if options.check:
        put(json.dumps(config.to_dict(), sort_keys=True), sys.stdout, whole=True)
        return 0
    wait_asleep()
    from contrastive import distributed
    from contrastive.training.watch import check_best

    check_best(config, held_out=bool(config.data.held_out or config.data.validation))  # before reading data for minutes
    out = Path(config.run.out)
    distributed.init(config.run.device)
    if options.doctor:
        from contrastive.training.doctor import examine

        return examine(config, say=_say)
    with _claimed(out) if distributed.rank0() else nullcontext():
        folder.append(out)
        distributed.barrier()  # the folder is not read before it is locked
        code = _train(config, options, arguments)
        distributed.close()
        return code


def _train(config: Config, options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from contrastive.checkpoint.file import Checkpoint
    from contrastive.training import loop
    from contrastive.training.branch import branch
    from contrastive.training.checkpointing import newest_state
    from contrastive.training.logs import StopRequest

    path = Path(config.run.out) / "ckpt.pt"
    state = None if options.fresh else newest_state(path.parent, _complain)
    inputs = loop.prepare(config, quiet=options.quiet)
    training = loop.resume(inputs, state, path) if state else branch(inputs) if config.run.resume else loop.start(inputs)
    _announce(inputs, training)
    if isinstance(state, Checkpoint) and state.training is None:
        log = loop.event_log(inputs)
        if _number() == 0 and not log.has_ended():  # the disk failed after the last checkpoint, and may have truncated the last line
            log.begin(state.step)
            loop.log_end(inputs, state.step, state.account or {})
        _say(f"already finished; --fresh trains again\n{path}")
        return 0
    if _number() == 0:
        log = loop.event_log(inputs)
        log.begin(training.step)
        facts = {
            "config": inputs.config.to_dict(),
            "data_card": inputs.data_card,
            "replaced": inputs.pairs.replaced,
            "left_out": inputs.left_out,
        }
        log.write("start", step=training.step, **facts)
    with patient(), StopRequest(patient=_processes() > 1) as stop:
        loop.run_training(training, inputs, stop, quiet=options.quiet)
    steps = inputs.config.optim.steps
    if training.step < steps and stop.signal is not None:
        if _number() == 0:
            _complain(f"stopped after step {training.step} of {steps}; the state is saved")
            _complain(f"resume: {_command(arguments)}")
        return 128 + stop.signal
    measures = loop.finish(training, inputs)
    if training.step < steps:
        _say(f"ended early: {inputs.config.run.best_by} was best {inputs.config.run.patience} measurements ago, in best.pt")
    _conclude(measures, training)
    _say(str(path))
    return 0


def _command(arguments: Sequence[str]) -> str:
    words = shlex.join(item for item in arguments if item != "--fresh")
    several = f"torchrun --nproc-per-node {_processes()} -m contrastive.train"
    return f"{typed_as('train') if _processes() == 1 else several} {words}"


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Create the output folder and lock it against other processes."""
    from strictio.files import Lock
    from strictio.folders import Folder

    try:
        opened = Folder.of(folder, make=True)
        lock = Lock(opened, ".lock")
    except BlockingIOError as error:
        raise MachineError("the output folder is in use", where=str(folder), why="another training run holds it") from error
    except OSError as error:
        raise MachineError("the output folder cannot be written", where=str(folder), why=error.strerror) from error
    with lock:
        opened.remove("status.json")
        yield


def _announce(inputs: RunInputs, training: Training) -> None:
    config, text = inputs.config, inputs.model.text
    everything = list(training.learner.parameters())
    parameters, locked = (sum(p.numel() for p in some) for some in (everything, [p for p in everything if not p.requires_grad]))
    taught = f" and a teacher ({config.loss.weight:g} of it)" if config.loss.teacher else ""
    _say(
        f"model  {config.model.name}: {parameters:,} parameters{f' ({locked:,} locked)' if locked else ''}, {inputs.preprocess.size} px, "
        f"{text.vocab_size} ids, context {text.context}, {config.loss.kind} loss{taught}, on {config.run.device} in {config.run.precision}"
    )
    _say(f"data   {config.data.train}: {inputs.counts[0]}, {_measured(inputs)}, batch {config.data.batch}")
    _say(f"card   {inputs.data_card}")
    begin = f"from step {training.step}" if training.step else "from the start"
    together = f", {_processes()} processes ({config.run.dist})" if _processes() > 1 else ""
    _say(f"run    {config.run.out}: {config.optim.steps} steps, {begin}, seed {config.run.seed}{together}")
    guessed = [note for note in inputs.initial.notes if note.startswith("Guessed")] if inputs.initial else []
    cut = [inputs.lengths.sentence] if inputs.lengths.cut else []
    for sentence in (*inputs.pairs.replaced[:3], *inputs.left_out, *cut, *inputs.grouping.warnings, *guessed) if _number() == 0 else ():
        _complain(f"warning: {sentence}")


def _measured(inputs: RunInputs) -> str:
    name = inputs.config.data.validation
    return f"{inputs.counts[1]} {f'to measure on ({name})' if name else 'held out'}"


def _conclude(measures: dict[str, float], training: Training) -> None:
    if "pairs" in measures:
        recalls = [f", {name.replace('_', ' ')} {value:.2f}" for name, value in measures.items() if "recall" in name]
        _say(f"held out, {measures['pairs']} pairs: loss {measures['loss']:.3f}{''.join(recalls)}")
    if "zero_shot_accuracy" in measures:
        by_label = measures["zero_shot_mean_per_label"]
        _say(f"zero-shot: accuracy {measures['zero_shot_accuracy']:.3f}, mean over labels {by_label:.3f}")
    _say(f"took   {training.step} steps, {training.account.sentence()}")


def _explain(error: Exception) -> int:
    if isinstance(error, VlmAuditError):
        _complain(f"error: {error}")
        return error.exit_code
    _complain(f"error: a defect of this program: {type(error).__name__}: {error}\nfix: run it again with --debug and report what it prints")
    return 70


def _leave_status(folder: Sequence[Path], code: int, error: Exception) -> None:
    """Write ``status.json`` for a distributed run, unless a process that failed earlier did; later errors are only consequences."""
    if _processes() == 1 or not folder:
        return
    process = {"process": _number(), "processes": _processes()}
    from strictio.folders import Folder

    status = {**process, "exit_code": code, "error": type(error).__name__, "reason": str(error)[:1000]}
    try:
        with suppress(FileExistsError), os.fdopen(Folder.of(folder[0]).create("status.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(status, indent=1) + "\n")
    except OSError as problem:
        _complain(f"status.json cannot be written: {problem.strerror}")


def _processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _number() -> int:
    return int(os.environ.get("RANK", "0"))


def _say(message: str) -> None:
    if _number() == 0:
        put(message, sys.stdout)


def _complain(message: str) -> None:
    begin = f"[process {_number()} of {_processes()}] " if _processes() > 1 else ""
    put(f"{begin}{message}", sys.stderr)


def _leave(code: int) -> None:
    """Exit immediately: gloo's threads sometimes abort the interpreter during shutdown, and there is nothing left to do."""
    if _processes() == 1:
        sys.exit(code)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
