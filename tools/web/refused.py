"""A request that is not answered as was hoped: its HTTP status, and a sentence for the visitor."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from tools.web.limits import RETRY_AFTER


class Refused(Exception):
    """status: of HTTP; str(): the sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


def as_response(request: Request, refusal: Exception) -> JSONResponse:
    """{"error": the sentence}; for 503 with the time after which to try again."""
    assert isinstance(refusal, Refused)
    headers = {"Retry-After": str(RETRY_AFTER)} if refusal.status == 503 else {}
    return JSONResponse({"error": str(refusal)}, refusal.status, headers)
