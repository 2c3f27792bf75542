"""The seams: what an extension may add to this program, and how the program finds it.

An extension is a folder, ours in `audit/extensions` or a package of yours, that declares what it adds in an `Extension` and names it in its
package's entry points, in the group ``vlm_audit.extensions``. To declare imports nothing: what it adds is named as "module:name" and
imported when it is used. The core never imports an extension, and an extension no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, NamedTuple

GROUP = "vlm_audit.extensions"
_OURS = Path(__file__).parent / "extensions"


@dataclass(frozen=True)
class Command:
    """A command of ``vlm-audit``."""

    name: str
    summary: str
    """One line, in lower case, for ``vlm-audit --help``."""
    main: str
    """Takes the arguments and returns an exit code: Callable[[Sequence[str]], int]."""


@dataclass(frozen=True)
class FactsFile:
    """A file of facts that has a schema and a page."""

    name: str
    """Such as ``watch.json``; no other extension has it."""
    page: str
    """File name of its page, beside it."""
    written_by: str
    """Completes "the output directory of …"."""
    fix: str
    """What to do if it cannot be rendered."""
    record: str
    """The `audit.records.file.File` that reads and describes it."""
    render: str
    """Returns the page of its facts: Callable[[Any], str]."""


@dataclass(frozen=True)
class Analysis:
    """A question that a probe may ask besides its measurements. It affects no verdict."""

    name: str
    """Of its table: ``tables/NAME.csv``."""
    field: str
    """The key of `results.json` that lists its records; no other analysis has it."""
    title: str
    """Of its section."""
    place: int
    """The sections of analyses are in this order."""
    template: str
    """Of its section: EXTENSION/file, without suffix. The last part is also its anchor."""
    record: str
    """The class of its records."""
    plan: str
    """The class of its plans, an `audit.plans.AnalysisPlan`, or of those that it is the base of."""
    computation: str
    """The module that answers it: an `audit.analyses.kinds.Computation`, or a `WhatIfComputation` if it has methods."""
    section: str
    """The module of its section and its table: a `reports.text.analyses.SectionModule`."""
    sentences: str
    """The module of what terminal and summary say of it: a `reports.text.analyses.SentencesModule`."""
    reads: Literal["", "tags", "texts"] = ""
    """What it reads of a table of predictions, if a table has that: labels that each row has, or texts."""
    beside: str = ""
    """The module that adds to its records what other models show: an `audit.analyses.kinds.Beside`."""
    methods: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What ``--what-if`` may name, and how a report calls it. An analysis with methods tries those that are named, for the plans in
    `Probe.what_ifs`; no other analysis has any. Empty: it answers plans in `Probe.analyses`."""
    appendix: bool = False
    """Whether its section is in the appendix of an audit. Then it has no table, and only the terminal has its line."""
    exports: str = ""
    """The module of its data frame and its plot, from Python: a `reports.text.analyses.ExportsModule`. Empty: it has neither."""


@dataclass(frozen=True)
class Account:
    """What an audit records of how its model was used, if it was asked over a network. It affects no verdict."""

    field: str
    """The key of `results.json` that has its record, or null; no other extension has it."""
    title: str
    """Of its section, which follows those of analyses."""
    template: str
    """Of its section: EXTENSION/file, without suffix. The last part is also its anchor."""
    record: str
    """The class of its record, an `audit.records.account.AccountRecord`."""
    section: str
    """The module of its section: a `reports.section.AccountModule`."""


@dataclass(frozen=True)
class Option:
    """An option of ``vlm-audit run`` and of `audit.audit`. Where it is not given it is None, or False for a switch."""

    name: str
    """Its name from Python; the flag has dashes for underscores. No other extension has it, and an option of the core comes first."""
    help: str
    metavar: str = ""
    """How the help shows its value; empty for a switch, and if there are choices."""
    value: Literal["text", "count", "amount", "file"] = "text"
    """Any text, a whole number of at least 1, a number above 0, or a path."""
    choices: tuple[str, ...] = ()
    """The words that it accepts, if there are few."""
    several: bool = False
    """Whether it may be repeated. Then its value is a tuple, which is empty where it is not given."""
    check: str = ""
    """Returns the value, or raises ValueError with what is expected: Callable[[object], str]. Empty: what `value` says."""


