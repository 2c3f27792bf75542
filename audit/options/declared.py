"""The options that extensions declare, for their readers of answers, kinds of models and outputs (`audit.extension.Option`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import PlainValidator, create_model

from audit.errors import UsageError
from audit.extension import Option, answer_readers, import_declared, model_kinds, outputs
from audit.models.spec import served_kind
from audit.options.kinds import AboveZero, Count, FilePath, Several, Switch, Text
from audit.options.schema import Options, flag, is_given, option

if TYPE_CHECKING:
    from audit.engine.served import ServedPlan
    from audit.extension import Output

HOW, OUTPUT = "how to run it", "output"
READ_BY_OTHERS = "".join(f", {reader.files}" for reader in answer_readers())
"""What readers of extensions read, to be listed after the kinds of tables."""
_TYPES: Mapping[str, Any] = {"text": Text, "count": Count, "amount": AboveZero, "file": FilePath}


def _checked(place: str, value: object) -> Any:
    return import_declared(place)(value)


def declared_fields(options: Iterable[tuple[str, Option]]) -> dict[str, Any]:
    """The type and the definition of a field for each option, given with its heading."""
    return {one.name: _field(one, heading) for heading, one in options}


def _field(one: Option, heading: str) -> tuple[Any, Any]:
    if not (one.metavar or one.choices):
        return Switch, option(False, heading, one.help)
    kind: Any = Annotated[str, PlainValidator(partial(_checked, one.check))] if one.check else _TYPES[one.value]
    words = {"metavar": one.metavar} if one.metavar else {}
    if one.choices:
        kind = Literal[one.choices]
    if one.several:
        return Several[kind], option((), heading, one.help, **words)
    return kind | None, option(None, heading, one.help, **words)


def _of_readers() -> Iterator[tuple[str, Option]]:
    return ((f"{reader.files} (with --predictions)", one) for reader in answer_readers() for one in reader.options)


def _of_models() -> Iterator[tuple[str, Option]]:
    return ((f"for a {kind.name} (--model {kind.usage})", one) for kind in model_kinds() if kind.usage for one in kind.options)


def _of_outputs() -> Iterator[tuple[str, Option]]:
    return ((OUTPUT, one.option) for one in outputs())


if TYPE_CHECKING:
    from audit.options.schema import Options as _OfModels
    from audit.options.schema import Options as _OfOutputs
    from audit.options.schema import Options as _OfReaders
else:
    _OfReaders = create_model("OfReaders", __base__=Options, **declared_fields(_of_readers()))
    _OfModels = create_model("OfModels", __base__=Options, **declared_fields(_of_models()))
    _OfOutputs = create_model("OfOutputs", __base__=Options, **declared_fields(_of_outputs()))


class ReadersRequest(_OfReaders):
    """What the readers of answers that are installed can be told."""

    @property
    def given_to_readers(self) -> Mapping[str, Any]:
        """Their options, as far as they were given."""
        return {name: value for name in OF_READERS if is_given(value := getattr(self, name))}


class ModelsRequest(_OfModels):
    """What the kinds of models that are installed can be told."""

    max_new_tokens: Count | None = option(
        None, HOW, "the most tokens of a text that a generative model writes (default: 64); of an answer over a network too", metavar="N"
    )

    def check_models(self, models: Iterable[Any]) -> None:
        """Raise UsageError for options of a kind without such a model, and errors of models that are asked over a network."""
        served = [(model, kind) for model in models if (kind := served_kind(model))]
        known = {one.name for _, kind in served for one in kind.options}
        for kind in model_kinds():
            if given := [one.name for one in kind.options if one.name not in known and is_given(getattr(self, one.name))]:
                raise UsageError(f"{flag(given[0])} requires --model {kind.usage}", fix="leave it out")
        for model, _ in served:
            self.served_plan(model)

    def served_plan(self, model: object) -> ServedPlan | None:
        """The plan of a model that is asked over a network, None for one that is loaded; raises UsageError or DataError."""
        if (kind := served_kind(model)) is None:
            return None
        given = {name: value for name in ("max_new_tokens", *OF_MODELS) if is_given(value := getattr(self, name))}
        plan: ServedPlan = import_declared(kind.plan)(str(model).removeprefix(f"{kind.scheme}:"), given)
        return plan


class OutputsRequest(_OfOutputs):
    """What is made of a finished audit besides its files."""

    def check_outputs(self) -> None:
        """Raise UsageError for a requested output that cannot be made."""
        for output, value in self._requested_outputs():
            import_declared(output.check)(value)

    def make_outputs(self, audit: Any) -> None:
        """Make the requested outputs of an audit that is complete."""
        for output, value in self._requested_outputs():
            import_declared(output.make)(value, audit)

    def _requested_outputs(self) -> list[tuple[Output, Any]]:
        return [(output, value) for output in outputs() if is_given(value := getattr(self, output.option.name))]


OF_READERS = tuple(_OfReaders.model_fields)
OF_MODELS = tuple(_OfModels.model_fields)
OF_OUTPUTS = tuple(_OfOutputs.model_fields)
"""The names of their options."""
