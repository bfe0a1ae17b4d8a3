"""HTTP/1.1 by uvicorn, with an end to requests whose first lines do not come: uvicorn waits for them for ever."""

import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def protocol(seconds):
    """Args: seconds: that a client may take for a request's first line and headers. Returns: class for uvicorn.Config(http=...)."""

    class Protocol(H11Protocol):
        _timer = None

        def connection_made(self, transport):
            super().connection_made(transport)
            self._watch()

        def connection_lost(self, exc):
            self._unwatch()
            super().connection_lost(exc)

        def data_received(self, data):
            super().data_received(data)
            self._watch()

        def on_response_complete(self):
            super().on_response_complete()
            self._unwatch()  # between two requests uvicorn's own timer runs
            if self.conn.trailing_data[0]:
                self._watch()

        def _watch(self):
            waits = self.conn.their_state is h11.IDLE
            if waits and self._timer is None and not self.transport.is_closing():
                self._timer = self.loop.call_later(seconds, self._too_late)
            elif not waits:
                self._unwatch()

        def _unwatch(self):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _too_late(self):
            self._timer = None
            if not self.transport.is_closing() and self.conn.their_state is h11.IDLE:
                self.transport.write(_response(408, "Request Timeout", f"the request's headers did not come within {seconds:g} seconds"))
                self.transport.close()

        def send_400_response(self, msg):
            self.transport.write(_response(400, "Bad Request", msg))
            self.transport.close()

    return Protocol


def _response(status, reason, message):
    body = json.dumps({"error": message}).encode()
    head = f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    return head.encode("ascii") + body
