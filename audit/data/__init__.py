"""Files to data sets: label tables beside images, Parquet, the hub. `load_dataset` takes any of them.

::

    load -> hub | parquet | table -> assemble -> schema      text cells become attributes; rows become a Dataset
                  `-> files, arrow -> images                 encoded images, read when asked for, decoded within limits
    sample                                                   a smaller data set with the same composition
"""

from audit.data.hub import HubSource
from audit.data.load import load_dataset

__all__ = ["HubSource", "load_dataset"]
