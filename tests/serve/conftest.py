"""A detector that sees rectangles behind an application, in process and on a port."""

import threading
import time
from types import SimpleNamespace

import cv2
import pytest

from keras_retinanet.predict import Detector
from keras_retinanet.predict import detector as detector_module
from keras_retinanet.serve.limits import Limits
from keras_retinanet.utils.profile import Profile
from tests.predict.seeing import NAMES, Seeing, picture

PROFILE = Profile(classes=NAMES, image_min_side=150, image_max_side=260)
BOXES = {"blue": (10, 20, 60, 70), "green": (100, 30, 190, 110), "red": (30, 60, 80, 118)}
LIMITS = Limits(body=100_000, pixels=1_000_000, queue=4, seconds=1.0)


class Held(Seeing):
    """A runtime that waits while its gate is closed."""

    def __init__(self, profile):
        super().__init__(profile)
        self.gate = threading.Event()
        self.gate.set()

    def detect(self, levels, sizes):
        self.gate.wait(30)
        return super().detect(levels, sizes)


def make(thresholds=(0.5, 0.5, 0.5), limits=LIMITS, profile=PROFILE, **options):
    """Return (application, runtime)."""
    from keras_retinanet.serve.app import make_app

    runtime = Held(profile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector_module, "open_runtime", lambda *arguments: runtime)
        detector = Detector("model", **{"threshold": 0.05, **options})
    return make_app(detector, thresholds, limits, "Rectangles"), runtime


def encoded(image, suffix=".png"):
    """Return the bytes of a picture's file."""
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.fixture(scope="session")
def png():
    """Return the bytes of a picture of 200 x 120 with `BOXES`."""
    return encoded(picture(120, 200, **BOXES))


@pytest.fixture(scope="module")
def client():
    """Return a client of an application in this process."""
    from starlette.testclient import TestClient

    with TestClient(make()[0], raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def served():
    """Return the address, port and runtime of a server in a thread."""
    from keras_retinanet.serve.server import address_of, bound_socket, make_server

    app, runtime = make(batch_size=2)
    bound, listens = bound_socket("127.0.0.1", 0), threading.Event()
    server = make_server(app, LIMITS.connections, listens.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    assert listens.wait(30)
    port = bound.getsockname()[1]
    yield SimpleNamespace(address=address_of(bound), port=port, runtime=runtime, server=server)
    runtime.gate.set()
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def until(condition, seconds=10):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
