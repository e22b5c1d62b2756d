"""Detection over HTTP: `make_app` is an ASGI application around a `Detector`.

It needs the extra `serve`; the modules here that import it are imported late.
"""

import importlib.util

NEEDED = ("starlette", "uvicorn", "python_multipart", "prometheus_client")


def check_installed():
    """Raise ValueError where what the extra `serve` installs is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"serving needs {', '.join(missing)}, which is not installed; install the extra "
            'serve in a checkout: pip install -e ".[serve]"'
        )
