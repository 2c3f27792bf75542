"""The boundary of trust: everything that reads bytes from strangers, and nothing of what they say is run.

::

    errors  files  folders  schema  console  signals     what every program of this project stands on
    tables/    CSV, JSON lines, Excel, Parquet, Arrow -> columns, read strictly
    streams/   URLs and tar files -> bytes
    images/    encoded images, judged before they are decoded
    weights/   torch files, safetensors, other programs' weights -> tensors by their names

`audit`, `reports` and `contrastive` read through it; it imports nothing of theirs. `memory_limit` bounds what a process may take.
"""
