"""Files, folders, the hub or data frames go in, data sets come out: `load_dataset` takes any of them.

::

    load -> hub | parquet | table | frame -> assemble -> schema      text cells become attributes; rows become a Dataset
                  `-> files, arrow -> images                         encoded images, read when asked for, decoded within limits
    subset                                                           without listed images, or a sample of the same composition
"""

from audit.data.hub import HubSource
from audit.data.load import load_dataset

__all__ = ["HubSource", "load_dataset"]
