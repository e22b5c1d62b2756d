"""A page in a headless Chromium, for tests of what a browser shows.

`conftest.py` offers the fixtures to all tests. They skip where there is no Chromium; CHROMIUM
names one that is not on the PATH.
"""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--disable-dev-shm-usage",
)
POLICY = "Content Security Policy"  # what Chromium's messages of a refused request name


def chromium_path():
    """Return the path of a Chromium, or None."""
    found = (shutil.which(name) for name in (os.environ.get("CHROMIUM", ""), *NAMES) if name)
    return next((path for path in found if path), None)


@pytest.fixture(scope="module")
def browser():
    """Return a running Chromium, as Playwright's `Browser`, or skip."""
    path = chromium_path()
    if path is None:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is on the PATH, nor CHROMIUM set")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture
def browser_page(browser):
    """Return an empty page, as Playwright's `Page`, 1280 x 800, light.

    Afterwards the test fails where a script of the page raised, or its policy refused something.
    """
    faults = []
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda line: POLICY in line.text and faults.append(line.text))
    yield page
    context.close()
    assert not faults


def opened(page, path, text):
    """Write `text` to `path` and open it in `page`; return the list that its errors go to."""
    path.write_text(text, encoding="utf-8")
    faults = []
    page.on("console", lambda line: line.type == "error" and faults.append(line.text))
    page.goto(path.as_uri())
    return faults
