"""Named places at which a fault test kills the process; without ``CRASH_AT`` or ``CRASH_AT_N`` they do nothing."""

import os
import signal

_at = ""
_countdown = 0


def arm(name: str, number: int) -> None:
    """Die at the checkpoint *name*, or at the *number*-th one of any name (0: never)."""
    global _at, _countdown
    _at, _countdown = name, number


def checkpoint(name: str) -> None:
    """A durable boundary has been reached."""
    global _countdown
    if not _at and not _countdown:
        return
    if _countdown:
        _countdown -= 1
    if name == _at or (not _at and _countdown == 0):
        os.kill(os.getpid(), signal.SIGKILL)
