"""Weights that changed on their disk are refused; without sums nothing is claimed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from codeserve.errors import SetupError
from codeserve.weights import SUMS, verify, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in (1, 2):
        (tmp_path / f"model-{number}.safetensors").write_bytes(bytes(range(256)) * number)
    return tmp_path


def test_one_changed_byte_is_refused_with_the_name_of_its_file(folder: Path) -> None:
    write_sums(folder)
    assert verify(folder)
    weights = folder / "model-2.safetensors"
    weights.write_bytes(b"\xff" + weights.read_bytes()[1:])
    with pytest.raises(SetupError, match=r"model-2\.safetensors"):
        verify(folder)


def test_a_file_that_is_gone_is_refused(folder: Path) -> None:
    write_sums(folder)
    (folder / "model-1.safetensors").unlink()
    with pytest.raises(SetupError, match=r"model-1\.safetensors"):
        verify(folder)


def test_a_folder_without_sums_says_that_nothing_was_checked(folder: Path) -> None:
    assert not verify(folder)


def test_the_sums_are_those_of_sha256sum(folder: Path) -> None:
    write_sums(folder)
    subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=folder, check=True, capture_output=True)
