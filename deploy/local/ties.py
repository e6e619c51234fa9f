"""Processes that end with the one that started them. Linux alone can do this."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def die_with(parent: int, by: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send this process a signal when its parent ends.

    More exactly: when the thread ends that started it.

    Args:
        parent: its process id; if it has ended already, so does this process, here and now.
        by: the signal.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(by))
    if os.getppid() != parent:
        os._exit(1)
