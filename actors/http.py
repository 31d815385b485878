"""HTTP as rooms see it: what requests, responses and headers have for others."""

from .headers import header_pairs
from .request import BodyLost, Request, check_request_line
from .response import Response, as_response, refusal_of

__all__ = [
    "BodyLost",
    "Request",
    "Response",
    "as_response",
    "check_request_line",
    "header_pairs",
    "refusal_of",
]
