"""A model spec goes in (a file, a folder, a name of the hub, a plug-in), an encoder or a generative model comes out.

Weights are read by our own readers; no code from a model's files runs.
"""

from audit.models.spec import load

__all__ = ["load"]
