"""Settings, validated at start. A wrong value is refused with its key; nothing is read at import time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from codeserve.access.settings import AccessSettings
from codeserve.errors import SetupError

DType = Literal["bfloat16", "float16", "float32"]
EMBEDDED = "embedded"
TRACES_PATH = "/v1/traces"
PriorityName = Literal["interactive", "batch"]
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TaggerSettings(Settings):
    """`model`: "embedded", a local folder or a hub id of a BERT token classifier. `label_map` takes its labels to
    ours (problem, procedure, test, medication, anatomy). Lengths are in tokens."""

    model: str = EMBEDDED
    label_map: dict[str, str] | None = None
    dtype: DType = "bfloat16"
    device: Literal["cpu", "cuda"] = "cpu"
    window: int = Field(224, ge=16, le=510)
    overlap: int = Field(32, ge=0)
    max_batch_tokens: int = Field(4096, ge=512)
    batch_wait_s: float = Field(0.005, ge=0, le=1)
    threads: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _a_chunk_fits(self) -> TaggerSettings:
        if self.overlap * 2 > self.window:
            raise ValueError("overlap must be at most half of window")
        if self.window + 2 > self.max_batch_tokens:
            raise ValueError("max_batch_tokens must hold at least one window and its two special tokens")
        return self


class ReasonerSettings(Settings):
    """`model`: "embedded", a local folder or a hub id of an instruct LLM. `gpu_memory_utilization` counts on GPUs,
    `kv_cache_gib` on CPUs. `gate` lets the lexicon answer alone where it is certain. `mdm_questions` asks in a second
    call what the rules leave open in the decision making of a visit; a yes counts from the probability `mdm_threshold`.
    An engine in which requests run and no token comes for `stall_s` seconds is unhealthy."""

    model: str = EMBEDDED
    answer_form: Literal["yes_no", "letters"] = "yes_no"
    dtype: DType = "bfloat16"
    device: Literal["cpu", "cuda"] = "cpu"
    tensor_parallel_size: int = Field(1, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    kv_cache_gib: int = Field(1, ge=1)
    max_model_len: int = Field(512, ge=128)
    max_num_seqs: int = Field(64, ge=1)
    max_num_batched_tokens: int = Field(4096, ge=256)
    block_size: int = Field(32, ge=16)
    enforce_eager: bool = True
    threads: int = Field(1, ge=1)
    max_candidates: int = Field(6, ge=2, le=20)
    gate: bool = True
    mdm_questions: bool = False
    mdm_threshold: float = Field(0.9, ge=0.5, le=1)
    call_timeout_s: float = Field(120.0, gt=0)
    stall_s: float = Field(20.0, gt=0)

    @model_validator(mode="after")
    def _lengths_fit(self) -> ReasonerSettings:
        if self.max_num_batched_tokens < self.max_model_len:
            raise ValueError("max_num_batched_tokens must be at least max_model_len")
        if self.stall_s >= self.call_timeout_s:
            raise ValueError("stall_s must be below call_timeout_s, or a stalled engine is never told from a slow one")
        if self.mdm_questions and self.max_model_len < 256:
            raise ValueError("max_model_len must be at least 256 with mdm_questions")
        if self.device == "cpu" and self.block_size % 32:
            raise ValueError("block_size must be a multiple of 32 on a CPU")
        return self


class RetrieverSettings(Settings):
    """`dense` adds the MiniLM side to BM25; `limit` candidates are kept a question."""

    dense: bool = True
    limit: int = Field(20, ge=1, le=100)


class ModelSet(Settings):
    """What answers together under one name. Each alias names it too."""

    name: ModelName = "codeserve-embedded-1"
    aliases: tuple[ModelName, ...] = ("icd10-extractor-v3",)
    tagger: TaggerSettings = TaggerSettings()
    reasoner: ReasonerSettings = ReasonerSettings()
    retriever: RetrieverSettings = RetrieverSettings()


class KeyLimits(Settings):
    """Of an API key: `weight`, its share of the slots beside other keys; `rate`, requests a second in the long run
    (none: no limit) with `burst` at once; `priority`, the class of its requests that name none."""

    weight: float = Field(1.0, ge=0.01, le=100)
    rate: float | None = Field(None, gt=0)
    burst: int = Field(10, ge=1)
    priority: PriorityName = "interactive"


class AdmissionSettings(Settings):
    """Of one gateway replica, beside `max_in_flight`. `max_waiting` and `max_waiting_batch`: places in the line of each
    class (one key alone takes half of them); `batch_share`: the share of the slots that batch requests may hold;
    `keys`: limits by the name of an API key, `default` those of any other."""

    max_waiting: int = Field(64, ge=0)
    max_waiting_batch: int = Field(64, ge=0)
    batch_share: float = Field(0.75, gt=0, le=1)
    default: KeyLimits = KeyLimits()
    keys: dict[str, KeyLimits] = {}

    @property
    def most_waiting(self) -> int:
        return self.max_waiting + self.max_waiting_batch

    def limits(self, key: str) -> KeyLimits:
        return self.keys.get(key, self.default)


class IdempotencySettings(Settings):
    """How many answers one gateway replica keeps for the Idempotency-Key header (0: none), and how long, in seconds."""

    max_answers: int = Field(1000, ge=0)
    keep_s: float = Field(600.0, gt=0)


class GatewaySettings(Settings):
    """Times in seconds, lengths in characters. `max_in_flight`: requests at once in one gateway replica. `keys_file`
    holds hashed API keys; without it and without CODESERVE_API_KEYS any caller is taken, and then `host` must be a
    loopback address. `payer_rules`: files of rules, or folders of them (docs/coding-rules.md)."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    max_text_chars: int = Field(200_000, ge=1_000)
    max_in_flight: int = Field(64, ge=1)
    admission: AdmissionSettings = AdmissionSettings()
    idempotency: IdempotencySettings = IdempotencySettings()
    default_timeout_s: float = Field(120.0, gt=0)
    max_timeout_s: float = Field(600.0, gt=0)
    keys_file: Path | None = None
    payer_rules: tuple[Path, ...] = ()
    auto_post_threshold: float = Field(0.95, ge=0, le=1)
    mode: Literal["shadow", "assisted", "automated"] = "assisted"

    @model_validator(mode="after")
    def _default_within_cap(self) -> GatewaySettings:
        if self.default_timeout_s > self.max_timeout_s:
            raise ValueError("default_timeout_s must be at most max_timeout_s")
        return self


