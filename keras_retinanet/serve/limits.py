"""What a server takes on, so that its memory stays bounded whatever is sent.

At most `queue` bodies of `body` bytes are held, and twice a batch of decoded pictures of `pixels`.
"""

from dataclasses import dataclass

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Bounds of a server.

    Attributes:
        body: bytes of a request.
        pixels: of a picture, counted in its header before it is decoded.
        queue: requests in work; the next one is refused.
        seconds: within which a body must have come.
        wait: seconds that a picture waits for others of its canvas.
        connections: open at a time.
    """

    body: int = 16 * MEGABYTE
    pixels: int = 40_000_000
    queue: int = 32
    seconds: float = 30.0
    wait: float = 0.005
    connections: int = 512


class Refused(Exception):
    """A request is not answered with detections.

    Attributes:
        status: of HTTP: 408 the body came too slowly, 413 too large, 415 no JPEG or PNG file,
            422 a file or a parameter that cannot be used, 503 too many requests in work.
        reason: one line: what, and what to do.
    """

    def __init__(self, status, reason):
        super().__init__(reason)
        self.status, self.reason = status, reason
