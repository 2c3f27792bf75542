"""Loads the models that a request names, one after another."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audit.embedding.batch import PreparedEncoder
from audit.embedding.cache import CacheRoot, MemoryRoot, default_root
from audit.embedding.folders import SharedRoot, local_root, root_of
from audit.embedding.known import known_encoder
from audit.encoder import LimitedWriter
from audit.engine.askable import check_answerer, check_askable, check_texts
from audit.errors import UsageError
from audit.models import load, plugin
from audit.models.endpoint import model as endpoint
from audit.models.model_args import by_model, parse_model_args
from audit.models.spec import prefetch
from audit.options.audits import AuditRequest
from audit.options.endpoint import is_served
from audit.types import Answerer, Dataset, Encoder, ModelRecord, Probe

LOG = logging.getLogger("audit")


Asked = Sequence[tuple[Probe, Dataset]]
"""The probes for the models, with their data."""


def check_models(request: AuditRequest, probes_with_data: Asked) -> None:
    """Load each of several models once, and discard it: errors of a later one are raised before the first is audited."""
    if len(request.model) < 2:
        return
    LOG.info("looking at %d models", len(request.model))
    for model, args in zip(request.model, args_by_model(request), strict=True):
        if isinstance(model, str):
            with quiet_log(), loaded(model, args, request) as (encoder, root):
                check_fit(encoder, probes_with_data, request, root)
            del encoder
            gc.collect()  # one model at a time in memory


def check_fit(encoder: Encoder | Answerer, probes_with_data: Asked, request: AuditRequest, root: CacheRoot) -> None:
    """Raise errors about a model with these data before it sees an image: the same as in an audit."""
    for probe, dataset in probes_with_data:
        check_askable(encoder, probe, dataset, request.settings, request.what_if)
        if isinstance(encoder, Answerer):
            check_answerer(encoder, probe, dataset, request.settings)
        else:
            check_texts(encoder, probe, dataset, request.what_if, root)


@contextmanager
def quiet_log() -> Iterator[None]:
    """Suppress the log meanwhile: notes about a model are logged when it is audited."""
    before, LOG.disabled = LOG.disabled, True
    try:
        yield
    finally:
        LOG.disabled = before


@contextmanager
def loaded(
    model: Any, args: Mapping[str, str], request: AuditRequest, *, note: bool = True
) -> Iterator[tuple[Encoder | Answerer, CacheRoot]]:
    """Load a model, and choose the cache for its embeddings: an object without a fingerprint gets one only for this audit.

    The weights of unchanged files are read when they are needed; without `note`, files are not recorded (`audit.embedding.known`).
    """
    root = MemoryRoot() if request.no_cache else cache_of(request)
    if is_served(model):
        if args:
            raise UsageError("--model-args cannot be used with a model behind an endpoint", fix="leave them out")
        with endpoint.opened(model, request.endpoint_settings(model), answer_folder(request)) as answerer:
            yield answerer, MemoryRoot()  # its answers are in the answer log
        return
    if isinstance(model, str):
        setting: dict[str, Any] = {"device": request.device, "dtype": request.dtype, "model_args": args}

        def read() -> Encoder | Answerer:
            return _as_asked(load(model, **setting), request)

        if request.decode == "fast":  # only the loaded model knows how far an image may be reduced
            yield read(), root
        else:
            yield known_encoder(model, setting, root, read, verify=request.verify, note=note), root
        return
    if args:
        raise UsageError("--model-args cannot be used with an object", why="the model is loaded already", fix="leave them out")
    if isinstance(getattr(model, "record", None), ModelRecord):
        before = getattr(model, "max_new_tokens", None)
        try:
            yield _as_asked(model, request), root
        finally:
            if before is not None:
                model.max_new_tokens = before  # the object belongs to the caller
    elif hasattr(model, "fingerprint"):
        yield _as_asked(plugin.wrap(model), request), root
    else:
        yield _as_asked(plugin.wrap(model), request), MemoryRoot()


def _as_asked(encoder: Encoder | Answerer, request: AuditRequest) -> Encoder | Answerer:
    """Apply the request's options for decoding and writing to a model."""
    return _limited(_decoding(encoder, request.decode), request.max_new_tokens)


def _decoding(encoder: Encoder | Answerer, decode: str) -> Encoder | Answerer:
    """An encoder with the requested decoding; raises UsageError if it does not state its image size."""
    if isinstance(encoder, PreparedEncoder):
        encoder.draft = encoder.side if decode == "fast" else 0
    elif decode == "fast":
        why = "it does not say how many pixels it looks at, so how far an image may be reduced is not known"
        raise UsageError(f"--decode fast cannot be used with {encoder.record.name}", why=why, fix="leave --decode out")
    return encoder


def _limited(encoder: Encoder | Answerer, tokens: int | None) -> Encoder | Answerer:
    """A model with a limit on the tokens it writes; raises UsageError if it does not support one."""
    if tokens is None:
        return encoder
    if not isinstance(encoder, LimitedWriter):
        why = "it writes no text, or does not say how its texts are limited (max_new_tokens)"
        raise UsageError(f"--max-new-tokens cannot be used with {encoder.record.name}", why=why, fix="leave it out")
    encoder.max_new_tokens = tokens
    return encoder


def cache_of(request: AuditRequest) -> Path | SharedRoot:
    """The location of the embeddings; raises UsageError for a URL of an unsupported kind."""
    root = root_of(request.cache_root) if request.cache_root else default_root()
    if isinstance(root, SharedRoot):
        root.check()
    return root


def answer_folder(request: AuditRequest) -> Path:
    """The folder for the answers of an endpoint: always local, since appending to a URL is impossible."""
    return root if isinstance(root := cache_of(request), Path) else local_root()


def models_in_turn(request: AuditRequest) -> Iterator[tuple[Any, dict[str, str]]]:
    """Yield each model with its arguments, and prefetch the weights of the next one meanwhile."""
    models = list(zip(request.model, args_by_model(request), strict=True))
    for position, model in enumerate(models):
        if position + 1 < len(models):
            prefetch(models[position + 1][0])
        yield model


def args_by_model(request: AuditRequest) -> list[dict[str, str]]:
    """The arguments of each model; raises UsageError if they cannot be parsed, or are for another number of models."""
    model_args, models = request.model_args, len(request.model)
    if model_args is None or isinstance(model_args, str):
        return by_model([(0, model_args)] if model_args else [], models)
    if isinstance(model_args, Mapping):
        return [dict(model_args) for _ in request.model]
    if len(model_args) != models:
        raise UsageError(f"model_args has {len(model_args)} entries for {models} models", fix="give one per model, None for nothing")
    return [parse_model_args(args) if isinstance(args, str) else dict(args or {}) for args in model_args]
