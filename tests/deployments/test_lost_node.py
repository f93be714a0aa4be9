"""A service whose Ray node has died says so and ends; it never comes back by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from codeserve.deployments import serving
from codeserve.deployments.cluster import Cluster
from codeserve.errors import StageFailed


@pytest.fixture
def node() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def cluster_on(node: subprocess.Popen[bytes]) -> Cluster:
    cluster = Cluster({"applications": [{"name": "codeserve"}]})
    cluster._node = [psutil.Process(node.pid)]
    return cluster


def test_a_killed_node_is_lost(node: subprocess.Popen[bytes]) -> None:
    cluster = cluster_on(node)
    cluster.require_node()
    assert not cluster.lost()
    node.kill()
    node.wait()
    assert cluster.lost()
    with pytest.raises(StageFailed, match="node has died"):
        cluster.require_node()
    assert cluster.drain() == 0


def test_who_waits_for_signals_hears_of_it(node: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "CHECK_S", 0.01)
    cluster, signals = cluster_on(node), serving.Signals()
    node.kill()
    node.wait()
    with pytest.raises(StageFailed):
        signals.next_is_reload(cluster.require_node)


def test_a_signal_ends_the_wait(node: subprocess.Popen[bytes]) -> None:
    signals = serving.Signals()
    signals._ask_to_stop()
    assert not signals.next_is_reload(cluster_on(node).require_node)
