"""Lists the settings of a training run on a terminal, from the docstrings in the source of `contrastive.settings`."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator

from contrastive import settings

TABLES = {
    "model": "ModelSource", "data": "DataConfig", "data.intervention": "InterventionConfig",
    "data.counterfactual": "CounterfactualConfig", "data.leave_out": "LeaveOutConfig", "optim": "OptimConfig", "loss": "LossConfig",
    "run": "RunConfig",
}  # fmt: skip
_IN = " " * 6
_WORDS = {
    r"Annotated\[Strict(\w+), Field\((.*?)\)\]": r"Strict\1 (\2)",
    r"PositiveInt": "StrictInt (ge=1)", r"NotNegativeInt": "StrictInt (ge=0)", r"Positive\b": "StrictFloat (gt=0)",
    r"NotNegative\b": "StrictFloat (ge=0)", r"UpToHalf": "StrictFloat (ge=0, le=0.5)", r"BelowOne": "StrictFloat (ge=0, lt=1)",
    r"StrictStr": "text", r"StrictBool": "true or false", r"StrictInt": "whole number", r"StrictFloat": "number",
    r"\bge=": "≥ ", r"\ble=": "≤ ", r"\bgt=": "> ", r"\blt=": "< ",
    r" \| None": "", r"Literal\[(.*)\]": r"\1", r"[tT]uple\[(\w+.*), \.\.\.\]": r"list of \1", r"tuple\[(.*)\]": r"list: \1",
    r"Mapping\[.*\]": "table", r"Transform": "text or table", r"\b(Intervention|Counterfactual|LeaveOut)Config": "table",
}  # fmt: skip
"""Annotations in the source -> text for users, applied in this order."""


def list_settings() -> str:
    """Return all settings by table, with type, default and explanation."""
    classes = {node.name: node for node in ast.parse(inspect.getsource(settings)).body if isinstance(node, ast.ClassDef)}
    tables = [[f"[{table}]  {ast.get_docstring(classes[name])}", *_rows(classes[name])] for table, name in TABLES.items()]
    return "\n\n".join("\n".join(lines) for lines in tables)


def _rows(table: ast.ClassDef) -> Iterator[str]:
    for node, after in zip(table.body, [*table.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield f"  {node.target.id}: {_type(node.annotation)}, {_default(node.value)}"
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                yield textwrap.fill(
                    " ".join(str(after.value.value).replace("``", "").split()), 100, initial_indent=_IN, subsequent_indent=_IN
                )


def _type(annotation: ast.expr) -> str:
    """Describe a type.

    >>> _type(ast.parse("Annotated[StrictInt, Field(ge=2)]", mode="eval").body), _type(ast.parse("StrictStr | None", mode="eval").body)
    ('whole number (≥ 2)', 'text')
    """
    text = ast.unparse(annotation)
    for pattern, words in _WORDS.items():
        text = re.sub(pattern, words, text)
    return text


def _default(value: ast.expr | None) -> str:
    """Return the default as written in TOML.

    >>> [_default(ast.parse(text, mode="eval").body) for text in ("('{caption}',)", "None", "False", "field(kw_only=True)")]
    ['default ["{caption}"]', 'default: not set', 'default false', 'required']
    """
    if value is None:
        return "required"
    if isinstance(value, ast.Call):
        return "required" if any(word.arg == "kw_only" for word in value.keywords) else "default {}"
    literal = ast.literal_eval(value)
    return "default: not set" if literal is None else f"default {json.dumps(literal)}"
