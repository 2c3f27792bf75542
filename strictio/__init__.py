"""The boundary of trust: reads untrusted files, and runs nothing of what they contain.

::

    errors  files  folders  schema  limits  console  arguments  signals     shared by all programs of this project
    child/           locked processes, in which other libraries parse and run untrusted files
    tables/          CSV, JSON lines, Excel, Parquet, Arrow -> columns, read strictly
    logs/            records of logs in JSON: members of archives, elements of an array
    streams/         paths, URLs and tar files -> bytes
    images/          encoded images -> RGB, within limits
    weights/         torch files, safetensors, other programs' weights -> tensors by their names
    model_folders/   what the files of a model's folder may say, before a library opens one
    templates/       chat templates, rendered in a process with limits

`audit`, `probes`, `reports` and `contrastive` import it; it imports none of them.
"""
