"""Reads files, folders, the hub or data frames into data sets: `load_dataset` accepts any of them.

::

    load -> hub | parquet | table | frame -> assemble -> schema      text cells become attributes; rows become a Dataset
                  `-> files, arrow -> images -> decoding             encoded images, read on demand, decoded within limits
    subset                                                           without listed images, or a sample with the same composition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.data.hub import HubSource
    from audit.data.load import load_dataset

__all__ = ["HubSource", "load_dataset"]


def __getattr__(name: str) -> Any:
    # Imported on demand: a process that only decodes images must not pay for the table readers.
    if name == "HubSource":
        from audit.data.hub import HubSource

        return HubSource
    if name == "load_dataset":
        from audit.data.load import load_dataset

        return load_dataset
    raise AttributeError(f"module 'audit.data' has no attribute {name!r}")