Days = Annotated[int, Field(ge=1)] | None


class RetentionSettings(Settings):
    """Days for which rows of a table are kept once they are settled; null: for ever. Six years (45 CFR 164.316) for
    what documents a coding decision. The audit trail is always kept."""

    events: Days = 30
    documents: Days = 2190
    suggestions: Days = 2190
    charges: Days = 2190
    worklist_items: Days = 2190
    decisions: Days = 2190
    final_codes: Days = 2190
    jobs: Days = 30


class StorageSettings(Settings):
    """`url`: sqlite:///FILE or postgresql://HOST/NAME, without a password (PGPASSWORD or PGPASSFILE hold it).
    `keys_file`: the key ring that encrypts patients' data (`codeserve data-keys create`). `note_hours`: how long the
    text of a note is kept after it was fetched."""

    url: str
    keys_file: Path
    note_hours: float = Field(72.0, gt=0)
    retention: RetentionSettings = RetentionSettings()


class PlatformSettings(Settings):
    """A platform of a practice. `credentials_env` and `webhook_secret_env` name environment variables; `schedule` is a
    cron expression for platforms that are asked for changes; `options` are the adapter's own (docs/adapters.md)."""

    adapter: Literal["advancedmd", "carecloud", "drchrono", "fhir", "tebra"]
    base_url: str
    tenant: ModelName
    credentials_env: str
    webhook_secret_env: str | None = None
    schedule: str | None = None
    options: dict[str, str | int | bool] = {}


