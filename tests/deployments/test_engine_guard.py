"""A child that vLLM spawned ends when its parent is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from codeserve.deployments import engine_guard

PARENT = """
import multiprocessing, os, time
def child():
    from codeserve.deployments.engine_guard import install
    install(); install()
    print(os.getpid(), flush=True)
    time.sleep(600)
if __name__ == "__main__":
    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    time.sleep(600)
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_a_child_dies_with_its_killed_parent(stopped: bool) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    if stopped:
        child.suspend()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ended(child, within_s=60)


def ended(process: psutil.Process, within_s: float) -> bool:
    """Also where nobody has reaped it: whoever adopts an orphan may take its time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    process.kill()
    return False


def test_a_process_that_nobody_spawned_is_left_alone() -> None:
    before = threading.active_count()
    engine_guard.install()
    time.sleep(0)
    assert threading.active_count() == before
