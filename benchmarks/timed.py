"""Run one command and write what it cost: `python -S timed.py RESULT COMMAND…`.

A process of its own and small, because Linux counts into a child's peak what its parent held when it was forked. Counted are
the command and all it waited for; the peak is that of the largest of them, not their sum.
"""

import json
import os
import sys
import time


def main() -> None:
    result, command = sys.argv[1], sys.argv[2:]
    begun = time.perf_counter()
    child = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begun
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib would be half of this process
        cpu = usage.ru_utime + usage.ru_stime
        json.dump(
            {"status": os.waitstatus_to_exitcode(status), "seconds": seconds, "cpu_s": cpu, "peak_kib": usage.ru_maxrss}, file
        )


if __name__ == "__main__":
    main()
