"""The command: ``python -m audit.run --model ckpt.pt --probe fairface``.

Results go to stdout, progress and logs to stderr. Exit codes: 0 complete, 1 a gate is breached or was put to a sample, 2 usage,
3 bad data or model, 4 refused as unsafe, 5 environment, 70 a defect of this program, 130 interrupted. Heavy libraries are imported only
once there is work to do.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audit.cli.parser import PROGRAM, parser
from audit.errors import AuditError, DataError, UsageError
from audit.measure.slices import with_slices

if TYPE_CHECKING:
    from collections.abc import Iterator

    from audit.api.gate_set import GateSet
    from audit.engine import AuditedProbe
    from audit.types import Dataset, Probe, Settings

LOG = logging.getLogger("audit")
INTERRUPTED, DEFECT = 130, 70


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; nothing but `AuditError` is shown to a person as their own mistake."""
    words = [_dashed(word) for word in (sys.argv[1:] if argv is None else argv)]
    arguments = parser().parse_args(words)
    try:
        return _dispatch(arguments, words)
    except AuditError as error:
        return _report(f"error[E{error.exit_code}] {error}", error.exit_code, arguments.debug)
    except KeyboardInterrupt:
        return _report("interrupted; what was embedded is kept: the same command goes on from there", INTERRUPTED, arguments.debug)
    except Exception as error:  # every other exception is a defect of ours, and must not look like a finding (exit code 1)
        LOG.debug("internal error", exc_info=True)
        message = f"error[E{DEFECT}] internal error: {type(error).__name__}: {error}\nfix: run again with --debug and report what it prints"
        return _report(message, DEFECT, arguments.debug)


def _dashed(word: str) -> str:
    """Accept underscores in the names of flags."""
    if not word.startswith("--"):
        return word
    flag, equals, value = word.partition("=")
    return flag.replace("_", "-") + equals + value


