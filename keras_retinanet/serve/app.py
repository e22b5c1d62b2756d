"""The ASGI application: routes, and refusals as JSON."""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from keras_retinanet.serve import metrics
from keras_retinanet.serve.limits import Limits, Refused
from keras_retinanet.serve.page import demo_page, policy
from keras_retinanet.serve.service import Service
from keras_retinanet.serve.uploads import Upload

GONE = 499  # what proxies log where nobody is left to answer
RETRY_AFTER = {503: {"Retry-After": "1"}}  # seconds


def make_app(detector, thresholds, limits=None, title="RetinaNet"):
    """Return an application that detects with a `Detector`.

    Args:
        detector: its lowest threshold is the lowest that a request may ask for.
        thresholds: [K], of each label, where a request names none.
        limits: `Limits`.
        title: of the page.

    Raises:
        ValueError: the model is for other pictures than JPEG and PNG files hold.
    """
    service = Service(detector, thresholds, limits or Limits())
    shown = demo_page(title, service)
    headers = {"Content-Security-Policy": policy(), "X-Content-Type-Options": "nosniff"}

    async def page(request):
        return HTMLResponse(shown, headers=headers)

    async def detect(request):
        upload = Upload(request, service.limits)
        try:
            answer = JSONResponse(await service.answer(upload))
        except Refused as refused:
            if refused.status != 408:  # who was slow would be waited for again
                await upload.drain()
            answer = _refusal(refused.status, refused.reason)
        except ClientDisconnect:
            answer = Response(status_code=GONE)
        except Exception:
            service.metrics.requests.labels("500").inc()
            raise
        service.metrics.requests.labels(str(answer.status_code)).inc()
        return answer

    async def health(request):
        known = {"model": title, "classes": list(detector.classes), "in_work": service.in_work}
        return JSONResponse({"status": "ok", **known})

    async def numbers(request):
        return Response(service.metrics.text(), media_type=metrics.CONTENT_TYPE)

    return Starlette(
        routes=[
            Route("/", page),
            Route("/detect", detect, methods=["POST"]),
            Route("/health", health),
            Route("/metrics", numbers),
        ],
        exception_handlers={HTTPException: _of_http, Exception: _of_fault},
        lifespan=_lifespan(service),
    )


def _refusal(status, reason):
    headers = {"Connection": "close", **RETRY_AFTER.get(status, {})}
    return JSONResponse({"error": reason}, status, headers)


async def _of_http(request, error):
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _of_fault(request, error):
    return JSONResponse({"error": "the server failed; its log says why"}, 500)


def _lifespan(service):
    """Return a context in which the service works."""

    @contextlib.asynccontextmanager
    async def lifespan(app):
        work = asyncio.create_task(service.work())
        try:
            yield
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work

    return lifespan
