"""The boundary of trust: everything that reads bytes from strangers, and nothing of what they say is run.

::

    errors  files  folders  schema  console  signals     what every program of this project stands on
    tables/          CSV, JSON lines, Excel, Parquet, Arrow -> columns, read strictly
    streams/         paths, URLs and tar files -> bytes
    images/          encoded images -> RGB, within limits
    weights/         torch files, safetensors, other programs' weights -> tensors by their names
    model_folders/   what the files of a model's folder may say, before a library opens one
    templates/       chat templates, rendered in a process with limits

`audit`, `reports` and `contrastive` read through it; it imports nothing of theirs. `memory_limit` bounds what a process may take.
"""
