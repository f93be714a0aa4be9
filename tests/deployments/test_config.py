from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.serve.config import AutoscalingConfig

from codeserve.config import AppSettings, load_settings
from codeserve.deployments.cluster import read_config, refuse_taken_port, settings_of, with_address
from codeserve.errors import SetupError
from tests.conftest import ROOT

FILES = (ROOT / "serve_config.yaml", ROOT / "serve_config.gpu.yaml")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_a_shipped_file_is_valid_down_to_the_last_key(path: Path) -> None:
    settings = settings_of(read_config(path))
    assert "icd10-extractor-v3" in settings.model_set.aliases


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_setting_of_a_shipped_file_is_known(path: Path) -> None:
    args = yaml.safe_load(path.read_text())["applications"][0]["args"]

    def walk(given: dict[str, Any], known: type) -> None:
        for key, value in given.items():
            assert key in known.model_fields  # type: ignore[attr-defined]
            inner = known.model_fields[key].annotation  # type: ignore[attr-defined]
            if isinstance(value, dict) and hasattr(inner, "model_fields"):
                walk(value, inner)

    walk(args, AppSettings)


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    args = copy.deepcopy(yaml.safe_load(FILES[0].read_text())["applications"][0]["args"])
    inner = args
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return args


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("model_set", "tagger", "dtype"), "int3"),
        (("model_set", "tagger", "window"), 5),
        (("model_set", "tagger", "widnow"), 224),
        (("model_set", "reasoner", "tensor_parallel_size"), 0),
        (("model_set", "reasoner", "gpu_memory_utilization"), 1.5),
        (("model_set", "reasoner", "answer_form"), "essay"),
        (("model_set", "name"), "no spaces please"),
        (("gateway", "port"), 99999),
        (("gateway", "mode"), "guess"),
    ],
    ids=lambda v: ".".join(v) if isinstance(v, tuple) else "",
)
def test_a_wrong_value_is_refused_with_its_key(path: tuple[str, ...], value: object) -> None:
    with pytest.raises(SetupError, match=r"\.".join(path)):
        load_settings(changed(path, value))


def test_lengths_that_cannot_work_together_are_refused() -> None:
    with pytest.raises(SetupError, match=r"model_set\.tagger"):
        load_settings(changed(("model_set", "tagger", "overlap"), 200))
    with pytest.raises(SetupError, match=r"model_set\.reasoner"):
        load_settings(changed(("model_set", "reasoner", "max_num_batched_tokens"), 300))


def test_an_unknown_key_of_the_file_is_refused(tmp_path: Path) -> None:
    config = yaml.safe_load(FILES[0].read_text()) | {"applicatoins": []}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(SetupError, match="applicatoins"):
        read_config(path)


def test_a_missing_file_and_broken_yaml_are_clear(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no configuration file"):
        read_config(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(SetupError, match="not YAML"):
        read_config(tmp_path / "broken.yaml")


def test_the_address_moves_for_proxy_and_gateway_alike() -> None:
    moved = with_address(read_config(FILES[0]), "127.0.0.1", 8123)
    assert moved["http_options"]["port"] == settings_of(moved).gateway.port == 8123


def test_a_taken_port_names_the_way_out() -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=str(port)) as raised:
            refuse_taken_port("127.0.0.1", port)
    assert "PORT=" in raised.value.hint


def test_questions_about_decision_making_need_room() -> None:
    reasoner = {"mdm_questions": True, "max_model_len": 128}
    with pytest.raises(SetupError, match="max_model_len"):
        load_settings({"model_set": {"reasoner": reasoner}})
    assert not load_settings({}).model_set.reasoner.mdm_questions
    assert settings_of(read_config(FILES[1])).model_set.reasoner.mdm_questions


def test_serve_takes_the_reasoners_policy() -> None:
    from ray.serve.schema import ServeDeploySchema

    schema = ServeDeploySchema.model_validate(read_config(FILES[1]))
    reasoner = next(one for one in schema.applications[0].deployments if one.name == "Reasoner")
    config = AutoscalingConfig.model_validate(reasoner.autoscaling_config)
    assert config.policy.policy_function == "codeserve.deployments.autoscaling:ReasonerPolicy"
    config.policy.serialize_policy()
    # Serve pickles the class by value; what comes out of it is made with the file's arguments.
    assert callable(config.policy.get_policy()(**config.policy.policy_kwargs))
