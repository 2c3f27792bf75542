"""Turns a model spec (a file, a folder, a name on the hub, a plug-in) into an encoder or a generative model.

Weights are read by our own readers; no code from a model's files runs.
"""

from audit.models.spec import load

__all__ = ["load"]
