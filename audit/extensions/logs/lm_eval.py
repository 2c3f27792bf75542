"""lm-evaluation-harness: ``samples_<task>_<date>.jsonl``, as ``--log_samples`` writes them: one line per document and filter."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from audit.data.schema import quoted
from audit.errors import DataError
from audit.extensions.logs.base import BY_SCORE, RIGHT, LogRow, judged_of, refuse_repeated, text_of
from audit.extensions.logs.options import LogChoices, LogOptions
from audit.extensions.logs.recognise import LM_EVAL, LONGEST
from audit.predictions.join import POSITION
from strictio.logs.elements import keys_and_elements
from strictio.tables.json_lines import records
from strictio.tables.stream import survey

NAME = "lm-eval"
_AS_WRITTEN = "keep the lines as lm-eval wrote them"
OTHER_KEYS = (
    "doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash", "target_hash",
    "input", "input_media", "token_counts",
)  # fmt: skip
"""Keys of a line that are not metrics, here and in lmms-eval."""
_FILE = re.compile(r"samples_(?P<task>.+)_(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?)\.jsonl(\.gz)?")
_INVALID = "[invalid]"
"""What the tool's filters give for a reply in which they find no answer."""
_CONDITIONAL = "acc_mutual_info"
"""A metric for which each choice is scored a second time, without the question."""
_PER: dict[str | None, Callable[[str], int]] = {"acc_norm": len, "acc_bytes": lambda text: len(text.encode())}
"""Metrics that divide a likelihood by the length of the choice, and its length."""
_LONGEST_LIST = 10_000
"""Characters of a list of targets."""


def choices(file: Path) -> LogChoices:
    """The filters and metrics of a file."""
    survey(file, None)
    filters: dict[str, None] = {}
    metrics: dict[str, None] = {}
    for number, line in records(file, longest=LONGEST):
        if missing := [key for key in LM_EVAL if key not in line]:
            raise DataError(f"{file.name} line {number} lacks {quoted(missing[0])}", fix=_AS_WRITTEN)
        filters[filter_of(line)] = None
        metrics |= dict.fromkeys(metrics_of(line))
    named = _FILE.fullmatch(file.name)
    facts = _results(file.with_name(f"results_{named['date']}.json")) if named else {}
    version = facts.get("lm_eval_version")
    tool = f"{NAME} {version}" if version else NAME
    return LogChoices(tool, named["task"] if named else "", facts.get("model_name"), tuple(metrics), tuple(filters))


def _results(file: Path) -> dict[str, str]:
    """What the totals of the same run say about it, if they are beside the samples."""
    wanted = ("model_name", "lm_eval_version")
    values = keys_and_elements(file, "") if file.is_file() else iter(())
    return {key: value for key, value in values if key in wanted and isinstance(value, str)}


def filter_of(line: dict[str, Any]) -> str:
    """The filter that a line is about."""
    return text_of(line.get("filter", "none"))


def metrics_of(line: dict[str, Any]) -> list[str]:
    """The metrics of a line; older versions do not list them."""
    named = line.get("metrics")
    if isinstance(named, list):
        return [name for name in named if isinstance(name, str) and name in line]
    return [key for key in line if key not in OTHER_KEYS]


def log_rows(file: Path, chosen: LogOptions) -> Iterator[LogRow]:
    """The documents of one filter."""
    seen: set[str] = set()
    for number, line in records(file, longest=LONGEST):
        if filter_of(line) != (chosen.filter or "none"):
            continue
        where = f"{file.name} line {number}"
        document, doc_id = line["doc"], text_of(line["doc_id"])
        refuse_repeated(seen, doc_id, where)
        if not isinstance(document, dict):
            raise DataError(f"{where}: the document is not an object", fix=_AS_WRITTEN)
        judged = judged_of(line.get(chosen.scorer or ""))
        answer, targets = _read(line, chosen.scorer, judged, where) if chosen.answers else (_silent(line), ())
        own, metadata = document.get("id"), {key: value for key, value in document.items() if key != "id"}
        if isinstance(own, str) and own.strip():
            position = {POSITION: doc_id} if chosen.on == POSITION else {}
            yield LogRow(own, targets, answer, judged, metadata=position | metadata)
        else:
            yield LogRow(doc_id, targets, answer, judged, metadata=metadata)


def _silent(line: dict[str, Any]) -> str | None:
    """An empty answer if the filter found none in the reply."""
    responses = line["filtered_resps"]
    return "" if isinstance(responses, list) and responses[:1] in ([_INVALID], [""]) else None


