"""Ends vLLM's engine core with the process that started it, even when the core is stopped.

The core is a child process that goes on when its parent is killed (vllm#55510). vLLM loads this plugin in each of its
processes. On Linux the kernel kills a child with the thread that started it (`prctl(2)`, PR_SET_PDEATHSIG), here the
replica's event loop, which lives as long as the replica. Where there is no such call, and for a parent that died
before it, a thread watches.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

PERIOD_S = 0.5
PR_SET_PDEATHSIG = 1


def install() -> None:
    """The entry point `vllm.general_plugins`. Does nothing in a process that vLLM did not spawn."""
    parent = multiprocessing.parent_process()
    if parent is None or any(t.name == __name__ for t in threading.enumerate()):
        return
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The pid of the one that spawned this process: getppid() is already another's if that one has died since.
    threading.Thread(target=_watch, args=(parent.pid,), name=__name__, daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD_S)
    os._exit(1)
