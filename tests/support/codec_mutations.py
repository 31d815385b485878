"""Damage real encoded values and decode them: `python -m tests.support.codec_mutations COUNT SEED`.

A process of its own, so that its peak of memory is that of decoding. Prints one line of JSON.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from parlour.storage.codec import decode, encode
from parlour.storage.errors import DecodeError

from .storable_values import PATTERNS, difference, stranger

# What damage at random would seldom hit upon: opcodes, memo slots, lengths that are far too long.
_SPLICES = [
    *(
        bytes([opcode])
        for opcode in b"()]}aestuN0R1hjKJ.\x85\x86\x87\x8f\x90\x91\x94\x95\x96\x8a\x8b"
    ),
    b"h\x00",
    b"h\x01",
    b"h\x02",
    b"h\x05",
    b"r\xff\xff\xff\x7f",
    b"\x93",
    b"c",
    b"b",
    b"\x81",
    b"\xff\xff\xff\x7f",
    b"\xff" * 8,
    b"\x96" + b"\x00\x00\x00\x00\x01\x00\x00\x00",
    b"\x8b\xff\xff\xff\xff",
    b"X\xff\xff\xff\xff",
    b"\x8a\xff",
    b"\x07",
    b"\x08",
]


def main(count: int, seed: int) -> None:
    """Decode `count` damaged values and report what became of them."""
    dice = random.Random(seed)
    corpus = [encode(value) for value in _values()]
    for data in corpus:
        decode(data)
    memory_before = _peak_memory_bytes()
    decoded = refused = 0
    slowest_s = 0.0
    wrong: list[str] = []
    for _ in range(count):
        data = _damaged(dice, corpus)
        started_s = time.process_time()
        try:
            value = decode(data)
        except DecodeError:
            refused += 1
        except Exception as error:
            wrong.append(f"{data.hex()[:2000]}: {error!r}")
        else:
            decoded += 1
            if problem := stranger(value) or difference(value, decode(encode(value))):
                wrong.append(f"{data.hex()[:2000]}: {problem}")
        slowest_s = max(slowest_s, time.process_time() - started_s)
    print(
        json.dumps(
            {
                "decoded": decoded,
                "refused": refused,
                "wrong": wrong[:5],
                "slowest_s": slowest_s,
                "memory_bytes": _peak_memory_bytes() - memory_before,
            }
        )
    )


def _values() -> list[Any]:
    """At least one of everything, alone, nested, shared and in cycles."""
    berlin = ZoneInfo("Europe/Berlin")
    moment = datetime(2026, 11, 23, 15, 4, 5, 678, tzinfo=berlin)
    loop: list[Any] = [1, {"a": (2, 3)}]
    loop += [loop, (loop, loop), frozenset([(1, "x"), 2.5])]
    error = ValueError("text", loop)
    error.args = ("text", error)
    singles: list[Any] = [
        None,
        True,
        5,
        -1,
        2**70,
        -(2**3000),
        1.5,
        float("nan"),
        "hé",
        "\ud800",
        b"\x00\xff",
        bytearray(b"abc"),
        date(2026, 11, 23),
        time_of_day(1, 2, 3, 4, fold=1),
        moment,
        datetime(2026, 1, 1),
        timedelta(days=-1, microseconds=1),
        UTC,
        timezone(timedelta(hours=2), "home"),
        Decimal("-1.50E+7"),
        Decimal("sNaN12"),
        UUID(int=2**99),
        *PATTERNS,
        error,
        OSError(2, "gone", "file"),
        StopIteration(1),
        UnicodeDecodeError("utf-8", b"\xff\xfe", 0, 1, "bad"),
        SyntaxError("m", ("f", 1, 2, "t")),
        ExceptionGroup("both", [KeyError(1), ValueError(2)]),
    ]
    return [
        *singles,
        singles,
        loop,
        {"messages": [{"author": "ann", "n": n} for n in range(200)]},
        {(n, str(n)): {n, n + 1} for n in range(100)},
        [moment + timedelta(n) for n in range(50)],
        [bytes(70_000), "x" * 70_000, [*range(3_000)]],
    ]


def _damaged(dice: random.Random, corpus: list[bytes]) -> bytes:
    data = bytearray(dice.choice(corpus))
    for _ in range(dice.choice((1, 1, 2, 3, 8))):
        at = dice.randrange(len(data) + 1)
        if len(data) > 60_000 and dice.random() < 0.8:
            # Damage in the middle of a long text would only ever change the text.
            at = dice.choice((dice.randrange(30), len(data) - dice.randrange(9_000)))
        kind = dice.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = dice.randrange(256)
        elif kind == 2:
            data[at:at] = dice.choice(_SPLICES)
        elif kind == 3:
            del data[at : at + dice.choice((1, 1, 2, 8, 100))]
        elif kind == 4:
            other = dice.choice(corpus)[:300]
            start = dice.randrange(len(other))
            data[at : at + dice.choice((0, 5))] = other[start : start + dice.randrange(40)]
        elif dice.random() < 0.3:
            del data[at:]
    return bytes(data)


def _peak_memory_bytes() -> int:
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
