"""What a replica does for a call of the gateway: in the gateway's trace, and no foreign error leaves it.

Serve writes whatever a replica raises into its log, message and stack trace; those of a library's error may hold what
was sent. Ours hold none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.trace import Span, SpanKind

from codeserve import tracing
from codeserve.api.logs import describe
from codeserve.deployments.calls import RETRY_AFTER_S
from codeserve.errors import CodeserveError, StageFailed

logger = logging.getLogger(__name__)


@contextmanager
def answering(stage: str, what: str, traceparent: str | None) -> Iterator[Span]:
    """Raises CodeserveError alone; of any other error the log has kind and place."""
    with tracing.span(f"{stage}/{what}", parent=traceparent, kind=SpanKind.SERVER) as span:
        try:
            yield span
        except CodeserveError:
            raise
        except Exception as error:
            logger.error("%s failed: %s", stage, describe(error))
            raise StageFailed(f"{stage} failed ({type(error).__name__})", retry_after=RETRY_AFTER_S) from None
