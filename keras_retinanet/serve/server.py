"""An ASGI application on a port, until SIGTERM or SIGINT."""

import contextlib
import ipaddress
import signal
import socket
import threading

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

GRACE = 30  # seconds that requests in work have at the end
PATIENCE = 10.0  # seconds between looks at silent connections; the second look closes them


def bound_socket(host, port):
    """Return a socket bound to an address; it listens once the server runs.

    Raises:
        ValueError: that is not possible; the message names the address.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind)
    except OSError as error:
        raise ValueError(f"{host}: {error.strerror}; name an address of this machine") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ValueError(f"{host}, port {port}: {error.strerror}; choose another") from error
    return bound


def address_of(bound):
    """Return the address of a bound socket as browsers take it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(bound):
    """Return whether only this machine reaches a bound socket."""
    return ipaddress.ip_address(bound.getsockname()[0].partition("%")[0]).is_loopback


class _Protocol(H11Protocol):
    """uvicorn's, less connections that send no request: it would hold them for ever."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self._look(None)

    def _look(self, last):
        """Close the connection if it waits for the same request as a look ago."""
        waits = self.cycle is None or self.cycle.response_complete
        now = (self.cycle,) if waits else None
        if now is not None and now == last:
            self.transport.close()
            return
        self._timer = self.loop.call_later(PATIENCE, self._look, now)

    def connection_lost(self, exc):
        self._timer.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """uvicorn's, which says when it listens, and ends well where a signal stops it."""

    def __init__(self, config, ready):
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self):
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = {each: signal.signal(each, self.handle_exit) for each in signals}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def make_server(app, connections, ready=lambda: None):
    """Return a server for `run(sockets=[…])`; its `should_exit` stops it, as signals do.

    Args:
        app: ASGI application.
        connections: open at a time; more are answered with 503.
        ready: called once it listens.
    """
    config = uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=connections,
        timeout_graceful_shutdown=GRACE,
    )
    return _Server(config, ready)
