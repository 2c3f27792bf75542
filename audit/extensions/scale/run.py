"""Fills the cache for an `EmbedRequest`, and returns what it has for each model. Computes no results; cheap to import."""

from __future__ import annotations

import gc
import logging
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from audit.errors import MachineError, UsageError
from audit.extensions.scale.options import EmbedRequest, no_embeddings

if TYPE_CHECKING:
    from audit.api.models import ModelPlan
    from audit.engine.plan import ProbePlan
    from audit.extensions.scale.engine import Engine
    from audit.extensions.scale.fill import Filled, Filling

LOG = logging.getLogger("audit")


def fill_cache(request: EmbedRequest) -> list[Filled]:
    """Embed what an audit with the same arguments needs; returns one row per model and probe.

    Raises the AuditErrors of an audit, before the first image if possible; MachineError if the cache did not take everything.
    """
    from audit.api.models import iter_models, loaded
    from audit.api.pipeline import notes_in_words
    from audit.api.plan import check_fit, check_models, plan_audit
    from audit.embedding.parts import WHOLE
    from audit.extensions.scale.batch_system import assigned_part
    from audit.extensions.scale.fill import Filling

    LOG.addFilter(notes_in_words)
    plan = plan_audit(request)
    part = WHOLE if request.engine == "ray" else request.part or assigned_part(os.environ)
    check = partial(_check_kept, request)
    check_models(plan, check)
    done: list[Filled] = []
    for model in iter_models(plan.models):
        with loaded(model) as (encoder, root):
            check(encoder, root)
            check_fit(encoder, plan, root)
            how = Filling(root, part, _engine(request, model), request.batch_size, request.stages or Filling.stages)
            for probe in plan.probes:
                LOG.info("model %s  probe %s  images %d  part %s", encoder.record.name, probe.probe.name, len(probe.dataset.images), part)
                done += _filled(encoder, probe, how, request)
        del encoder
        gc.collect()  # one model at a time in memory
    if not all(filled.whole for filled in done):
        why = "the log says which, and why"
        raise MachineError("the cache did not take all embeddings", why=why, fix="make room, or wait for the store, and run again")
    return done


def _filled(encoder: Any, plan: ProbePlan, how: Filling, request: EmbedRequest) -> list[Filled]:
    """What the cache has for a model, and for its untrained control if requested."""
    from dataclasses import replace

    from audit.engine.untrained_control import primary, untrained
    from audit.extensions.scale.engine import embed_here
    from audit.extensions.scale.fill import embed_probe

    done = [embed_probe(encoder, plan, how)]
    control = untrained(encoder, request.seed) if request.untrained_control else None
    if control is not None:  # Ray actors cannot load the random weights created here
        control_plan = replace(plan, probe=primary(plan.probe), methods=())
        done.append(embed_probe(control, control_plan, replace(how, engine=embed_here)))
    return done


def _check_kept(request: EmbedRequest, encoder: Any, root: Any) -> None:
    """Raise UsageError for a model whose embeddings a later run could not find, or that the engine cannot embed with."""
    from audit.embedding.cache import MemoryRoot
    from audit.types import Accounted, Answerer

    if isinstance(encoder, Accounted):
        raise no_embeddings("the model")
    if isinstance(root, MemoryRoot):
        what = f"the embeddings of {encoder.record.name} cannot be kept"
        raise UsageError(what, why="the object states no fingerprint", fix="give it a fingerprint, or name a file.py:CLASS")
    if request.engine == "ray" and isinstance(encoder, Answerer):
        why = "a model that is asked questions uses more than one machine only behind a server, or in parts"
        raise UsageError(f"{encoder.record.name} is not an encoder, which --engine ray needs", why=why, fix="--engine local --part 1/2")


def _engine(request: EmbedRequest, model: ModelPlan) -> Engine:
    if request.engine == "local":
        from audit.extensions.scale.engine import embed_here

        return embed_here
    from audit.extensions.scale.ray_engine import ModelSource, RayCluster, embed_on_ray

    source = ModelSource(model.model, model.device, model.dtype, model.args)
    return partial(embed_on_ray, source, RayCluster(request.ray_address, request.ray_actors))
