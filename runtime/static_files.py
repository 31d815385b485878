"""Static files of a project's folder, as browsers and caches want them.

With types, ETag, Last-Modified, ranges and HEAD; a compressed copy beside a file (`app.js.br`,
`app.js.gz`) is sent to who takes it. Nothing outside of the folder is served, by whatever way, and
nothing hidden (`.env`, `.git`) in it.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

INDEX, NOT_FOUND = "index.html", "404.html"
# Each is asked for anew: what a project deploys is what its clients see.
CACHE_CONTROL = "no-cache"
WELL_KNOWN = ".well-known"  # RFC 8615: the one hidden folder that is meant to be served
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII)
# What browsers need to be told right, whatever the system's own table says.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".json": "application/json",
    ".map": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
}


class StaticFiles:
    """The files of a folder."""

    def __init__(self, folder: str, *, single_page: bool = False) -> None:
        """An empty folder: there are none.

        `single_page`: the folder's index.html answers navigations to what is not there.
        """
        self._folder = Path(folder).resolve() if folder else None
        self._single_page = single_page

    def __repr__(self) -> str:
        return f"<StaticFiles of {self._folder}>"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """The file at a request's path; None if there is none."""
        if self._folder is None or request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return None
        file = await asyncio.to_thread(self._find, request.path)
        return None if file is None else _File(file)

    async def fallback(self, request: web.BaseRequest) -> web.StreamResponse | None:
        """What is shown where nothing is: the single page, or the folder's 404.html."""
        if self._folder is None or request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
            return None
        if "text/html" not in request.headers.get(hdrs.ACCEPT, ""):
            return None  # a script or an image that is missing is better told so
        name, status = (INDEX, 200) if self._single_page else (NOT_FOUND, 404)
        file = await asyncio.to_thread(self._find, name)
        return None if file is None else _File(file, status)

    def _find(self, path: str) -> Path | None:
        if self._folder is None or "\0" in path:
            return None
        try:
            file = (self._folder / path.lstrip("/")).resolve()
            if self._is_hidden(file):
                return None
            if file.is_dir():
                file = (file / INDEX).resolve()
            elif path.endswith("/"):
                return None
            # After resolving, so that neither `..` nor a link leads out of the folder.
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except (OSError, RuntimeError, UnicodeError):  # a name too long, links in a circle
            return None

    def _is_hidden(self, file: Path) -> bool:
        # What editors, version control and `.env` leave in a folder is for nobody else.
        folder = self._folder
        if folder is None or not file.is_relative_to(folder):
            return False
        return any(p.startswith(".") and p != WELL_KNOWN for p in file.relative_to(folder).parts)


class _File(web.FileResponse):
    def __init__(self, file: Path, status: int = 200) -> None:
        self._file = file
        headers = {hdrs.CACHE_CONTROL: CACHE_CONTROL, hdrs.CONTENT_TYPE: content_type(file)}
        super().__init__(file, status=status, headers=headers)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self._status != 200 or await asyncio.to_thread(self._has_changed, request):
            # A part, or "not modified", of a page that stands in for another would be none of it.
            kept = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in _CONDITIONS
            }
            request = request.clone(headers=kept)
        elif not _is_one_range(request.headers.get(hdrs.RANGE, "bytes=0-")):
            # Several, of another unit, or none at all: RFC 9110 section 14.2 has it ignored.
            whole = request.headers.copy()
            del whole[hdrs.RANGE]
            request = request.clone(headers=whole)
        return await super().prepare(request)

    def _has_changed(self, request: web.BaseRequest) -> bool:
        """Whether a part is wanted only of a version that this is not; aiohttp looks at dates."""
        wanted = request.headers.get(hdrs.IF_RANGE, "")
        if not wanted.endswith('"'):
            return False
        try:
            found = os.stat(self._file)
        except OSError:
            return True
        return wanted != f'"{found.st_mtime_ns:x}-{found.st_size:x}"'


_CONDITIONS = frozenset(
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"]
)


def _is_one_range(wanted: str) -> bool:
    found = _RANGE.fullmatch(wanted)
    if found is None:
        return False
    first, last = found[1], found[2]
    if not first:
        return bool(last) and int(last) > 0  # so many bytes at the end
    return not last or int(first) <= int(last)


def content_type(file: Path) -> str:
    """The type of a file by its name, text as UTF-8."""
    found = _TYPES.get(file.suffix.lower()) or mimetypes.guess_type(file.name)[0]
    if found is None:
        return "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found
