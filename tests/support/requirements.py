"""What a test needs from the machine: absent, it is skipped on a laptop and fails in CI.

A run in CI (the variable `CI` is set) that skipped would be green without having shown anything.
"""

import os

import pytest


def require(present: object, reason: str) -> None:
    """Skip the running test, or fail it in CI, unless `present` is true.

    `reason` names what is missing and how to get it: "chromium is not installed (apt-get
    install chromium chromium-driver)".
    """
    if present:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI must have it (see .ci/run)", pytrace=False)
    pytest.skip(reason)