@dataclass(frozen=True)
class AnswerReader:
    """A reader of answers: of files that other programs write, given to ``--predictions``."""

    files: str
    """What it reads, in the plural, for messages: "logs of evaluation tools"."""
    endings: tuple[str, ...]
    """Ends of names, in lower case and with the dot: it is asked about no other file, and never about a folder."""
    recognises: str
    """Whether it reads a file: Callable[[Path], bool]. It is asked about tables too, so its module should import little."""
    read: str
    """Returns the answers: `audit.predictions.readers.ReadAnswers`."""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class ModelKind:
    """A kind of model: which model specs, files and folders are of it, and what loads them, or plans to ask them over a network."""

    name: str
    """Such as ``text encoder``."""
    load: str = ""
    """Given what follows its scheme, or the path of its file or folder: Callable[[str, audit.models.spec.Loading], AnyModel]."""
    plan: str = ""
    """In place of `load`, for models that have a scheme and are asked over a network. Given what follows the scheme, and what was given of
    its options and of `max_new_tokens`, it returns a plan, or raises what is wrong with them:
    Callable[[str, Mapping[str, Any]], audit.engine.served.ServedPlan]."""
    options: tuple[Option, ...] = ()
    """Of such models: they are refused where no model of this kind is asked."""
    needs: str = ""
    """What a command must have besides the spec of such a model, for messages: ``--base-url URL``."""
    scheme: str = ""
    """``text`` for model specs such as ``text:FOLDER``. It may continue another one, as ``text:api``: the longest counts."""
    usage: str = ""
    """Such a spec, for ``--help``."""
    form: str = ""
    """The same with what it is, for errors: ``text:DIR (an encoder of text alone)``."""
    suffixes: tuple[str, ...] = ()
    """Of files of this kind."""
    marker: str = ""
    """A file that makes any local folder one of this kind."""
    is_kind: str = ""
    """Whether a folder is of this kind by its ``config.json``, given its content: Callable[[Mapping[str, Any]], bool]. It is called for the
    folders of other kinds as well, so it must not import anything large for them."""


Tier = Literal["core", "people", "capability"]
"""What a probe asks about: whom a model treats differently, pictures of people in other tasks, or how well it does a task, and for whom."""


@dataclass(frozen=True)
class DeclaredProbe:
    """A probe that ``--probe`` finds by its name."""

    name: str
    """Of its `audit.types.Probe`. No other extension has it, and a probe of the core comes first."""
    question: str
    """That of its `audit.types.Probe`, for lists."""
    module: str
    """The module that assigns the `audit.types.Probe` to ``PROBE``."""
    tier: Tier


@dataclass(frozen=True)
class Output:
    """What is made of a finished audit besides its files, if its option is given: an entry of a tracker, for example."""

    option: Option
    check: str
    """Given the value of the option, raises UsageError before any work if it cannot be made: Callable[[Any], None]."""
    make: str
    """Makes it, given the value and the audit, which is complete by then: Callable[[Any, audit.api.audits.Audit], None]."""


@dataclass(frozen=True)
class Export:
    """A finished audit in a format of another program."""

    name: str
    """Of ``vlm-audit convert --to NAME``, which prints it."""
    summary: str
    """One line for its help."""
    text: str
    """Given the results, the sha256 of `results.json`, and what was given of the options of the command, returns the text:
    Callable[[Results, str, Mapping[str, Any]], str]."""
    packed: str = ""
    """The name of the same as a file of ``vlm-audit pack``, which gives ``statements`` at most. Empty: it is not packed."""
    check: str = ""
    """For ``vlm-audit verify``: given such a file and the results, yields what does not follow from them:
    Callable[[bytes, Results], Iterable[str]]. Empty: it is not checked."""


