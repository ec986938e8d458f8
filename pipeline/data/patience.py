"""Doing what may block for minutes, such as reading from a share that went away, and giving it up in time."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class GaveUpError(Exception):
    """The work was not done in time; whoever does it is left behind."""


class _Hand:
    """A thread that does one piece of work after the other."""

    def __init__(self) -> None:
        self.work: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.done: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while (work := self.work.get()) is not None:
            try:
                self.done.put((work(), None))
            except BaseException as error:
                self.done.put((None, error))


_idle: list[_Hand] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # threads stay with the parent


def do_within(seconds: float, work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns, or raise what it raises.

    Raises:
        GaveUpError: it took longer than `seconds`.
    """
    try:
        hand = _idle.pop()
    except IndexError:
        hand = _Hand()
    hand.work.put(work)
    try:
        result, error = hand.done.get(timeout=seconds)
    except queue.Empty:
        hand.work.put(None)  # its last, should it ever come back
        raise GaveUpError from None
    _idle.append(hand)
    if error is not None:
        raise error
    return result
