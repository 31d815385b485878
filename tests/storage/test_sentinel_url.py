"""The URL of a primary behind Sentinels: what it may say, and what of it shows."""

from __future__ import annotations

import pytest
from parlour.storage.redis_socket import ServerNotReady
from parlour.storage.redis_url import RedisUrl
from parlour.storage.sentinels import Answer, choose
from parlour.storage.server_errors import (
    CommandFailed,
    InvalidServerUrl,
    ServerRefused,
    UnknownService,
)

HOSTS = (("s1", 26379), ("::1", 26380), ("s3", 7))
OLD, NEW = ("10.0.0.1", 6379), ("10.0.0.2", 6379)


def test_every_part_of_the_url_is_read() -> None:
    """Those of the servers and those of the Sentinels are told apart."""
    url = RedisUrl.parse(
        "redis+sentinel://us%40er:p%2Fw@s1,[::1]:26380,s3:7/my%20rooms/3"
        "?sentinel_username=watcher&sentinel_password=s%26cret"
    )
    assert url.sentinels is not None
    assert (url.sentinels.addresses, url.sentinels.service) == (HOSTS, "my rooms")
    assert (url.username, url.password, url.database) == ("us@er", "p/w", 3)
    primary, sentinel = url.at(*NEW), url.of_sentinel(("s3", 7))
    assert (primary.host, primary.password, primary.database) == (NEW[0], "p/w", 3)
    assert primary.sentinels is None
    assert (sentinel.host, sentinel.port, sentinel.database) == ("s3", 7, 0)
    assert (sentinel.username, sentinel.password) == ("watcher", "s&cret")


def test_no_password_shows() -> None:
    """Neither the servers' nor the Sentinels'."""
    url = RedisUrl.parse("redis+sentinel://u:pw1@s1,s2:7/rooms/3?sentinel_password=pw2")
    assert str(url) == "redis+sentinel://s1:26379,s2:7/rooms/3"
    assert "pw1" not in repr(url)
    assert "pw2" not in repr(url)


def test_tls_is_the_servers_and_on_request_the_sentinels() -> None:
    """`rediss+sentinel` alone leaves the Sentinels plain, as they usually are."""
    url = RedisUrl.parse("rediss+sentinel://s1/rooms?ssl_check_hostname=false")
    assert url.at(*NEW).tls is not None
    assert url.of_sentinel(("s1", 26379)).tls is None
    url = RedisUrl.parse("rediss+sentinel://s1/rooms?sentinel_ssl=true")
    assert url.of_sentinel(("s1", 26379)).tls is url.tls
    assert str(url) == "rediss+sentinel://s1:26379/rooms"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis+sentinel://s1,s2", "names no service"),
        ("redis+sentinel:///rooms", "names no Sentinel"),
        ("redis+sentinel://s1:port/rooms", "names the Sentinel 's1:port'; give host:port"),
        ("redis+sentinel://s1:70000/rooms", "names the Sentinel 's1:70000'"),
        ("redis+sentinel://s1/rooms?sentinel_pasword=x", "option 'sentinel_pasword', which"),
        ("redis+sentinel://s1/rooms?ssl_ca_certs=x", "option 'ssl_ca_certs', which"),
        ("redis+sentinel://s1/rooms?sentinel_ssl=true", "no rediss.sentinel"),
        ("rediss+sentinel://s1/rooms?sentinel_ssl=1", "sentinel_ssl='1', allowed are"),
        ("redis+sentinel://s1/rooms/zero", "database 'zero'"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str, problem: str) -> None:
    """Each refusal says what is wrong, and none passes over what is misspelt."""
    with pytest.raises(InvalidServerUrl, match=problem):
        RedisUrl.parse(url)


def _choose(*answers: Answer) -> tuple[str, int]:
    url = RedisUrl.parse("redis+sentinel://s1,[::1]:26380,s3:7/rooms")
    assert url.sentinels is not None
    return choose(answers, url.sentinels, str(url))


def test_the_majority_is_believed() -> None:
    """A Sentinel that is cut off with the old primary goes on naming it."""
    old, new, also_new = (
        Answer(at, named) for at, named in zip(HOSTS, (OLD, NEW, NEW), strict=True)
    )
    silent = Answer(HOSTS[2], problem=ConnectionRefusedError("refused"))
    unaware = Answer(HOSTS[2], services=("other",))
    assert _choose(old, new, also_new) == NEW
    assert _choose(new, silent) == NEW
    assert _choose(old, unaware) == OLD


def test_what_no_sentinel_tells_is_an_error_that_says_why() -> None:
    """Silence passes, a wrong name and a wrong password do not."""
    silent = [Answer(at, problem=ConnectionRefusedError("refused")) for at in HOSTS]
    with pytest.raises(
        ServerNotReady, match=r"none of its 3 .*s1:26379: refused; \[::1\]:26380: r"
    ):
        _choose(*silent)
    with pytest.raises(UnknownService, match="no service 'rooms', but 'a', 'b'; give the name"):
        _choose(silent[0], Answer(HOSTS[1], services=("b",)), Answer(HOSTS[2], services=("a",)))
    refused = [Answer(at, problem=ServerRefused("s", "WRONGPASS")) for at in HOSTS]
    with pytest.raises(ServerRefused, match="WRONGPASS; look at sentinel_username"):
        _choose(*refused)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("READONLY You can't write against a read only replica. script: f", "READONLY"),
        (
            "ERR Error running script (call to f_1): @user_script:38: @user_script: 38: "
            "-READONLY You can't write against a read only replica.",
            "READONLY",
        ),
        ("ERR Error running script (call to f_1): @user_script:1: attempt to index", "ERR"),
        ("ERR unknown command", "ERR"),
    ],
)
def test_a_refusal_inside_a_script_has_its_code(text: str, code: str) -> None:
    """Also where it comes as Redis 6.2 says it: a demoted primary must be known as one."""
    assert CommandFailed(text).code == code
