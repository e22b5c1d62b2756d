"""The picture file in a request: a raw body, or the first file of a multipart form."""

import asyncio
import contextlib

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from keras_retinanet.serve.limits import MEGABYTE, Refused

MAX_FIELDS = 16  # of a form
DRAIN_SECONDS, DRAIN_BODIES = 5.0, 4  # what is taken in and dropped after a refusal


class Upload(Request):
    """A request whose body is never longer than `Limits.body`, however it is read."""

    def __init__(self, request, limits):
        super().__init__(request.scope, self._received)
        self._source, self._limits, self._is_read = request.receive, limits, False

    async def _received(self):
        message = await self._source()
        self._is_read = self._is_read or not message.get("more_body", False)
        return message

    async def stream(self):
        """Yield the body in pieces.

        Raises:
            Refused: 413.
        """
        length = self.headers.get("content-length", "")
        if length.isdigit():
            self._refuse_large(int(length))
        seen = 0
        async for piece in super().stream():
            seen += len(piece)
            self._refuse_large(seen)
            yield piece

    def _refuse_large(self, count):
        limit = self._limits.body
        if count > limit:
            raise Refused(
                413, f"the body has more than {limit / MEGABYTE:g} MiB; send a smaller one"
            )

    async def drain(self):
        """Drop what is still coming, within limits: a client that sends would not see an answer."""
        dropped = 0
        with contextlib.suppress(TimeoutError, ClientDisconnect):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._is_read and dropped <= DRAIN_BODIES * self._limits.body:
                    dropped += len((await self._received()).get("body", b""))


async def read_file(upload, seconds):
    """Return the bytes of the picture file in an `Upload`.

    Args:
        seconds: within which it must have come.

    Raises:
        Refused: 408, 413, 422.
        ClientDisconnect: whoever sent it is gone.
    """
    is_form = upload.headers.get("content-type", "").lower().startswith("multipart/form-data")
    try:
        async with asyncio.timeout(seconds):
            content = await (_of_form(upload) if is_form else upload.body())
    except TimeoutError:
        raise Refused(408, f"the body did not come within {seconds:g} seconds") from None
    if not content:
        raise Refused(422, "there is no picture in the body; send a JPEG or PNG file")
    return content


async def _of_form(upload):
    try:
        async with upload.form(max_files=1, max_fields=MAX_FIELDS) as form:
            files = [value for value in form.values() if isinstance(value, UploadFile)]
            return await files[0].read() if files else b""
    except HTTPException as error:
        raise Refused(422, f"the form cannot be read ({error.detail}); send one file") from error
