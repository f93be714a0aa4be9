"""One note through the code of all three deployments over stand-ins for handles and models: one trace."""

from __future__ import annotations

import asyncio
import contextvars
import pickle
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from codeserve import service, tracing
from codeserve.api.app import create_app
from codeserve.api.metrics import Metrics
from codeserve.codesets import CodeSets
from codeserve.config import GatewaySettings, ModelSet, ReasonerSettings
from codeserve.deployments import prompt_spans
from codeserve.deployments.gateway import Stages
from codeserve.deployments.reasoner import Reasoner, TimedSearch
from codeserve.deployments.tagger import EntityTagger, Waiting
from codeserve.errors import StageFailed
from codeserve.figures.reasoner import ReasonerFigures
from codeserve.figures.tagger import TaggerFigures
from codeserve.notes.redaction import Redactor
from codeserve.notes.spans import Span
from codeserve.pipeline import Knowledge
from codeserve.reasoning.calibration import Calibrator
from codeserve.reasoning.engine import Engine
from codeserve.reasoning.prompts import Prompter
from codeserve.reasoning.questions import Candidate, Question, System
from codeserve.reasoning.reasoner import Reasoner as Reasoning
from codeserve.retrieval.lexicon import Lexicon
from codeserve.rules.procedures import ProcedureTerms
from tests.api.fakes import request, with_client
from tests.reasoning.test_judge import Tokens

NAME = "Zyxwvut Qponmlk"
TEXT = f"Patient: {NAME}\nASSESSMENT AND PLAN:\n1. Gouty tophus, glorbiflex. Continue allopurinol.\n"
WORDS = Span(TEXT.index("Gouty"), TEXT.index("Gouty") + 12)
BODY = {"document_id": "1", "text": TEXT, "encounter": {"patient": {"identifiers": [NAME]}}}
CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STRINGS = {tracing.METHOD, tracing.ROUTE, tracing.REQUEST_ID, tracing.ERROR}


class Model:
    labels = ("O", "B-problem")
    pads = True

    def run(self, batch: Sequence[Sequence[int]]) -> list[Any]:
        time.sleep(0.002)
        return [np.array([[0.0, 1.0]] * len(one), dtype=np.float32) for one in batch]


class StandIn(Engine):
    """Answers every prompt alike, with the times that vLLM would give."""

    def __init__(self, fail: Exception | None = None) -> None:
        super().__init__(Path(), ReasonerSettings(), probe=(1, 2))
        self._llm = object()  # type: ignore[assignment]
        self._answered = prompt_spans.answered
        self.fail = fail

    async def _ask(self, prompt: list[int], answers: Sequence[int]) -> tuple[float, ...]:
        arrived, queued = time.time(), time.monotonic()
        await asyncio.sleep(0.004)
        if self.fail is not None:
            raise self.fail
        times = {"queued_ts": queued, "scheduled_ts": queued + 0.001, "first_token_ts": queued + 0.003}
        metrics = SimpleNamespace(
            arrival_time=arrived,
            last_token_ts=queued + 0.003,
            num_generation_tokens=1,
            first_token_latency=0.003,
            **times,
        )
        self._answered(SimpleNamespace(metrics=metrics, prompt_token_ids=prompt, num_cached_tokens=2))
        return (0.0,) * len(answers)


class Shelf:
    def search(self, questions: Sequence[Question], *_: object) -> list[tuple[Candidate, ...]]:
        found = tuple(Candidate(code, System.ICD10CM, "gout", 0.5, ("bm25",)) for code in ("M10.9", "M1A.9XX1"))
        return [found for _ in questions]


