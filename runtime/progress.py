"""What a person sees while something takes its time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import click

REMINDER_S = 5.0  # a step that takes longer says so, again and again


@contextlib.contextmanager
def progress(step: str) -> Iterator[None]:
    """Say what is being done, and every `REMINDER_S` seconds that it still is."""
    started_s = time.monotonic()
    done = threading.Event()

    def remind() -> None:
        while not done.wait(REMINDER_S):
            click.echo(f"  still {step} ({time.monotonic() - started_s:.0f} s)")

    click.echo(f"- {step}")
    reminder = threading.Thread(target=remind, daemon=True)
    reminder.start()
    try:
        yield
    finally:
        done.set()
        reminder.join()
