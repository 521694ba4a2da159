"""Waiting without sleeping: conditions are polled until a deadline, and what was seen last is told."""

import time


def eventually(condition, seconds=30, what=None):
    """The first truthy value of condition(); exceptions count as "not yet". Fails after the deadline."""
    deadline = time.monotonic() + seconds
    pause = 0.02
    while True:
        try:
            value = condition()
            seen = repr(value)
        except Exception as error:  # noqa: any failure of a look is a reason to look again
            value, seen = None, f"{type(error).__name__}: {error}"
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition.__name__}; last seen: {seen[:2000]}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.3)


def stays(condition, seconds, what=None):
    """condition() holds now and until `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            raise AssertionError(f"did not stay so for {seconds} s: {what or condition.__name__}")
        time.sleep(0.1)
