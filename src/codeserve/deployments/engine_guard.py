"""Ends vLLM's engine core with the process that started it.

The core is a child process that goes on when its parent is killed (vllm#55510). vLLM loads this plugin in each of its
processes; in a child it watches for the parent's end.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

PERIOD_S = 0.5


def install() -> None:
    """The entry point `vllm.general_plugins`. Does nothing in a process that vLLM did not spawn."""
    parent = multiprocessing.parent_process()
    if parent is None or any(t.name == __name__ for t in threading.enumerate()):
        return
    # The pid of the one that spawned this process: getppid() is already another's if that one has died since.
    threading.Thread(target=_watch, args=(parent.pid,), name=__name__, daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD_S)
    os._exit(1)
