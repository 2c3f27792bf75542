"""Logs of evaluation tools as external predictions. In: a file of a tool, of which nothing is imported. Out: a table of answers.

::

    recognise -> read -> the reader of the tool: choices -> options (settled) -> log_rows -> table
                         inspect_ai  lm_eval  lmms_eval  vlmevalkit  every_eval_ever      one module per tool: `base.LogReader`
    folder, command      what is auditable in a folder of logs
    inspect_hook         an audit after every task of Inspect

What follows is the same as for a table in a file.
"""

from audit.extension import AnswerReader, Command, Extension, Option

READER = AnswerReader(
    "logs of evaluation tools",
    endings=(
        ".eval", ".json", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx",
    ),
    recognises="audit.extensions.logs.recognise:is_log",
    read="audit.extensions.logs.read:read_log",
    options=(
        Option("scorer", "the scorer or metric whose answers and scores are read, if a log has several", metavar="NAME"),
        Option("filter", "the filter whose answers are read, if a log has several (lm-eval, lmms-eval)", metavar="NAME"),
        Option(
            "epoch", "which epoch is read, if samples were run several times; all: each sample is one sampling unit", metavar="N|all",
            check="audit.extensions.logs.options:checked_epoch",
        ),
        Option("unfinished", "also read the log of a run that stopped early, whose samples are not a random part"),
        Option(
            "chosen_samples",
            "judge a log that holds a part of its data set (a limit, a list of samples); else it is a limited run, without verdict",
        ),
    ),
)  # fmt: skip
EXTENSION = Extension(
    "logs",
    commands=(
        Command("logs", "list what is auditable in a folder of evaluation logs, with the commands", "audit.extensions.logs.command:main"),
    ),
    readers=(READER,),
)
