"""Forms in a request's body."""

from __future__ import annotations

import pytest
from parlour.actors.forms import FIELDS_MAX, Form, FormFile, NoForm
from parlour.actors.request import Request

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XyZ"


async def form(content_type: str, body: bytes) -> Form:
    """The form of a request."""
    return await Request("POST", "http://h/", "/", [("Content-Type", content_type)], body).form()


def part(head: str, body: bytes) -> bytes:
    """A part of a multipart body, with the delimiter before it."""
    return b"--XyZ\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n"


async def test_an_urlencoded_form_has_its_fields_in_order() -> None:
    """Decoded, with empty and repeated ones."""
    fields = await form(f"{URLENCODED}; charset=utf-8", b"a=1&b=x+y%26%C3%A9&a=2&c=")
    assert list(fields.items()) == [("a", "1"), ("b", "x y&é"), ("a", "2"), ("c", "")]
    assert not await form(URLENCODED, b"")


async def test_a_multipart_form_has_fields_and_files() -> None:
    """Files with their bytes as they are, whatever is in them: line ends, nearly a delimiter."""
    data = b"\r\n--Xy\r\n\x00\xff--XyZ.\n\r" * 10
    body = (
        part('Content-Disposition: form-data; name="title"', "été".encode())
        + part(
            'Content-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
            "Content-Type: image/png",
            data,
        )
        + part('Content-Disposition: form-data; name="file"; filename="empty"', b"")
        + b"--XyZ--\r\n"
    )
    fields = await form(MULTIPART, body)
    assert list(fields.items()) == [
        ("title", "été"),
        ("file", FormFile("a b.bin", "image/png", data)),
        ("file", FormFile("empty", "application/octet-stream", b"")),
    ]


async def test_a_large_file_is_read_whole() -> None:
    """Over all the pieces in which it is read."""
    data = bytes(range(256)) * 8192
    head = 'Content-Disposition: form-data; name="f"; filename="f"'
    fields = await form(MULTIPART, part(head, data) + b"--XyZ--\r\n")
    file = fields["f"]
    assert isinstance(file, FormFile)
    assert file.body == data


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b"a=1"),
        ("application/json", b"{}"),
        ("multipart/mixed; boundary=XyZ", b"--XyZ--\r\n"),
        (URLENCODED, b"a=%ff"),
        (URLENCODED, b"\xff"),
        (URLENCODED, b"&".join([b"a=1"] * (FIELDS_MAX + 1))),
        ("multipart/form-data", b"--XyZ--\r\n"),
        (f"multipart/form-data; boundary={'x' * 71}", b""),
        (MULTIPART, b""),
        (MULTIPART, b"no delimiter"),
        (MULTIPART, part('Content-Disposition: form-data; name="a"', b"1")),
        (MULTIPART, part("Content-Type: text/plain", b"1") + b"--XyZ--\r\n"),
        (MULTIPART, part('Content-Disposition: form-data; name="a"', b"\xff") + b"--XyZ--\r\n"),
        (MULTIPART, b"--XyZ\r\nno colon\r\n\r\n1\r\n--XyZ--\r\n"),
        (
            MULTIPART,
            part('Content-Disposition: form-data; name="a"', b"1") * (FIELDS_MAX + 1)
            + b"--XyZ--\r\n",
        ),
        (
            MULTIPART,
            part("Content-Type: multipart/mixed; boundary=b", b"--b--\r\n") + b"--XyZ--\r\n",
        ),
    ],
)
async def test_what_is_no_form_is_refused(content_type: str, body: bytes) -> None:
    """One kind of error, also for a body that ends too early."""
    with pytest.raises(NoForm):
        await form(content_type, body)
