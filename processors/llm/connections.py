"""Connections for hundreds of long calls at a time.

For each request that starts or ends, httpcore's pool checks every connection, and every idle one for each idle one:
with 200 calls of a second in flight that is 20 ms of CPU per call (httpx 0.28, httpcore 1.0), too much for one core.
Here idle connections, also httpcore's, lie on a stack, and a call takes the last one.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpcore
import httpx

_KEEPALIVE_S = 30.0
_FAILURES = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.UnsupportedProtocol,
)


class OneConnectionEach(httpx.AsyncBaseTransport):
    """As many connections to one host as there are calls in flight; the caller bounds these."""

    def __init__(self) -> None:
        self._context = httpx.create_ssl_context()
        self._idle: list[httpcore.AsyncHTTPConnection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, as httpx requires."""
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        asked = httpcore.Request(
            request.method, target, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        with _errors_of_httpx():
            connection = await self._connection(target.origin)
            response = await connection.handle_async_request(asked)  # closes the connection if it fails
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Lent(response, connection, self._idle),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the idle connections. One in use is closed when its call is cancelled."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _connection(self, origin: httpcore.Origin) -> httpcore.AsyncHTTPConnection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.has_expired():  # also true if the server has closed it
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(origin, ssl_context=self._context, keepalive_expiry=_KEEPALIVE_S)


class _Lent(httpx.AsyncByteStream):
    """A response's bytes; at their end the connection becomes idle again."""

    def __init__(
        self,
        response: httpcore.Response,
        connection: httpcore.AsyncHTTPConnection,
        idle: list[httpcore.AsyncHTTPConnection],
    ) -> None:
        self._response = response
        self._connection = connection
        self._idle = idle
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_of_httpx():
            async for part in self._response.aiter_stream():
                yield part

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            await self._response.aclose()
            if self._connection.is_available():  # else the reply was not read to its end, and the connection is closed
                self._idle.append(self._connection)


@contextmanager
def _errors_of_httpx() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise getattr(httpx, type(error).__name__)(str(error)) from error
