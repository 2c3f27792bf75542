"""Turns a model spec (a file, a folder, a name on the hub, a plug-in) into a dual encoder, or a model of a kind that an extension reads.

Weights are read by our own readers; no code from a model's files runs.
"""

from audit.models.spec import load

__all__ = ["load"]
