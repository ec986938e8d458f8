"""What goes through the pipes to a worker process and back: a JSON document and the bytes of an array.

Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

_HEAD = struct.Struct("<II")


def write_message(pipe: BinaryIO, document: dict[str, Any], payload: bytes = b"") -> None:
    """Write one message and flush."""
    text = json.dumps(document).encode("ascii")
    pipe.write(_HEAD.pack(len(text), len(payload)) + text)
    pipe.write(payload)
    pipe.flush()


def read_message(pipe: BinaryIO) -> tuple[dict[str, Any], bytes]:
    """Read one message.

    Raises:
        EOFError: the other side is gone.
    """
    text_size, payload_size = _HEAD.unpack(_exactly(pipe, _HEAD.size))
    document: dict[str, Any] = json.loads(_exactly(pipe, text_size))
    return document, _exactly(pipe, payload_size)


def _exactly(pipe: BinaryIO, size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
