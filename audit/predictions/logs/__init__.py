"""Logs of evaluation tools, one row per sample, as tables of predictions. No tool is imported.

::

    read.read_log -> the reader that recognises a file -> choices -> settled (options) -> log_rows -> table
                     inspect_ai  lm_eval  lmms_eval  vlmevalkit  every_eval_ever       one module per tool: `base.LogReader`
                     totals                                                            files with totals only, which are refused

What follows is the same as for a table in a file. `join` adds groups from the data set if a log lacks them; `hf_datasets` reads the tables
that `datasets` writes.
"""
