"""The version, in a separate module: code that needs it does not have to import the package."""

__version__ = "0.1.0"
