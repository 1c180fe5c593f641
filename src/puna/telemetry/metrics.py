"""Metrics in the text format of Prometheus: names and bucket edges are vLLM's, with the prefix ``puna_``.

Each maps on one of OpenTelemetry's GenAI conventions where they have one: ``gen_ai.server.request.duration`` is
``puna_e2e_request_latency_seconds``, ``gen_ai.server.time_to_first_token`` and ``…time_per_output_token`` are
``puna_time_to_first_token_seconds`` and ``puna_time_per_output_token_seconds``, ``gen_ai.client.token.usage`` with
``gen_ai.token.type`` is ``puna_prompt_tokens_total`` and ``puna_generation_tokens_total``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from puna.telemetry.counts import COUNTS, Labels
from puna.telemetry.record import DONE, Record

_FIRST_TOKEN = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75,
    1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0,
)  # fmt: skip
_PER_TOKEN = (
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
)  # fmt: skip
_LATENCY = (
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0,
    120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0,
)  # fmt: skip
_TOKENS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000)
_SECOND = 1e9
_MODEL = ("model_name",)


@dataclass(frozen=True, slots=True)
class Metric:
    """What one name means, and what its labels are called."""

    help: str
    labels: tuple[str, ...] = ()


HISTOGRAMS: Mapping[str, Metric] = {
    "puna_e2e_request_latency_seconds": Metric("Seconds from a request to its end.", _MODEL),
    "puna_time_to_first_token_seconds": Metric("Seconds from a request to the first piece of its answer.", _MODEL),
    "puna_time_per_output_token_seconds": Metric(
        "Seconds for each token after the first, as the engine tells.", _MODEL
    ),
    "puna_request_queue_time_seconds": Metric(
        "Seconds until a slot of a loaded model, loads included.", ("model_name", "class")
    ),
    "puna_request_prefill_time_seconds": Metric("Seconds from a slot to the first piece of an answer.", _MODEL),
    "puna_request_decode_time_seconds": Metric("Seconds from the first piece of an answer to its end.", _MODEL),
    "puna_request_prompt_tokens": Metric("Tokens of prompts.", _MODEL),
    "puna_request_generation_tokens": Metric("Tokens of answers.", _MODEL),
    "puna_model_load_seconds": Metric("Seconds that loads of models took.", _MODEL),
}
COUNTERS: Mapping[str, Metric] = {
    "puna_request_success": Metric("Requests that were answered.", _MODEL),
    "puna_requests": Metric("Requests that are over, by how they ended.", ("model_name", "dialect", "outcome")),
    "puna_prompt_tokens": Metric("Tokens of prompts.", _MODEL),
    "puna_generation_tokens": Metric("Tokens that were generated.", _MODEL),
    "puna_prefix_cache_queries": Metric("Tokens of prompts that were looked up in caches.", _MODEL),
    "puna_prefix_cache_hits": Metric("Tokens of prompts that caches held.", _MODEL),
    "puna_cut_prompt_tokens": Metric("Tokens that were left out of prompts.", _MODEL),
    "puna_spec_decode_num_draft_tokens": Metric("Tokens that were guessed ahead.", _MODEL),
    "puna_spec_decode_num_accepted_tokens": Metric("Tokens guessed ahead that were right.", _MODEL),
    "puna_refusals": Metric("Requests that failed, by status and kind of error.", ("status", "error")),
    "puna_model_loads": Metric("Loads of models that succeeded.", _MODEL),
    "puna_model_load_failures": Metric("Loads of models that failed.", _MODEL),
    "puna_model_unloads": Metric("Models that left memory.", _MODEL),
    "puna_runner_losses": Metric("Runners that crashed or were ended, by why.", ("model_name", "reason")),
    "puna_session_tokens_queried": Metric("Tokens of prompts that were looked up in saved conversations."),
    "puna_session_tokens_restored": Metric("Tokens of saved conversations that were restored."),
    "puna_transfer_bytes": Metric("Bytes of models that were pulled or pushed.", ("direction",)),
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number as it is now."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str]


def count_record(record: Record) -> None:
    """Count a request that is over: a subscriber of records."""
    model = (record.model,)
    COUNTS.add("puna_requests", (record.model, record.dialect, record.outcome))
    _observe("puna_e2e_request_latency_seconds", model, record.duration / _SECOND, _LATENCY)
    if record.ready:
        waited = (record.model, "batch" if record.batch else "interactive")
        _observe("puna_request_queue_time_seconds", waited, record.ready / _SECOND, _LATENCY)
    if record.first:
        _observe("puna_time_to_first_token_seconds", model, record.first / _SECOND, _FIRST_TOKEN)
        _observe("puna_request_prefill_time_seconds", model, (record.first - record.ready) / _SECOND, _LATENCY)
        decode = (record.duration - record.first) / _SECOND
        _observe("puna_request_decode_time_seconds", model, decode, _LATENCY)
        if record.per_token:
            _observe("puna_time_per_output_token_seconds", model, record.per_token / _SECOND, _PER_TOKEN)
    if record.outcome == DONE:
        COUNTS.add("puna_request_success", model)
        _observe("puna_request_prompt_tokens", model, record.prompt, _TOKENS)
        _observe("puna_request_generation_tokens", model, record.generated, _TOKENS)
    for name, amount in (
        ("puna_prompt_tokens", record.prompt),
        ("puna_generation_tokens", record.generated),
        ("puna_prefix_cache_queries", record.prompt),
        ("puna_prefix_cache_hits", record.cached),
        ("puna_cut_prompt_tokens", record.cut),
        ("puna_spec_decode_num_draft_tokens", record.drafted),
        ("puna_spec_decode_num_accepted_tokens", record.accepted),
    ):
        if amount:
            COUNTS.add(name, model, amount)


def count_load(model: str, seconds: float) -> None:
    """Count a load that succeeded."""
    COUNTS.add("puna_model_loads", (model,))
    _observe("puna_model_load_seconds", (model,), seconds, _LATENCY)


def _observe(name: str, labels: Labels, value: float, edges: Iterable[float]) -> None:
    COUNTS.observe(name, labels, max(value, 0.0), tuple(edges))
