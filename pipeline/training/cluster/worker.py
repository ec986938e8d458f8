"""One process of a group: a Ray actor that works in a thread, and its line to the launcher.

    launcher (`launch`)                      worker 0 ... n - 1
    exchange(asked, replies) ------------->  Line: hears the wish to stop, gets its replies
                             <-- events ---  Line: tells and asks

Imports neither Ray nor Keras: Keras's backend is chosen before it is loaded.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import user_errors
from pipeline.training.cluster.group import join_group

WAIT_SECONDS = 0.5  # that an exchange waits for something to tell
Event = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Seat:
    """A process's place in its group.

    Attributes:
        meeting: HOST:PORT at which all meet.
        beside: how many of them are on its machine.
    """

    rank: int
    count: int
    meeting: str
    beside: int


class Line:
    """A worker's way to its launcher.

    Attributes:
        asked: whether the launcher wants the training to stop.
    """

    def __init__(self) -> None:
        self.asked = False
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def tell(self, kind: str, *values: Any) -> None:
        """Tell the launcher something, and go on."""
        self._events.put((kind, values))

    def ask(self, kind: str, *values: Any) -> Any:
        """Tell the launcher something, and wait until it has dealt with it; return what it says."""
        self.tell(kind, *values)
        return self._replies.get()

    def exchange(self, asked: bool, replies: Sequence[Any]) -> list[Event]:
        """Hear the launcher's wish and its replies; return what there is to tell, after a while nothing."""
        self.asked |= asked
        for reply in replies:
            self._replies.put(reply)
        events = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=WAIT_SECONDS))
            while True:
                events.append(self._events.get_nowait())
        return events


class Worker:
    """The actor: it works in a thread, so that it can be talked to meanwhile."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        self._line = Line()

    def place(self) -> tuple[str, int]:
        """Return this machine's address and a port that is free."""
        import ray

        address = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((address, 0))
            return address, int(probe.getsockname()[1])

    def sees(self, path: Path, word: str) -> bool:
        """Whether the file `path` is here and holds `word`."""
        return path.is_file() and path.read_text() == word

    def begin(self, duty: Callable[..., Any], seat: Seat, *arguments: Any) -> None:
        """Begin `duty(share, line, *arguments)` as one process of a group."""

        def run() -> None:
            try:
                share = join_group(seat.rank, seat.count, seat.meeting, beside=seat.beside)
                result = duty(share, self._line, *arguments)
            except BaseException as error:
                self._line.tell("failed", _portable(error))
            else:
                self._line.tell("ended", result)

        threading.Thread(target=run, name="work", daemon=True).start()

    def exchange(self, asked: bool, replies: Sequence[Any]) -> list[Event]:
        """See `Line.exchange`."""
        return self._line.exchange(asked, replies)


def _portable(error: BaseException) -> BaseException:
    """Return an error that the launcher can read without JAX, with its traceback as a note."""
    known = (*user_errors(), OSError, MemoryError)
    told = error if isinstance(error, known) else RuntimeError(f"{type(error).__name__}: {error}")
    told.add_note("".join(traceback.format_exception(error)))
    return told
