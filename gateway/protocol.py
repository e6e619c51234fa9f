"""HTTP/1.1 as uvicorn speaks it, with limits on headers, which its parser has none of."""

from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contracts.api import Problem

HEADERS_BYTES = 32 * 1024
"""The request line and all headers together."""
HEADERS = 100
TEXT = "The request's headers are too many or too large."


class LimitedProtocol(HttpToolsProtocol):
    """A connection that is answered 431 and closed when headers go beyond the limits."""

    _head_bytes = 0
    _in_head = False

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless a head that does not end is over the limit."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEADERS_BYTES:
                self._refuse()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """A head is whole: count it exactly."""
        self._in_head = False
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEADERS_BYTES or len(self.headers) > HEADERS:
            self._refuse()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, unless the request was refused."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole, unless it was refused."""
        if not self.transport.is_closing():
            super().on_message_complete()

    def _refuse(self) -> None:
        if self.transport.is_closing():
            return
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        body = Problem(error=TEXT, title=status.phrase, status=status, detail=TEXT)
        content = body.model_dump_json().encode()
        self.transport.write(
            b"HTTP/1.1 431 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%s" % (status.phrase.encode(), len(content), content)
        )
        self.transport.close()
