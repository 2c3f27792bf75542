"""Audits of vision-language models: whom does a model treat differently, by how much, and how sure are we?"""

__version__ = "0.1.0"
