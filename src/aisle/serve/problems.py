"""What an answer says when there is none: a status, and the same code, message and hint as everywhere in aisle."""

from __future__ import annotations

import orjson

from aisle.errors import AisleError

# Errors of a bundle or a store: what is not there, and what is not the caller's fault; any other means that the request does not
# fit. E053 and E058: events that could not be stored now. E088: no inference process. E350: a model that gives NaN.
_STATUS_OF = {"E306": 404, "E053": 503, "E058": 503, "E088": 503, "E350": 500}
_UNFIT = 422


class ProblemError(AisleError):
    """An error with the status of its answer.

    Args:
        status: HTTP status.
        message: what is wrong, with the value that was seen.
        hint: what to do now.
        code: permanent code.
        retry_after_s: whole seconds after which to ask again; None = asking again does not help.
        allow: the methods that are allowed, of a 405.
    """

    def __init__(
        self, status: int, message: str, *, hint: str, code: str, retry_after_s: int | None = None, allow: str | None = None
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.status, self.retry_after_s, self.allow = status, retry_after_s, allow

    @property
    def document(self) -> dict[str, dict[str, str]]:
        """The body of the answer, as a document."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}

    @property
    def body(self) -> bytes:
        """The body of the answer."""
        return orjson.dumps(self.document)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers that go with it."""
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(self.body)).encode())]
        if self.retry_after_s is not None:
            headers.append((b"retry-after", str(self.retry_after_s).encode()))
        if self.allow is not None:
            headers.append((b"allow", self.allow.encode()))
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        return headers


def problem_of(error: AisleError) -> ProblemError:
    """Return an error that a bundle, a registry or a store raised as an answer."""
    if isinstance(error, ProblemError):
        return error
    status = _STATUS_OF.get(error.code, _UNFIT)
    retry_after_s = int(getattr(error, "retry_after_s", 1)) if status == 503 else None
    return ProblemError(status, error.message, hint=error.hint, code=error.code, retry_after_s=retry_after_s)


def bug() -> ProblemError:
    """Return the answer for an exception that nobody foresaw; its traceback is in the log, not in the answer."""
    return ProblemError(500, "the service has a bug", hint="send us the log line with this request id", code="E081")


def overloaded(wait_s: float) -> ProblemError:
    """Return the answer for a question that would wait too long."""
    return ProblemError(
        503,
        f"too many questions are waiting (about {1000 * wait_s:.0f} ms)",
        hint="ask again after Retry-After; for more at a time run more replicas",
        code="E069",
        retry_after_s=max(1, round(wait_s)),
    )
