"""Files, folders, the hub or data frames go in, data sets come out: `load_dataset` takes any of them.

::

    load -> hub | parquet | table | frame -> assemble -> schema      text cells become attributes; rows become a Dataset
                  `-> files, arrow -> images -> decoding             encoded images, read when asked for, decoded within limits
    subset                                                           without listed images, or a sample of the same composition
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.data.hub import HubSource
    from audit.data.load import load_dataset

__all__ = ["HubSource", "load_dataset"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: a process that only decodes images must not pay for the readers of tables.
    if name == "HubSource":
        from audit.data.hub import HubSource

        return HubSource
    if name == "load_dataset":
        from audit.data.load import load_dataset

        return load_dataset
    raise AttributeError(f"module 'audit.data' has no attribute {name!r}")
