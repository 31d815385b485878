"""HTML forms in a request's body: urlencoded, and multipart with files.

Bounds: `FIELDS_MAX` fields, heads of `PART_HEAD_BYTES_MAX` bytes a line; the body itself is bounded
where it was read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from multidict import MultiDict

FIELDS_MAX = 1000
PART_HEAD_BYTES_MAX = 8190
_FED_BYTES = 64 * 1024  # at once, to a reader that copies what it puts back


class FormFile(NamedTuple):
    """A file of a form, as the client named it: a name is not to be trusted as a path."""

    filename: str
    content_type: str
    body: bytes


Form = MultiDict[str | FormFile]


class NoForm(ValueError):
    """A body that is not a form, or a broken one."""


async def parse_form(headers: Mapping[str, str], body: bytes) -> Form:
    """The fields of a form, in order; a name may occur several times.

    Raises:
        NoForm: If the content type is no form's, or the body is not what it says.
    """
    content_type = headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        try:
            pairs = parse_qsl(
                body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"
            )
        except ValueError as error:
            raise NoForm(f"the form cannot be read: {error}") from error
        return MultiDict(pairs)
    if kind == "multipart/form-data":
        return await _multipart(content_type, body)
    raise NoForm(
        f"the content type is {kind or 'missing'!r}; a form is application/x-www-form-urlencoded "
        "or multipart/form-data"
    )


async def _multipart(content_type: str, body: bytes) -> Form:
    # Here, as most rooms read no forms and their processes start quicker without aiohttp.
    from aiohttp import BodyPartReader, MultipartReader
    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_exceptions import HttpProcessingError
    from aiohttp.streams import StreamReader

    loop = asyncio.get_running_loop()
    content = StreamReader(BaseProtocol(loop), len(body) + 1, loop=loop)  # never asks for a pause
    for begin in range(0, len(body), _FED_BYTES):
        content.feed_data(body[begin : begin + _FED_BYTES])
    content.feed_eof()
    form: Form = MultiDict()
    try:
        heads = {"Content-Type": content_type}
        reader = MultipartReader(heads, content, max_field_size=PART_HEAD_BYTES_MAX)
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise NoForm("a part of the form has no name")
            if len(form) >= FIELDS_MAX:
                raise NoForm(f"the form has more than {FIELDS_MAX} fields")
            data = bytes(await part.read())
            if part.filename is None:
                form.add(part.name, data.decode())
            else:
                kind = part.headers.get("content-type", "application/octet-stream")
                form.add(part.name, FormFile(part.filename, kind, data))
    except NoForm:
        raise
    except (ValueError, RuntimeError, AssertionError, HttpProcessingError) as error:
        raise NoForm(f"the form cannot be read: {error}") from error
    return form
