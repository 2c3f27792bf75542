"""Fills the cache for an `EmbedRequest`, and returns what it has for each model. Computes no results; cheap to import."""

from __future__ import annotations

import gc
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from audit.errors import MachineError, UsageError
from audit.options.embedding import EmbedRequest

if TYPE_CHECKING:
    from audit.embedding.engines.local import Engine
    from audit.engine.fill import Filled

LOG = logging.getLogger("audit")


def fill_cache(request: EmbedRequest) -> list[Filled]:
    """Embed what an audit with the same arguments needs; returns one row per model and probe.

    Raises the AuditErrors of an audit, before the first image if possible; MachineError if the cache did not take everything.
    """
    from audit.api import inputs, models
    from audit.api.pipeline import notes_in_words
    from audit.embedding.engines.parts import WHOLE, Part
    from audit.engine.fill import FillPlan

    LOG.addFilter(notes_in_words)
    probes = inputs.probes_of(request)
    datasets = [inputs.dataset_of(probe, request) for probe in probes]
    part = WHOLE if request.engine == "ray" else request.part or Part.of_environment(os.environ)
    probes_with_data = list(zip(probes, datasets, strict=True))
    models.check_models(request, probes_with_data)
    done: list[Filled] = []
    for model, args in models.models_in_turn(request):
        with models.loaded(model, args, request) as (encoder, root):
            _check_kept(encoder, root)
            models.check_fit(encoder, probes_with_data, request, root)
            plan = FillPlan(
                root, part, _engine(request, model, args), request.batch_size, request.what_if, request.stages or FillPlan.stages
            )
            for probe, dataset in probes_with_data:
                LOG.info("model %s  probe %s  images %d  part %s", encoder.record.name, probe.name, len(dataset.images), part)
                done += _filled(encoder, probe, dataset, plan, request)
        del encoder
        gc.collect()  # one model at a time in memory
    if not all(filled.whole for filled in done):
        why = "the log says which, and why"
        raise MachineError("the cache did not take all embeddings", why=why, fix="make room, or wait for the store, and run again")
    return done


def _filled(encoder: Any, probe: Any, dataset: Any, plan: Any, request: EmbedRequest) -> list[Filled]:
    """What the cache has for a model, and for its untrained control if requested."""
    from dataclasses import replace

    from audit.embedding.engines.local import embed_here
    from audit.engine.fill import embed_probe
    from audit.engine.untrained_control import primary, untrained

    done = [embed_probe(encoder, probe, dataset, request.settings, plan)]
    control = untrained(encoder, request.seed) if request.untrained_control else None
    if control is not None:  # Ray actors cannot load the random weights created here
        done.append(embed_probe(control, primary(probe), dataset, request.settings, replace(plan, engine=embed_here, what_ifs=())))
    return done


def _check_kept(encoder: Any, root: Any) -> None:
    """Raise UsageError for a model whose embeddings a later run could not find."""
    from audit.embedding.cache import MemoryRoot
    from audit.models.endpoint.model import EndpointModel

    if isinstance(encoder, EndpointModel):
        what = f"{encoder.record.name} is behind an endpoint, and has no embeddings"
        raise UsageError(what, why="its answers are kept in a log as it is audited", fix="vlm-audit run")
    if isinstance(root, MemoryRoot):
        what = f"the embeddings of {encoder.record.name} cannot be kept"
        raise UsageError(what, why="the object states no fingerprint", fix="give it a fingerprint, or name a file.py:CLASS")


def _engine(request: EmbedRequest, model: object, args: dict[str, str]) -> Engine:
    if request.engine == "local":
        from audit.embedding.engines.local import embed_here

        return embed_here
    from audit.embedding.engines.ray_data import ModelSource, RayCluster, embed_on_ray

    source = ModelSource(model, request.device, request.dtype, args)
    return partial(embed_on_ray, source, RayCluster(request.ray_address, request.ray_actors))
