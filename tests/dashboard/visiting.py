"""Pages asked for as a browser asks: over the server's websocket, scripts run to their end, nothing drawn."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

SECONDS = 120.0  # the longest that a page may take on a busy machine


class PageFailedError(Exception):
    """A page's script did not come to its end."""


class Visitor:
    """One session of the dashboard, as a tab of a browser has one."""

    def __init__(self, address: str) -> None:
        stream = address.replace("http", "ws", 1) + "/_stcore/stream"
        self._open = ExitStack()
        self._socket: Any = self._open.enter_context(
            connect(stream, subprotocols=["streamlit"], max_size=None)  # type: ignore[list-item]
        )

    def open(self, page: str, **query: str) -> str:
        """Open a page, `predict` for example; return the HTML that it shows.

        Raises:
            PageFailedError: its script broke off.
        """
        asked = BackMsg()
        asked.rerun_script.query_string = urlencode(query)
        asked.rerun_script.page_name = page
        self._socket.send(asked.SerializeToString())
        shown: list[str] = []
        while True:
            message = ForwardMsg.FromString(self._socket.recv(SECONDS))
            kind = message.WhichOneof("type")
            if kind == "delta" and message.delta.new_element.WhichOneof("type") == "html":
                shown.append(message.delta.new_element.html.body)
            elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                if message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
                    raise PageFailedError(f"{page} ended with status {message.script_finished}.")
                return "\n".join(shown)

    def close(self) -> None:
        """Close the tab."""
        self._open.close()
