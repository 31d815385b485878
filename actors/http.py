"""HTTP as rooms see it: what both halves, `request.py` and `response.py`, have for others."""

from .request import BodyLost, Request
from .response import Response, as_response, header_pairs

__all__ = ["BodyLost", "Request", "Response", "as_response", "header_pairs"]
