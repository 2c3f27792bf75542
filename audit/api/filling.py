"""A request that judges nothing: a filled cache, and what each model has in it."""

from __future__ import annotations

import gc
import logging
import os
from functools import partial

from audit.api.embed_request import EmbedRequest
from audit.api.inputs import check_models, dataset_of, loaded, models_in_turn, probes_of, refuse_misfit
from audit.api.pipeline import notes_in_words
from audit.embedding.cache import MemoryRoot
from audit.embedding.engines.local import Engine, embed_here
from audit.embedding.engines.parts import WHOLE, Part
from audit.engine.fill import Filled, FillPlan, embed_probe
from audit.engine.untrained_control import primary, untrained
from audit.errors import MachineError, UsageError

LOG = logging.getLogger("audit")


def fill_cache(request: EmbedRequest) -> list[Filled]:
    """Embed what an audit of the same arguments would; a model and a probe a row.

    AuditError as of an audit, before the first image where that can be; MachineError if the cache did not take everything.
    """
    LOG.addFilter(notes_in_words)
    probes = probes_of(request)
    datasets = [dataset_of(probe, request) for probe in probes]
    part = WHOLE if request.engine == "ray" else request.part or Part.of_environment(os.environ)
    check_models(request)
    done: list[Filled] = []
    for model, args in models_in_turn(request):
        with loaded(model, args, request) as (encoder, root):
            if isinstance(root, MemoryRoot):
                what = f"the embeddings of {encoder.record.name} cannot be kept"
                raise UsageError(what, why="the object states no fingerprint", fix="give it a fingerprint, or name a file.py:CLASS")
            refuse_misfit(encoder, request)
            engine = _engine(request, model, args)
            plan = FillPlan(root, part, engine, request.batch_size, request.what_if, request.stages or FillPlan.stages)
            for probe, dataset in zip(probes, datasets, strict=True):
                LOG.info("model %s  probe %s  images %d  part %s", encoder.record.name, probe.name, len(dataset.images), part)
                done.append(embed_probe(encoder, probe, dataset, request.settings, plan))
                control = untrained(encoder, request.seed) if request.untrained_control else None
                if control is not None:
                    # No Ray actor can load what was drawn here.
                    here = FillPlan(root, part, embed_here, request.batch_size, (), plan.stages)
                    done.append(embed_probe(control, primary(probe), dataset, request.settings, here))
        del encoder
        gc.collect()  # one model at a time in memory
    if not all(each.whole for each in done):
        why = "the log says which, and why"
        raise MachineError("the cache did not take all embeddings", why=why, fix="make room, or wait for the store, and run again")
    return done


def _engine(request: EmbedRequest, model: object, args: dict[str, str]) -> Engine:
    if request.engine == "local":
        return embed_here
    from audit.embedding.engines.ray_data import ModelSource, RayCluster, embed_on_ray

    source = ModelSource(model, request.device, request.dtype, args)
    return partial(embed_on_ray, source, RayCluster(request.ray_address, request.ray_actors))