class TracingSettings(Settings):
    """OpenTelemetry traces by OTLP over HTTP (docs/traces.md). `endpoint`: a collector's base address, as
    http://collector:4318; without it OTEL_EXPORTER_OTLP_ENDPOINT, and without both there are no traces. `sample_ratio`:
    the share of the traces begun here that are kept (none: as OTEL_TRACES_SAMPLER says, else all)."""

    endpoint: str | None = None
    sample_ratio: float | None = Field(None, ge=0, le=1)
    service_name: str | None = Field(None, min_length=1, max_length=100)

    @field_validator("endpoint")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("should be an address as http://collector:4318")
        if parts.username is not None or parts.password is not None:
            raise ValueError("no credentials in the address; OTEL_EXPORTER_OTLP_HEADERS is for them")
        return value

    @property
    def traces_url(self) -> str | None:
        """Where spans are posted; None: as OTEL_* says."""
        if self.endpoint is None:
            return None
        base = self.endpoint.rstrip("/")
        return base if base.endswith(TRACES_PATH) else base + TRACES_PATH


class WorkerSettings(Settings):
    """The worker that codes events. `gateway`: where it has notes coded, with the key in the environment variable
    `key_env` where it is set; `timeout_s`: the deadline that it gives the gateway. `concurrency`: notes of one platform
    at once; `poll_s`: how often it looks for new events. A step that fails is tried `attempts` times, with pauses that
    double from `first_pause_s` up to `longest_pause_s`. `name` is this worker's own and stays the same when it starts
    again; the host's name if not given."""

    gateway: str = "http://127.0.0.1:8000"
    key_env: str = "CODESERVE_WORKER_KEY"
    timeout_s: float = Field(120.0, gt=0)
    concurrency: int = Field(8, ge=1, le=256)
    poll_s: float = Field(0.5, ge=0.01, le=60)
    attempts: int = Field(24, ge=1)
    first_pause_s: float = Field(1.0, gt=0)
    longest_pause_s: float = Field(900.0, gt=0)
    name: str | None = None


class AppSettings(Settings):
    """The `args` of the application in serve_config.yaml. Without `storage` nothing is stored."""

    model_set: ModelSet = ModelSet()
    gateway: GatewaySettings = GatewaySettings()
    access: AccessSettings = AccessSettings()
    storage: StorageSettings | None = None
    tracing: TracingSettings = TracingSettings()
    platforms: dict[ModelName, PlatformSettings] = {}
    worker: WorkerSettings = WorkerSettings()


def load_settings(values: dict[str, Any]) -> AppSettings:
    """Raises SetupError that names every wrong key, never its value."""
    try:
        return AppSettings.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'settings'}: {e['msg']}"
            for e in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise SetupError(f"wrong settings: {wrong}", hint="correct these keys in the configuration file") from None


def home() -> Path:
    """The one folder, beside the checkout and Ray's session folder, that codeserve writes to."""
    named = os.environ.get("CODESERVE_HOME")
    if named:
        return Path(named).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "codeserve"


def keep_to_home(folder: Path) -> None:
    """Point the caches of the libraries into `folder` and switch their statistics off, before they are imported."""
    os.environ.update(
        CODESERVE_HOME=str(folder),
        VLLM_CACHE_ROOT=str(folder / "vllm" / "cache"),
        VLLM_CONFIG_ROOT=str(folder / "vllm" / "config"),
        VLLM_ASSETS_CACHE=str(folder / "vllm" / "assets"),
        HF_HOME=str(folder / "hub"),
        NUMBA_CACHE_DIR=str(folder / "numba"),
        TORCHINDUCTOR_CACHE_DIR=str(folder / "inductor"),
        MPLCONFIGDIR=str(folder / "matplotlib"),
        VLLM_LOGGING_STREAM="ext://sys.stderr",  # standard output is for answers
        VLLM_NO_USAGE_STATS="1",
        VLLM_DO_NOT_TRACK="1",
        DO_NOT_TRACK="1",
        RAY_USAGE_STATS_ENABLED="0",
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    os.environ.setdefault("HF_HUB_OFFLINE", "1" if not os.environ.get("CODESERVE_ALLOW_HUB") else "0")
