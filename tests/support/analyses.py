"""Analyses put to made-up embeddings: a gallery of names alone, and the plans of one kind."""

import numpy as np

from audit.analyses.base.kinds import AnalysisInputs
from audit.testing import FakeEncoder
from audit.types import Embeddings, Probe, Settings


def probe_of(dataset, plans, **more):
    """Return a probe that has analyses and asks nothing else."""
    return Probe("p", "?", lambda options: dataset, (), "ours", "none", (), (), analyses=tuple(plans), **more)


def analysed(kind, plans, dataset, vectors, texts, settings=None, model=None, **more):
    """Return what a kind of analysis (its module) finds in embeddings and text embeddings that are given."""
    embeddings = Embeddings(vectors, np.arange(len(vectors)), (), {}, 0)
    probe, settings = probe_of(dataset, plans, **more), settings or Settings(draws=999)
    inputs = AnalysisInputs(
        probe, dataset, dataset.attributes, model or FakeEncoder(), embeddings, texts, {}, settings, lambda other: embeddings
    )
    return kind.analyse(plans, inputs)
