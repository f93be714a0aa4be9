"""What can go wrong with a platform, by what is to be done about it.

    PlatformError
    ├── TryLater            nothing was done; the same call may succeed later (`retry_after` in seconds where known)
    ├── Uncertain           a write may have arrived: look with `find_draft` before writing again
    ├── CannotTell          the platform cannot be asked whether a draft is there: a person looks
    ├── Refused             the same call will fail again
    │   ├── NotThere        no such document
    │   └── CredentialsRefused
    └── Malformed           an answer came that cannot be read

A message names platform, operation and status, nothing that came from the platform: its answers hold patients' data.
"""

from __future__ import annotations

from codeserve.errors import CodeserveError


class PlatformError(CodeserveError):
    type, title, status = "platform", "The platform could not be used", 502


class TryLater(PlatformError):
    type, title, status, retryable = "platform-unavailable", "The platform does not answer now", 503, True


class Uncertain(PlatformError):
    type, title = "platform-uncertain", "The platform may or may not have carried it out"


class CannotTell(PlatformError):
    type, title = "platform-cannot-tell", "The platform cannot be asked whether the draft is there"


class Refused(PlatformError):
    type, title = "platform-refused", "The platform refused"


class NotThere(Refused):
    type, title = "platform-not-there", "The platform has no such thing"


class CredentialsRefused(Refused):
    type, title = "platform-credentials", "The platform refused the credentials"


class Malformed(PlatformError):
    type, title = "platform-malformed", "The platform's answer cannot be read"
