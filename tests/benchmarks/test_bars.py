from __future__ import annotations

from typing import Any

from benchmarks import bars


def block(mode: str, level: float, took: float, count: int = 10, **more: Any) -> dict[str, Any]:
    sent = [{"note": 0, "due": 0.0, "sent": 0.0, "done": took, "status": 200} for _ in range(count)]
    return {"mode": mode, "level": level, "seconds": 10.0, "sent": sent, **more}


def test_a_bar_is_met_missed_or_not_measured() -> None:
    raw = {
        "codeserve": {"blocks": [block("closed", 1, 0.5, 20), block("open", 1.0, 4.0, share=0.5)]},
        "naive": {"blocks": [block("closed", 2, 1.0, 10)]},
    }
    found = {bar: (measured, verdict) for bar, _, measured, verdict in bars.rows(raw, cores=2)}
    assert found["codeserve over the naive server"] == (2.0, "missed")
    assert found["p99 at half load over p99 of an idle server"] == (8.0, "missed")
    assert found["codeserve over `vllm serve`"][1] == "not measured"
