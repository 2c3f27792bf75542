"""A program that kills another one which was asked to stop and does not: `strictio.stop_requests` starts it, by its path.

It reads from a pipe into which Python writes the number of each signal as it comes, whatever native code does at the time. 0 says that the
other program is done with it; the end of the pipe, that it has ended.
"""

import os
import select
import signal
import sys
import time


def watch(pid: int, patience_s: float, numbers: frozenset[int]) -> None:
    """Wait for signals of these numbers; kill the process, our parent, if it is still at work so many seconds after one."""
    deadline = None
    while True:
        left = None if deadline is None else max(deadline - time.monotonic(), 0)
        if select.select([0], [], [], left)[0]:
            content = os.read(0, 4096)
            if not content:
                return
            for number in content:
                if not number:
                    deadline = None
                elif number in numbers and deadline is None:
                    deadline = time.monotonic() + patience_s
        else:
            if os.getppid() == pid:
                os.kill(pid, signal.SIGKILL)
            return


if __name__ == "__main__":
    watch(int(sys.argv[1]), float(sys.argv[2]), frozenset(map(int, sys.argv[3:])))
