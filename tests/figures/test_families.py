"""Figures of many replicas become one page that Prometheus reads."""

from __future__ import annotations

import pickle
from types import SimpleNamespace

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from codeserve.figures.families import STAGES, Common, page, report
from codeserve.figures.reasoner import ReasonerFigures
from codeserve.figures.tagger import TaggerFigures


def samples(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_replicas_stand_side_by_side_and_a_family_once() -> None:
    registries = [CollectorRegistry(), CollectorRegistry()]
    for n, registry in enumerate(registries):
        Counter("codeserve_things", "Things", ["kind"], registry=registry).labels("a").inc(n + 1)
    reports = [report(registry, "Tagger", str(n)) for n, registry in enumerate(registries)]
    text = page(pickle.loads(pickle.dumps(reports)))
    found = samples(text)
    assert [
        found["codeserve_things_total", (("deployment", "Tagger"), ("kind", "a"), ("replica", n))] for n in "01"
    ] == [1, 2]
    assert text.count(b"# TYPE codeserve_things_total") == 1
    assert not [name for name, _ in found if name.endswith("_created")]


def test_what_is_no_stage_is_other() -> None:
    common = Common()
    common.took("Jane Doe", 1)
    common.took(next(iter(STAGES)), 1)
    assert common.registry.get_sample_value("codeserve_stage_seconds_count", {"stage": "other"}) == 1
    assert b"Jane" not in page([report(common.registry, "Gateway", "1")])


def test_a_batch_counts_its_padding() -> None:
    figures = TaggerFigures()
    figures.batch([0.1, 0.2], [10, 4], 20, 0.5)
    value = figures.registry.get_sample_value
    assert value("codeserve_tagger_tokens_total", {"kind": "padding"}) == 6
    assert value("codeserve_stage_seconds_count", {"stage": "batch_wait"}) == 2
    assert value("codeserve_stage_seconds_sum", {"stage": "tagger_model"}) == 0.5


def test_a_step_of_vllm() -> None:
    figures = ReasonerFigures()
    figures.step(None, None)
    request = SimpleNamespace(queued_time=0.5, prefill_time=0.25)
    iteration = SimpleNamespace(
        prompt_token_stats=SimpleNamespace(computed=30, cached_tokens=70),
        time_to_first_tokens_iter=[0.75],
        finished_requests=[request],
    )
    figures.step(SimpleNamespace(kv_cache_usage=0.5), iteration)
    value = figures.registry.get_sample_value
    assert value("codeserve_prompt_tokens_total", {"source": "cached"}) == 70
    assert value("codeserve_stage_seconds_sum", {"stage": "engine_queue"}) == 0.5
    assert value("codeserve_kv_cache_used_ratio") == 0.5
