"""The version, in a module of its own: whoever states it need not import the package."""

__version__ = "0.1.0"
