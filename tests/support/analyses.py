"""Analyses put to made-up embeddings: galleries, and the plans of one kind."""

from dataclasses import replace

import numpy as np
import pandas as pd

from audit.analyses.kinds import AnalysisInputs
from audit.testing import FakeEncoder, png
from audit.types import Dataset, Embeddings, Probe, Settings

LEVELS = {"gender": ("Female", "Male"), "race": ("a", "b", "c")}


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


def gallery(n=400, **changed):
    """Return a data set of names alone: rankings look at embeddings."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"gender": np.repeat(["Female", "Male"], n // 2), "race": rng.choice(list("abc"), n)}, [f"{i}" for i in range(n)])
    return replace(Dataset("made up", [b""] * n, rows.astype("str"), LEVELS, "1" * 64, "made by the test", "none"), **changed)


def noise(n=400, seed=1):
    return np.random.default_rng(seed).normal(size=(n, 4))


def pictures(n=120):
    """Return as many pictures of women as of men; the men's are greener, in steps that leave no ties."""
    rows = pd.DataFrame({"gender": ["Female", "Male"] * (n // 2), "race": ["a", "b", "c"] * (n // 3)}, [f"{i}.png" for i in range(n)])
    images = [png((120, 20 + 100 * (i % 2) + i // 2, 10)) for i in range(n)]
    return Dataset("pictures", images, rows.astype("str"), LEVELS, "2" * 64, "made by the test", "none")