def _report(message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(message, file=sys.stderr)
    return code


def _dispatch(arguments: argparse.Namespace, words: Sequence[str]) -> int:
    import probes

    if arguments.list_probes:
        for name in probes.names():
            print(f"{name:<12} {probes.get(name).question}")
        return 0
    _check_together(arguments)
    chosen = [probes.get(name) for name in arguments.probe or ()]
    _check_what_ifs(arguments, chosen)
    if arguments.cluster:
        chosen = [replace(probe, cluster=arguments.cluster) for probe in chosen]
    chosen = [with_slices(probe, arguments.by or ()) for probe in chosen]
    return run(arguments, chosen, tuple(words))


def _check_what_ifs(arguments: argparse.Namespace, chosen: Sequence[Probe]) -> None:
    """Refuse a method that does not exist and a probe that plans none, before any model is read."""
    if not arguments.what_if:
        return
    from audit.whatif.explore import chosen_methods

    chosen_methods(arguments.what_if)
    for probe in chosen:
        if not probe.what_ifs:
            raise UsageError(f"probe {probe.name!r} plans no what-ifs", fix="leave --what-if out, or give the probe `what_ifs`")


def _check_together(arguments: argparse.Namespace) -> None:
    """Raise `UsageError` for flags that are missing, or say nothing about this kind of run."""
    elsewhere = arguments.predictions is not None
    for flag in () if elsewhere else ("model", "probe"):
        if not getattr(arguments, flag):
            raise UsageError(f"--{flag} is missing", fix=f"{PROGRAM} --model ckpt.pt --probe fairface")
    if elsewhere and arguments.by and not arguments.probe:
        raise UsageError("--by adds to a probe, and there is none", fix="with --predictions, give --attributes and --depth")
    with_a_model = ("model", "model_args", "data", "limit", "include_examples", "what_if", "twin")
    for flag in with_a_model if elsewhere else ("attributes", "outcome", "depth"):
        if getattr(arguments, flag):
            why = "no model is loaded and no image is read" if elsewhere else "the probe says what is asked"
            raise UsageError(
                f"--{flag.replace('_', '-')} has no meaning {'with' if elsewhere else 'without'} --predictions", why=why, fix="leave it out"
            )


# ---- the run -------------------------------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace, chosen: Sequence[Probe], words: tuple[str, ...]) -> int:
    """Audit every model with every probe, write the directory, print what was found."""
    from audit.api.gate_set import gate_set
    from audit.output import directory as outputs
    from audit.output.audit import Clock, assemble_results, write
    from reports.exports.summary import terminal

    clock = Clock.start()
    asked = [measurement for probe in chosen for measurement in probe.measurements]
    # Which questions predictions of elsewhere can answer is known only from the file.
    gates = gate_set(arguments, None if arguments.predictions else asked)
    models = [arguments.predictions.stem] if arguments.predictions else map(_short_name, arguments.model)
    names = [probe.name for probe in chosen] or ["predictions"]
    directory = arguments.out or outputs.default_directory(models, names, clock.moment)
    outputs.check_writable(directory)
    settings = _settings(arguments)
    with _logged(directory):
        if arguments.predictions:
            audited = _audit_file(arguments, chosen, settings, directory)
        else:
            audited = _audit_all(arguments, chosen, settings, directory, gates)
        ran_on = {"device": arguments.device, "dtype": arguments.dtype}
        results = gates.settle(assemble_results(audited, settings, (PROGRAM, *map(outputs.scrub, words)), ran_on, clock.timing()))
        write(directory, results, audited)
        code = gates.leave(results)
        print(terminal(results))
        print(os.path.relpath(directory / "report.html") if not directory.is_absolute() else directory / "report.html")
    return code


def _audit_all(
    arguments: argparse.Namespace, chosen: Sequence[Probe], settings: Settings, directory: Path, gates: GateSet
) -> list[AuditedProbe]:
    from audit.embedding.cache import default_root
    from audit.engine import audit as run_audit
    from audit.examples import with_examples
    from audit.models.load import by_model, load
    from audit.untrained_control import with_untrained_control

    # Before any model: what is wrong with the data is told in a second, not after minutes of reading weights.
    datasets = [_load_data(probe, arguments) for probe in chosen]
    for dataset in datasets:
        gates.check(dataset)
    audited = []
    about = by_model(arguments.model_args or (), len(arguments.model))
    for spec, stated in zip(arguments.model, about, strict=True):
        encoder = load(spec, device=arguments.device, dtype=arguments.dtype, model_args=stated)
        for probe, dataset in zip(chosen, datasets, strict=True):
            _open(directory)
            LOG.info("model %s  probe %s  images %d  device %s", encoder.record.name, probe.name, len(dataset.images), arguments.device)
            given = {"batch_size": arguments.batch_size, "what_ifs": arguments.what_if or ()}
            done = run_audit(encoder, probe, dataset, settings, cache_root=default_root(), **given)
            if arguments.twin:
                done = with_untrained_control(
                    done, encoder, probe, dataset, settings, cache_root=default_root(), batch_size=arguments.batch_size
                )
            audited.append(with_examples(done, dataset, arguments.include_examples) if arguments.include_examples else done)
    return audited


def _audit_file(arguments: argparse.Namespace, chosen: Sequence[Probe], settings: Settings, directory: Path) -> list[AuditedProbe]:
    from audit.data.exclusion import read_list
    from audit.external import PredictionPlan, audit_predictions, leave_out, sliced_columns
    from audit.predictions.default_claims import DefaultClaims, parse_outcome
    from audit.predictions.read import ColumnOptions, load_predictions

    asking = DefaultClaims(tuple(map(parse_outcome, arguments.outcome or ())), arguments.depth or 2)
    plan = PredictionPlan(tuple(chosen), asking, arguments.cluster)
    file = load_predictions(arguments.predictions, ColumnOptions(arguments.attributes, arguments.cluster, sliced_columns(chosen)))
    if arguments.exclude:
        file = leave_out(file, read_list(arguments.exclude), arguments.exclude.name)
    _open(directory)
    for note in file.notes:
        LOG.info("%s", note)
    return audit_predictions(file, plan, settings)


def _load_data(probe: Probe, arguments: argparse.Namespace) -> Dataset:
    from audit.data.sample import stratified
    from audit.types import LoadOptions

    dataset = probe.load(LoadOptions(arguments.data))
    if len(dataset.images) == 0:
        raise DataError(f"the data of probe {probe.name!r} has no images", fix="give another --data")
    if arguments.exclude:
        from audit.data.exclusion import read_list, without

        dataset = without(dataset, read_list(arguments.exclude), arguments.exclude.name)
        LOG.info("left out %d images (%s)", dataset.exclusions[-1].count, dataset.exclusions[-1].reason)
    return stratified(dataset, arguments.limit, arguments.seed) if arguments.limit else dataset


def _settings(arguments: argparse.Namespace) -> Settings:
    from audit.types import Settings

    names = ("seed", "alpha", "tolerance", "min_group_size", "limit", "max_skip")
    return Settings(**{name: getattr(arguments, name) for name in names})


# ---- files and words -----------------------------------------------------------------------------------------------------------------


def _short_name(spec: str) -> str:
    """Return a model's name for a folder: the last two parts of its path."""
    return "-".join(Path(spec.removeprefix("hf:")).parts[-2:]).removesuffix(".pt") or spec


@contextmanager
def _logged(directory: Path) -> Iterator[None]:
    """Log to stderr, and from `_open` on to the directory; leave STATUS saying how it ended."""
    from audit.output import directory as outputs

    LOG.setLevel(logging.DEBUG)
    _log_to(logging.StreamHandler(sys.stderr), "%(message)s", logging.INFO)
    status = "failed"
    try:
        yield
        status = "complete"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    except Exception:
        LOG.debug("stopped", exc_info=True)
        raise
    finally:
        if any(isinstance(handler, logging.FileHandler) for handler in LOG.handlers):
            outputs.close(directory, status)
        for handler in LOG.handlers[:]:
            LOG.removeHandler(handler)
            handler.close()


def _log_to(handler: logging.Handler, layout: str, level: int) -> None:
    handler.setFormatter(logging.Formatter(layout))
    handler.setLevel(level)
    LOG.addHandler(handler)


def _open(directory: Path) -> None:
    """Take the directory and begin its log, once there is something to write."""
    from audit.output import directory as outputs

    if any(isinstance(handler, logging.FileHandler) for handler in LOG.handlers):
        return
    if (directory / "report.html").exists():
        LOG.info("the audit in %s is replaced once this one is complete", directory)
    outputs.open_directory(directory)
    _log_to(logging.FileHandler(directory / "run.log", mode="w", encoding="utf-8"), "%(asctime)s %(levelname)s %(message)s", logging.DEBUG)


if __name__ == "__main__":
    sys.exit(main())
