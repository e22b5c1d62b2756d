"""A server on a port: full, slow and vanishing clients, and its end."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keras_retinanet.serve import server as module
from keras_retinanet.serve.server import address_of, bound_socket, is_loopback
from tests.serve.conftest import LIMITS, until

ROOT = Path(__file__).parents[2]


def get(served, path="/health"):
    with urllib.request.urlopen(served.address + path, timeout=30) as reply:
        return reply.status, json.loads(reply.read())


def post(served, content):
    """Return (status, content, headers) of an answer."""
    request = urllib.request.Request(f"{served.address}/detect", content)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.loads(reply.read()), reply.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), error.headers


def connected(served, text=b""):
    client = socket.create_connection(("127.0.0.1", served.port), 30)
    client.sendall(text)
    return client


def head(length):
    return f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


def in_work(served):
    return get(served)[1]["in_work"]


def test_a_full_queue_refuses_with_503_and_answers_those_inside(served, png):
    served.runtime.gate.clear()
    with ThreadPoolExecutor(LIMITS.queue) as pool:
        waiting = [pool.submit(post, served, png) for _ in range(LIMITS.queue)]
        until(lambda: in_work(served) == LIMITS.queue)
        status, content, headers = post(served, png)
        served.runtime.gate.set()
        assert [future.result()[0] for future in waiting] == [200] * LIMITS.queue
    assert (status, headers["Retry-After"]) == (503, "1")
    assert content == {"error": "4 requests are in work already; ask again later"}
    assert in_work(served) == 0


def test_requests_that_come_together_share_batches(served, png):
    served.runtime.gate.clear()
    first = len(served.runtime.batches)
    with ThreadPoolExecutor(LIMITS.queue) as pool:
        waiting = [pool.submit(post, served, png) for _ in range(LIMITS.queue)]
        until(lambda: in_work(served) == LIMITS.queue)
        served.runtime.gate.set()
        answers = [future.result() for future in waiting]
    sizes = [shape[0] for shape in served.runtime.batches[first:]]
    assert sum(sizes) == LIMITS.queue and 2 in sizes
    assert all(content == answers[0][1] for _, content, _ in answers)


def test_a_body_that_comes_too_slowly_is_refused_and_leaves_its_place(served):
    with connected(served, head(1000) + b"\x89PNG") as client:
        until(lambda: in_work(served) == 1)
        client.settimeout(30)
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    until(lambda: in_work(served) == 0)


@pytest.mark.parametrize("part", [b"", b"\x89PNG"], ids=["before its body", "inside its body"])
def test_a_client_that_vanishes_leaves_its_place(served, png, part):
    for _ in range(3):
        connected(served, head(1000) + part).close()
    until(lambda: in_work(served) == 0)
    assert post(served, png)[0] == 200


def test_a_client_that_vanishes_while_it_waits_leaves_its_place(served, png):
    served.runtime.gate.clear()
    clients = [connected(served, head(len(png)) + png) for _ in range(LIMITS.queue)]
    until(lambda: in_work(served) == LIMITS.queue)
    for client in clients:
        client.close()
    served.runtime.gate.set()
    until(lambda: in_work(served) == 0)
    assert post(served, png)[0] == 200


def test_a_body_without_end_is_refused_before_it_fills_memory(served, png):
    text = b"POST /detect HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected(served, text) as client:
        sent, piece = 0, b"%x\r\n%s\r\n" % (LIMITS.body, bytes(LIMITS.body))
        with pytest.raises(OSError):
            for _ in range(1000):
                client.sendall(piece)
                sent += 1
        assert sent < 1000  # the server hung up
    assert post(served, png)[0] == 200


def test_what_is_not_http_is_refused(served, png):
    with connected(served, b"\x16\x03\x01 hello\r\n\r\n") as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 400")
    assert post(served, png)[0] == 200


def test_a_connection_that_sends_no_request_is_closed(served, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    for text in (b"", b"POST /detect HTT"):
        with connected(served, text) as client:
            client.settimeout(30)
            assert client.recv(4096) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_once_what_is_in_work_is_answered(number):
    words = [sys.executable, "-m", "tests.serve.stopped_server", str(int(number))]
    done = subprocess.run(words, timeout=120, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_taken_port_and_a_foreign_address_are_named():
    with bound_socket("127.0.0.1", 0) as bound:
        assert is_loopback(bound)
        bound.listen()
        port = bound.getsockname()[1]
        assert address_of(bound) == f"http://127.0.0.1:{port}"
        with pytest.raises(ValueError, match=f"127.0.0.1, port {port}: Address already in use"):
            bound_socket("127.0.0.1", port)
    with pytest.raises(ValueError, match="192.0.2.1, port 0: Cannot assign"):
        bound_socket("192.0.2.1", 0)
    with bound_socket("0.0.0.0", 0) as everywhere:
        assert not is_loopback(everywhere)