@dataclass(frozen=True)
class Extension:
    """Everything that one extension adds."""

    name: str
    commands: tuple[Command, ...] = ()
    files: tuple[FactsFile, ...] = ()
    functions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Name in the package `audit` -> the function."""
    readers: tuple[AnswerReader, ...] = ()
    analyses: tuple[Analysis, ...] = ()
    templates: str = ""
    """The package whose folder holds the Jinja templates of its pages; they are named NAME/file.html."""
    models: tuple[ModelKind, ...] = ()
    accounts: tuple[Account, ...] = ()
    probes: tuple[DeclaredProbe, ...] = ()
    outputs: tuple[Output, ...] = ()
    exports: tuple[Export, ...] = ()

    @property
    def options(self) -> tuple[Option, ...]:
        """Everything that it adds to the options of ``vlm-audit run``."""
        several = (*(one.options for one in self.readers), *(one.options for one in self.models))
        return (*(option for options in several for option in options), *(one.option for one in self.outputs))


class Found(NamedTuple):
    """The extensions of this environment, by name, and a line for each that was left out."""

    extensions: tuple[Extension, ...]
    left_out: tuple[str, ...]


@cache
def find() -> Found:
    """Return the extensions that are installed. One that cannot be used is left out, and said: it stops nothing else."""
    from importlib.metadata import entry_points

    # Ours first: no other package replaces one. An editable installation may list an entry point twice.
    points = sorted({(not point.value.startswith("audit.extensions."), point.name, point.value) for point in entry_points(group=GROUP)})
    found: dict[str, Extension] = {}
    left_out: list[str] = []
    for _, name, place in points:
        try:
            declared = import_declared(place)
            if not isinstance(declared, Extension):
                raise TypeError(f"{place} is not an Extension")
            if clash := _clash(declared, found.values()):
                raise ValueError(f"{clash} exists already")
        except Exception as error:
            left_out.append(f"the extension {name!r} is left out: {type(error).__name__}: {str(error)[:200]}")
        else:
            found[declared.name] = declared
    known = {place.split(":")[0].rpartition(".")[2] for _, _, place in points}
    if missing := sorted(folder.parent.name for folder in _OURS.glob("*/__init__.py") if folder.parent.name not in known):
        left_out.append(f"this installation does not know {', '.join(missing)}: install it again (python -m pip install --editable .)")
    return Found(tuple(found[name] for name in sorted(found)), tuple(left_out))


def _clash(declared: Extension, others: Iterable[Extension]) -> str:
    """What a declaration has in common with an earlier one; empty if nothing."""
    for other in others:
        if other.name == declared.name:
            return f"the extension {declared.name!r}"
        if both := {*_claims(declared)} & {*_claims(other)}:
            return f"{min(both)} of {other.name!r}"
    return ""


def _claims(declared: Extension) -> Iterator[str]:
    """What only one extension may have."""
    yield from (f"the command {command.name!r}" for command in declared.commands)
    yield from (f"the file {file.name!r}" for file in declared.files)
    yield from (f"the analysis {analysis.field!r}" for analysis in declared.analyses)
    yield from (f"the export {export.name!r}" for export in declared.exports)
    yield from (f"the packed file {export.packed!r}" for export in declared.exports if export.packed)
    yield from (f"the account {account.field!r}" for account in declared.accounts)
    yield from (f"the probe {probe.name!r}" for probe in declared.probes)
    yield from (f"the option {option.name!r}" for option in declared.options)
    yield from ("the analysis '--what-if'" for analysis in declared.analyses if analysis.methods)
    for kind in declared.models:
        yield from (f"the scheme {scheme!r}" for scheme in (kind.scheme,) if scheme)
        yield from (f"the suffix {suffix!r}" for suffix in kind.suffixes)
        yield from (f"the folder with {marker!r}" for marker in (kind.marker,) if marker)


def import_declared(place: str) -> Any:
    """Import what a declaration names as "module:name"."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


def commands() -> Iterator[Command]:
    """All commands of extensions."""
    return (command for extension in find().extensions for command in extension.commands)


def facts_files() -> Iterator[FactsFile]:
    """All files of facts of extensions."""
    return (file for extension in find().extensions for file in extension.files)


def analyses() -> tuple[Analysis, ...]:
    """All analyses of extensions, sorted by name."""
    return tuple(sorted((one for extension in find().extensions for one in extension.analyses), key=lambda one: one.name))


def accounts() -> tuple[Account, ...]:
    """All accounts of extensions, sorted by their key."""
    return tuple(sorted((one for extension in find().extensions for one in extension.accounts), key=lambda one: one.field))


def what_ifs() -> Analysis | None:
    """The analysis that ``--what-if`` asks for; None if no extension has one."""
    return next((one for one in analyses() if one.methods), None)


def answer_readers() -> Iterator[AnswerReader]:
    """All readers of answers of extensions."""
    return (reader for extension in find().extensions for reader in extension.readers)


def model_kinds() -> list[ModelKind]:
    """All kinds of models of extensions, ours first: no other package is asked before them whether a folder is its own."""
    kinds = [kind for extension in find().extensions for kind in extension.models]
    return sorted(kinds, key=lambda kind: not (kind.load or kind.plan).startswith("audit.extensions."))


def declared_probes() -> dict[str, DeclaredProbe]:
    """All probes of extensions, by name."""
    return {probe.name: probe for extension in find().extensions for probe in extension.probes}


def outputs() -> tuple[Output, ...]:
    """All outputs of extensions."""
    return tuple(output for extension in find().extensions for output in extension.outputs)


def exports() -> list[Export]:
    """All exports of extensions, ours first."""
    every = [export for extension in find().extensions for export in extension.exports]
    return sorted(every, key=lambda export: not export.text.startswith("audit.extensions."))


def function(name: str) -> Any:
    """What an extension adds to the package `audit` by this name; None if none does."""
    place = next((extension.functions[name] for extension in find().extensions if name in extension.functions), None)
    return None if place is None else import_declared(place)


def templates(name: str) -> str | None:
    """The package of an extension's templates, None if it has none."""
    return next((extension.templates or None for extension in find().extensions if extension.name == name), None)