def _read(line: dict[str, Any], metric: str | None, judged: str | None, where: str) -> tuple[str | None, tuple[str, ...]]:
    """The answer and the right answers of a line."""
    responses = line["filtered_resps"]
    if not isinstance(responses, list) or not responses:
        raise DataError(f"{where}: the responses are not a list", fix=_AS_WRITTEN)
    if all(map(_is_likelihood, responses)):
        if len(responses) == 1:  # how likely one text is: an answer is not chosen
            return None, ()
        answer, targets = _most_likely(line, responses, metric, where)
        if judged is not None and (answer in targets) != (judged == RIGHT):
            why = f"the most likely choice is {quoted(answer)}, the target {quoted(', '.join(targets))}, and {metric} says {judged}"
            raise DataError(f"{where}: the metric chose in another way", why=why, fix=BY_SCORE)
        return answer, targets
    if isinstance(responses[0], list):
        why = "its filter keeps several responses to one document"
        raise DataError(f"{where}: which of {len(responses[0])} responses is the answer?", why=why, fix="choose a filter that keeps one")
    if not _is_generated(line):
        return None, ()
    answer = text_of(responses[0])
    return "" if answer == _INVALID else answer, targets_of(line["target"])


def _is_generated(line: dict[str, Any]) -> bool:
    """Whether a reply was generated, with settings as the last part of the request; if not, a response is how likely a text is."""
    arguments = line.get("arguments")
    requests = list(arguments.values()) if isinstance(arguments, dict) else arguments
    first = requests[0] if isinstance(requests, list) and requests else None
    parts = list(first.values()) if isinstance(first, dict) else first
    return not isinstance(parts, list) or any(isinstance(part, dict) for part in parts)


def targets_of(target: Any) -> tuple[str, ...]:
    """The right answers of a target, which is text: of a list, in Python's notation, all of them."""
    values = _literal(target) if isinstance(target, str) and target[:1] in ("[", "(") and len(target) <= _LONGEST_LIST else target
    several = values if isinstance(values, list | tuple) else [target]
    return tuple(text_of(value) for value in several if text_of(value).strip())


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


# ---- multiple choice -----------------------------------------------------------------------------------------------------------------


def _is_likelihood(response: Any) -> bool:
    """Whether a response is a log-likelihood, and whether greedy decoding would give the text: both are text in the file."""
    return isinstance(response, list) and len(response) == 2 and str(response[1]) in ("True", "False") and _number(response[0]) is not None


def _number(text: Any) -> float | None:
    try:
        return float(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _most_likely(line: dict[str, Any], responses: Sequence[Any], metric: str | None, where: str) -> tuple[str, tuple[str, ...]]:
    """The choice with the highest likelihood, divided by its length if the metric does so."""
    count = len(responses) // (2 if _CONDITIONAL in metrics_of(line) else 1)
    texts = [text for _, text in _requests(line, where)[:count]]
    likelihoods = [_number(response[0]) or 0.0 for response in responses[:count]]
    if len(texts) != count:
        raise DataError(f"{where}: {len(texts)} choices have {count} likelihoods", fix=_AS_WRITTEN)
    # If the contexts differ and the text is one, as in Winogrande, a choice is a context: its position is the answer.
    choices = [text.strip() for text in texts] if len(set(texts)) > 1 else list(map(str, range(count)))
    if len(set(choices)) < count:
        raise DataError(f"{where}: two choices are the same text", fix=BY_SCORE)
    if (length := _PER.get(metric)) is not None:
        likelihoods = [value / max(1, length(text.removeprefix(" "))) for value, text in zip(likelihoods, texts, strict=True)]
    best = max(range(count), key=likelihoods.__getitem__)
    return choices[best], tuple(_choice(target, choices, where) for target in targets_of(line["target"]))


def _requests(line: dict[str, Any], where: str) -> list[tuple[str, str]]:
    """Context and text of each request, in their order."""
    arguments = line.get("arguments")
    try:
        if isinstance(arguments, dict):
            return [(str(arguments[f"gen_args_{at}"]["arg_0"]), str(arguments[f"gen_args_{at}"]["arg_1"])) for at in range(len(arguments))]
        return [(str(context), str(text)) for context, text in arguments or ()]
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{where}: the requests cannot be read", why=repr(error)[:200], fix=_AS_WRITTEN) from error


def _choice(target: str, choices: Sequence[str], where: str) -> str:
    """The choice that a target names by its text or its position."""
    if target.strip() in choices and not target.strip().isdecimal():
        return target.strip()
    if target.isdecimal() and len(target) < 10 and int(target) < len(choices):
        return choices[int(target)]
    what = f"{where}: the target {quoted(target)} names none of the {len(choices)} choices"
    raise DataError(what, fix=BY_SCORE)