class Remote:
    """A method of a replica as a handle calls it: what is sent is pickled, and no context goes with it."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *sent: Any) -> asyncio.Task[Any]:
        work = self._method(*pickle.loads(pickle.dumps(sent)))
        return asyncio.get_running_loop().create_task(work, context=contextvars.Context())


class Tagger(EntityTagger.func_or_class):
    """Batches as `serve.batch` does, which runs in a replica alone: in a task of its own, which has no context."""

    def __init__(self) -> None:
        self._version, self._figures, self._model = "v", TaggerFigures(), Model()
        self._line: list[tuple[Waiting, asyncio.Future[Any]]] = []

    async def _run_chunk(self, one: Waiting) -> Any:
        loop = asyncio.get_running_loop()
        self._line.append((one, loop.create_future()))
        answer = self._line[-1][1]
        if len(self._line) == 1:
            self._task = loop.create_task(self._batch(), context=contextvars.Context())
        return await answer

    async def _batch(self) -> None:
        await asyncio.sleep(0.01)
        line, self._line = self._line, []
        run = EntityTagger.func_or_class._run_chunk.__wrapped__
        for (_, answer), found in zip(line, await run(self, [one for one, _ in line]), strict=True):
            answer.set_result(found)

    def __del__(self) -> None: ...


class Asked(Reasoner.func_or_class):
    def __init__(self, engine: Engine) -> None:
        self._version, self._figures = "v", ReasonerFigures()
        search = TimedSearch(Shelf(), self._figures.took)
        self._reasoner = Reasoning(search, Prompter(Tokens(), 32), engine, Calibrator.load())

    def __del__(self) -> None: ...


@pytest.fixture
def knowledge(codesets: CodeSets, monkeypatch: pytest.MonkeyPatch) -> Knowledge:
    monkeypatch.setattr(service, "versions", lambda *_: {"tagger": "fake"})
    terms = ProcedureTerms(codesets.procedures)
    return Knowledge(Redactor(), lambda _: ([1], [WORDS]), codesets, Lexicon.load(), terms)


def gateway(knowledge: Knowledge, engine: Engine | None = None, **settings: Any) -> Any:
    one, other, metrics = Tagger(), Asked(engine or StandIn()), Metrics()
    handles = SimpleNamespace(tag=Remote(one.tag)), SimpleNamespace(answer=Remote(other.answer))
    stages = Stages(*handles, "v", metrics)  # type: ignore[arg-type]
    coding = service.CodingService(knowledge, ModelSet(), stages)
    return create_app(coding, GatewaySettings(**settings), metrics=metrics)


def post(app: Any, headers: dict[str, str] | None = None, body: Any = BODY) -> int:
    status: int = request(app, "POST", "/v1/extract-codes", json=body, headers=headers or {}).status_code
    return status


def tree(finished: Sequence[ReadableSpan]) -> set[tuple[str, str]]:
    """(span, the span around it); a client's and a server's of the same name are told apart."""
    named = {one.context.span_id: _name(one) for one in finished}
    return {(_name(one), named.get(one.parent.span_id, "caller") if one.parent else "") for one in finished}


def _name(one: ReadableSpan) -> str:
    return f"{one.name} {one.kind.name.lower()}" if one.kind is not SpanKind.INTERNAL else one.name


ROOT, TAG, ANSWER = "POST /v1/extract-codes server", "EntityTagger/tag", "Reasoner/answer"
TREE = {
    ("admission", ROOT),
    ("prepare", ROOT),
    ("tag", ROOT),
    (f"{TAG} client", "tag"),
    (f"{TAG} server", f"{TAG} client"),
    ("batch_wait", f"{TAG} server"),
    ("tagger_model", f"{TAG} server"),
    ("ask", ROOT),
    ("reason", ROOT),
    (f"{ANSWER} client", "reason"),
    (f"{ANSWER} server", f"{ANSWER} client"),
    ("retrieve", f"{ANSWER} server"),
    ("generate", f"{ANSWER} server"),
    ("engine_queue", "generate"),
    ("engine_prefill", "generate"),
    ("decide", ROOT),
    ("assemble", ROOT),
}


def test_a_note_is_one_trace_in_the_callers(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    assert (
        post(gateway(knowledge), {"traceparent": "00-{}-{}-01".format(*CALLER), "tracestate": f"x={NAME[:7]}"}) == 200
    )
    finished = spans.get_finished_spans()
    assert {f"{one.context.trace_id:032x}" for one in finished} == {CALLER[0]}
    assert tree(finished) == TREE | {(ROOT, "caller")}
    assert not any(one.context.trace_state for one in finished)


def test_without_a_caller_a_trace_begins_at_the_gateway(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    assert post(gateway(knowledge), {"traceparent": "not-one"}) == 200
    finished = spans.get_finished_spans()
    assert len({one.context.trace_id for one in finished}) == 1
    assert tree(finished) == TREE | {(ROOT, "")}


def test_a_part_lies_within_the_whole(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    post(gateway(knowledge))
    finished = spans.get_finished_spans()
    by_id = {one.context.span_id: one for one in finished}
    slack = 2_000_000  # ns; the times of finished work come from other clocks
    for one in finished:
        assert one.start_time <= one.end_time
        if one.parent is not None:
            around = by_id[one.parent.span_id]
            assert around.start_time - slack <= one.start_time, (one.name, around.name)
            assert one.end_time <= around.end_time + slack, (one.name, around.name)


def test_spans_hold_sizes_and_counts(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    post(gateway(knowledge), {"X-Request-Id": "r-1"})
    told = {_name(one): dict(one.attributes or {}) for one in spans.get_finished_spans()}
    assert told[ROOT][tracing.ROUTE] == "/v1/extract-codes"
    assert (told[ROOT][tracing.STATUS], told[ROOT][tracing.REQUEST_ID]) == (200, "r-1")
    assert told[ROOT][tracing.RECEIVED] > len(TEXT)
    assert told[f"{TAG} server"] == {tracing.CHUNKS: 1, tracing.ENTITIES: 1}
    shared = {tracing.BATCH_CHUNKS: 1, tracing.BATCH_NOTES: 1, tracing.BATCH_TOKENS: 3}
    assert told["tagger_model"] == {tracing.CHUNKS: 1, **shared}
    assert told[f"{ANSWER} server"] == {tracing.QUESTIONS: 1, tracing.BY_LLM: 1}
    assert (told["generate"][tracing.PROMPTS], told["generate"][tracing.TOKENS_OUT]) == (2, 2)
    assert told["generate"][tracing.CACHED] == 4


def test_notes_of_one_batch_have_it_in_both_traces(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    app = gateway(knowledge)

    async def together(http: Any) -> None:
        await asyncio.gather(*(http.post("/v1/extract-codes", json=BODY) for _ in range(2)))

    with_client(app, together)
    batches = [one for one in spans.get_finished_spans() if one.name == "tagger_model"]
    assert len({one.context.trace_id for one in batches}) == 2
    assert {(one.attributes or {})[tracing.CHUNKS] for one in batches} == {1}


def paths(spans: InMemorySpanExporter, knowledge: Knowledge) -> Sequence[ReadableSpan]:
    """What requests of all outcomes leave."""
    failed = StageFailed(f"of {NAME}")
    assert post(gateway(knowledge)) == 200
    assert post(gateway(knowledge, StandIn(failed))) == 503
    assert post(gateway(knowledge, StandIn(ValueError(NAME)))) == 503
    assert post(gateway(knowledge), {"X-Request-Timeout-Ms": "1"}) == 504
    assert post(gateway(knowledge), body={**BODY, NAME: 1}) == 422
    assert request(gateway(knowledge), "GET", f"/v1/{NAME}").status_code == 404
    assert request(gateway(knowledge), "GET", f"/v1/codes/{NAME}").status_code == 404
    return spans.get_finished_spans()


def test_spans_never_hold_text(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    finished = paths(spans, knowledge)
    for one in finished:
        assert not one.events
        assert not one.status.description
        assert set(one.attributes or {}) <= set(tracing.ATTRIBUTES)
        strings = {name for name, value in (one.attributes or {}).items() if isinstance(value, str)}
        assert strings <= STRINGS
    whole = " ".join(one.to_json() for one in finished).lower()
    assert not [word for word in (*NAME.lower().split(), "glorbiflex", "tophus") if word in whole]


def test_an_error_is_told_by_its_kind(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    assert post(gateway(knowledge, StandIn(StageFailed("x")))) == 503
    wrong = {_name(one): one for one in spans.get_finished_spans() if one.status.status_code is StatusCode.ERROR}
    assert set(wrong) == {ROOT, "reason", f"{ANSWER} client", f"{ANSWER} server"}
    assert {(one.attributes or {})[tracing.ERROR] for one in wrong.values()} == {"stage-failed"}


def test_a_trace_that_the_caller_does_not_keep_is_not_kept(spans: InMemorySpanExporter, knowledge: Knowledge) -> None:
    assert post(gateway(knowledge), {"traceparent": "00-{}-{}-00".format(*CALLER)}) == 200
    assert spans.get_finished_spans() == ()


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_and_scrapes_leave_no_trace(spans: InMemorySpanExporter, path: str) -> None:
    from tests.api.fakes import make_app

    assert request(make_app(), "GET", path).status_code == 200
    assert spans.get_finished_spans() == ()


def test_when_off_a_note_is_coded_and_no_context_is_sent(knowledge: Knowledge) -> None:
    sent: list[Any] = []
    one = Tagger()

    async def tag(*told: Any) -> Any:
        sent.append(told)
        return await one.tag(*told)

    stages = Stages(SimpleNamespace(tag=Remote(tag)), SimpleNamespace(), "v", Metrics())  # type: ignore[arg-type]

    async def main() -> None:
        chunks = [SimpleNamespace(ids=(1,), spans=(WORDS,))]
        await stages.tag(TEXT, chunks, asyncio.get_running_loop().time() + 60)  # type: ignore[arg-type]

    asyncio.run(main())
    assert sent[0][-1] is None
