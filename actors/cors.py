"""Which pages of other sites may read what a room answers: the class option `cors`, and the headers
that say so to a browser (the Fetch standard, section 3.3). Pure; the gateway sends them.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

ALLOWED = (
    "True (any origin), a list of origins as in ['https://example.org'], or a dict with some of "
    "origins, methods, headers, expose, max_age (seconds) and credentials"
)
ANY = "*"
METHODS = ("GET", "POST", "HEAD", "OPTIONS")
MAX_AGE_S = 86_400


class Cors(msgspec.Struct, frozen=True):
    """What a class of rooms allows to pages of other origins.

    Attributes:
        origins: That may read answers; `*` alone is any.
        methods, headers: That a request may have.
        expose: Headers of an answer that a script may read, besides the harmless ones.
        max_age_s: How long a browser may remember all this.
        credentials: Whether requests may carry cookies.
    """

    origins: tuple[str, ...] = (ANY,)
    methods: tuple[str, ...] = METHODS
    headers: tuple[str, ...] = (ANY,)
    expose: tuple[str, ...] = ()
    max_age_s: int = MAX_AGE_S
    credentials: bool = False

    def preflight(self, origin: str | None) -> list[tuple[str, str]]:
        """The headers that answer OPTIONS for a page of `origin`."""
        pairs = self._of_origin(origin)
        if not self._allows(origin):
            return pairs
        return [
            *pairs,
            ("Access-Control-Allow-Methods", ", ".join(self.methods)),
            ("Access-Control-Allow-Headers", ", ".join(self.headers)),
            ("Access-Control-Max-Age", str(self.max_age_s)),
        ]

    def answer(self, origin: str | None) -> list[tuple[str, str]]:
        """The headers that every other answer has."""
        pairs = self._of_origin(origin)
        if self.expose and self._allows(origin):
            pairs.append(("Access-Control-Expose-Headers", ", ".join(self.expose)))
        return pairs

    def _allows(self, origin: str | None) -> bool:
        return ANY in self.origins or origin in self.origins

    def _of_origin(self, origin: str | None) -> list[tuple[str, str]]:
        if ANY in self.origins:
            return [("Access-Control-Allow-Origin", ANY)]
        if origin is None or origin not in self.origins:
            return [("Vary", "Origin")]
        pairs = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if self.credentials:
            pairs.append(("Access-Control-Allow-Credentials", "true"))
        return pairs


def cors_of(value: object) -> Cors | None:
    """What the class option says; None for False, the default.

    Raises:
        ValueError: If it says nothing that is allowed; the text is what is.
    """
    if value is False or value is None:
        return None
    if value is True:
        return Cors()
    if isinstance(value, Mapping):
        return _of_mapping(value)
    return Cors(origins=_texts(value))


def _of_mapping(value: Mapping[object, object]) -> Cors:
    given = dict(value)
    texts = {
        str(name): _texts(given.pop(name))
        for name in ("origins", "methods", "headers", "expose")
        if name in given
    }
    max_age_s, credentials = given.pop("max_age", MAX_AGE_S), given.pop("credentials", False)
    if given or isinstance(max_age_s, bool) or not isinstance(max_age_s, int) or max_age_s < 0:
        raise ValueError(ALLOWED)
    if not isinstance(credentials, bool):
        raise ValueError(ALLOWED)
    cors = msgspec.structs.replace(Cors(max_age_s=max_age_s, credentials=credentials), **texts)
    if credentials and any(ANY in named for named in (cors.origins, cors.methods, cors.headers)):
        # Browsers take `*` for a name where cookies are sent, and every site could use them.
        raise ValueError("with credentials a dict that names its origins and its headers, not '*'")
    return cors


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple | set | frozenset) and value:
        texts = (
            tuple(sorted(value, key=str)) if isinstance(value, set | frozenset) else tuple(value)
        )
        if all(isinstance(text, str) and text and text.isprintable() for text in texts):
            return texts
    raise ValueError(ALLOWED)
