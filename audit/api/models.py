"""Plans the models of a request without loading them, and loads them one after another."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit.embedding.batch import PreparedEncoder
from audit.embedding.cache import CacheRoot, MemoryRoot, default_root
from audit.embedding.folders import SharedRoot, local_root, root_of
from audit.embedding.known import known_encoder
from audit.encoder import LimitedWriter
from audit.engine.served import ServedPlan
from audit.errors import UsageError
from audit.models import load
from audit.models.model_args import by_model, parse_model_args
from audit.models.spec import prefetch, served_kind
from audit.options.audits import AuditRequest
from audit.types import AnyModel, ModelRecord

LOG = logging.getLogger("audit")


@dataclass(frozen=True)
class ModelPlan:
    """A model, how to load it, and where to keep its embeddings or answers."""

    model: Any
    """A model spec, or an object of the caller."""
    args: Mapping[str, str]
    """Its `--model-args`."""
    device: str = "cpu"
    dtype: str = "float32"
    decode: str = "exact"
    max_new_tokens: int | None = None
    cache_root: Path | SharedRoot | None = None
    """None: in memory, during the audit."""
    verify: bool = False
    """Whether to load it even if its files are known."""
    served: ServedPlan | None = None
    """None for a model that is loaded."""
    answers: Path = Path()
    """The folder where a served model may keep its answers."""

    @property
    def full_precision(self) -> ModelPlan:
        """The same model in float32 with exact decoding."""
        return replace(self, dtype="float32", decode="exact")


def models_of(request: AuditRequest) -> tuple[ModelPlan, ...]:
    """Plan the models of a request; raises UsageError if their arguments or the URL of the cache are invalid."""
    models = list(zip(request.model, _args_by_model(request), strict=True))
    if not models:
        return ()
    cache = _cache_of(request)
    how: dict[str, Any] = {name: getattr(request, name) for name in ("device", "dtype", "decode", "max_new_tokens", "verify")}
    how["cache_root"] = None if request.no_cache else cache
    planned = []
    for model, args in models:
        kind = served_kind(model)
        if args and (kind is not None or not isinstance(model, str)):
            what, why = ("an object", "the model is loaded already") if kind is None else (f"a {kind.name}", None)
            raise UsageError(f"--model-args cannot be used with {what}", why=why, fix="leave them out")
        served = request.served_plan(model)
        # Always local, since appending to a URL is impossible.
        own: dict[str, Any] = {} if served is None else {"served": served, "answers": cache if isinstance(cache, Path) else local_root()}
        planned.append(ModelPlan(model, args, **how, **own))
    return tuple(planned)


def _cache_of(request: AuditRequest) -> Path | SharedRoot:
    root = root_of(request.cache_root) if request.cache_root else default_root()
    if isinstance(root, SharedRoot):
        root.check()
    return root


def _args_by_model(request: AuditRequest) -> list[dict[str, str]]:
    """The arguments of each model; raises UsageError if they cannot be parsed, or are for another number of models."""
    model_args, models = request.model_args, len(request.model)
    if model_args is None or isinstance(model_args, str):
        return by_model([(0, model_args)] if model_args else [], models)
    if isinstance(model_args, Mapping):
        return [dict(model_args) for _ in request.model]
    if len(model_args) != models:
        raise UsageError(f"model_args has {len(model_args)} entries for {models} models", fix="give one per model, None for nothing")
    return [parse_model_args(args) if isinstance(args, str) else dict(args or {}) for args in model_args]


def iter_models(models: Sequence[ModelPlan]) -> Iterator[ModelPlan]:
    """Yield each model, and prefetch the weights of the next one meanwhile."""
    for model, following in zip(models, (*models[1:], None), strict=True):
        if following is not None:
            prefetch(following.model)
        yield model


@contextmanager
def quiet_log() -> Iterator[None]:
    """Suppress the log meanwhile: notes about a model are logged when it is audited."""
    before, LOG.disabled = LOG.disabled, True
    try:
        yield
    finally:
        LOG.disabled = before


@contextmanager
def loaded(plan: ModelPlan, *, note: bool = True) -> Iterator[tuple[AnyModel, CacheRoot]]:
    """Load a model, and choose the cache for its embeddings: an object without a fingerprint gets one only for this audit.

    The weights of unchanged files are read when they are needed; without `note`, files are not recorded (`audit.embedding.known`).
    """
    model = plan.model
    root: CacheRoot = MemoryRoot() if plan.cache_root is None else plan.cache_root
    if plan.served is not None:
        with plan.served.opened(plan.answers) as served:
            yield served, MemoryRoot()  # it keeps its answers itself
    elif isinstance(model, str):
        yield _read(model, plan, root, note=note), root
    elif isinstance(getattr(model, "record", None), ModelRecord):
        before = getattr(model, "max_new_tokens", None)
        try:
            yield _as_asked(model, plan), root
        finally:
            if before is not None:
                model.max_new_tokens = before  # the object belongs to the caller
    elif isinstance(model, tuple):
        from audit.models.huggingface.objects import encoder_of_pair  # imports torch, as the caller has done

        yield _as_asked(encoder_of_pair(*model), plan), root
    else:
        from audit.models import plugin

        yield _as_asked(plugin.wrap(model), plan), root if hasattr(model, "fingerprint") else MemoryRoot()


def _read(spec: str, plan: ModelPlan, root: CacheRoot, *, note: bool) -> AnyModel:
    setting: dict[str, Any] = {"device": plan.device, "dtype": plan.dtype, "model_args": plan.args}

    def read() -> AnyModel:
        return _as_asked(load(spec, **setting), plan)

    if plan.decode == "fast":  # only the loaded model knows how far an image may be reduced
        return read()
    return known_encoder(spec, setting, root, read, verify=plan.verify, note=note)


def _as_asked(encoder: AnyModel, plan: ModelPlan) -> AnyModel:
    """Apply the options for decoding and writing to a model."""
    return _limited(_decoding(encoder, plan.decode), plan.max_new_tokens)


def _decoding(encoder: AnyModel, decode: str) -> AnyModel:
    """An encoder with the requested decoding; raises UsageError if it does not state its image size."""
    if isinstance(encoder, PreparedEncoder):
        encoder.draft = encoder.side if decode == "fast" else 0
    elif decode == "fast":
        why = "it does not say how many pixels it looks at, so how far an image may be reduced is not known"
        raise UsageError(f"--decode fast cannot be used with {encoder.record.name}", why=why, fix="leave --decode out")
    return encoder


def _limited(encoder: AnyModel, tokens: int | None) -> AnyModel:
    """A model with a limit on the tokens it writes; raises UsageError if it does not support one."""
    if tokens is None:
        return encoder
    if not isinstance(encoder, LimitedWriter):
        why = "it writes no text, or does not say how its texts are limited (max_new_tokens)"
        raise UsageError(f"--max-new-tokens cannot be used with {encoder.record.name}", why=why, fix="leave it out")
    encoder.max_new_tokens = tokens
    return encoder
