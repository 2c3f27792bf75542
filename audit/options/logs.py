"""The options about logs of evaluation tools, which are read as external predictions."""

from __future__ import annotations

from audit.errors import UsageError
from audit.options.kinds import Epoch, FilePath, Switch, Text
from audit.options.schema import Options, flag, is_given, option

LOGS = "logs of evaluation tools (with --predictions)"
OF_LOGS = ("scorer", "filter", "epoch", "unfinished", "chosen_samples", "join", "on")


class LogRequest(Options):
    """What to read of a log: nothing is guessed where a log leaves a choice."""

    scorer: Text | None = option(None, LOGS, "the scorer or metric whose answers and scores are read, if a log has several", metavar="NAME")
    filter: Text | None = option(None, LOGS, "the filter whose answers are read, if a log has several (lm-eval, lmms-eval)", metavar="NAME")
    epoch: Epoch | None = option(
        None, LOGS, "which epoch is read, if samples were run several times; all: each sample is one sampling unit", metavar="N|all"
    )
    unfinished: Switch = option(False, LOGS, "also read the log of a run that stopped early, whose samples are not a random part")
    chosen_samples: Switch = option(
        False, LOGS, "judge a log that holds a part of its data set (a limit, a list of samples); else it is a limited run, without verdict"
    )
    join: FilePath | None = option(
        None, LOGS, "a table with the groups of the samples, one row per sample, if the log or table lacks them", metavar="FILE"
    )
    on: Text | None = option(
        None, LOGS, "with --join: the column of that table that identifies a sample; doc_id may be the row's position", metavar="COLUMN"
    )

    def check_logs(self, *, external: bool) -> None:
        """Raise UsageError for options about logs without predictions, and for half of a join."""
        if not external and (names := [name for name in OF_LOGS if is_given(getattr(self, name))]):
            raise UsageError(f"{flag(names[0])} cannot be used without --predictions", why="it says how a log is read", fix="leave it out")
        if (self.join is None) != (self.on is None):
            raise UsageError("--join and --on belong together", fix="--join data.csv --on id")
