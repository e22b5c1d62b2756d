"""The page in a browser: drop, slide, filter, by mouse and by keyboard."""

import base64

import pytest

from keras_retinanet.utils.colors import label_color
from tests.predict.seeing import picture
from tests.serve.conftest import BOXES, LIMITS, encoded

FILES = """([data, name, type]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  transfer.items.add(new File([bytes], name, {type}));
  return transfer;
}"""
# whether a row of pixels around (x, y) of the picture has the colour
HAS = """([x, y, color]) => {
  const canvas = document.getElementById("canvas"), scale = canvas.width / 200;
  const wide = Math.round(5 * scale), pen = canvas.getContext("2d");
  const data = pen.getImageData((x - 2.5) * scale, y * scale, wide, 1).data;
  return [...Array(wide).keys()].some(
    place => color.every((level, channel) => data[4 * place + channel] === level));
}"""


def drop(page, content, name="a.png", kind="image/png"):
    data = base64.b64encode(content).decode("ascii")
    transfer = page.evaluate_handle(FILES, [data, name, kind])
    page.dispatch_event("#drop", "drop", {"dataTransfer": transfer})


def says(page, text):
    page.locator("#status", has_text=text).wait_for()


def rows(page):
    """Return the class names of the list of detections."""
    return page.locator("#rows tr td:first-child").all_inner_texts()


def has_line(page, name, label):
    """Return whether the left side of an object has a line in the colour of a label."""
    x1, _, _, y2 = BOXES[name]
    return page.evaluate(HAS, [x1, y2 - 10, label_color(label)[::-1]])


@pytest.fixture
def page(browser_page, served):
    browser_page.goto(served.address)
    return browser_page


def test_a_dropped_picture_shows_its_boxes_in_the_colours_of_their_classes(page, png):
    drop(page, png)
    says(page, "3 of 3 detections shown; 200 x 120 pixels")
    assert rows(page) == ["blue", "green", "red"]
    for label, name in enumerate(BOXES):
        assert has_line(page, name, label) and not has_line(page, name, label + 1)


def test_the_slider_hides_what_scores_less(page, png):
    drop(page, png)
    says(page, "3 of 3")
    page.locator("#threshold").fill("0.75")
    says(page, "2 of 3")
    assert rows(page) == ["blue", "green"]
    assert page.locator("#shown").inner_text() == "0.75"
    assert has_line(page, "green", 1) and not has_line(page, "red", 2)


def test_classes_are_filtered_and_stay_so_with_the_next_picture(page, png):
    drop(page, png)
    says(page, "3 of 3")
    page.get_by_role("checkbox", name="green").uncheck()
    says(page, "2 of 3")
    assert rows(page) == ["blue", "red"]
    drop(page, encoded(picture(120, 200, green=BOXES["green"], red=BOXES["red"])))
    says(page, "1 of 2")
    assert rows(page) == ["red"]
    page.get_by_role("button", name="None").click()
    says(page, "0 of 2")
    page.get_by_role("button", name="All").click()
    says(page, "2 of 2")


def test_the_keyboard_reaches_everything(page, png):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"  # whose chooser is the browser's
    file = {"name": "a.png", "mimeType": "image/png", "buffer": png}
    page.locator("#file").set_input_files([file])
    says(page, "3 of 3")
    page.keyboard.press("Tab")
    for _ in range(21):  # from 0.50 to 0.71
        page.keyboard.press("ArrowRight")
    says(page, "2 of 3")
    for _ in range(3):  # All, None, the first class
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    says(page, "1 of 3")
    assert page.evaluate("document.activeElement.dataset.name") == "blue"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no picture", "not JPEG or PNG"), (bytes(LIMITS.body + 1), "more than 0.1 MiB")],
    ids=["text", "long"],
)
def test_what_is_refused_is_told_on_the_page(page, png, content, reason):
    drop(page, png)
    says(page, "3 of 3")
    drop(page, content)
    says(page, reason)
    assert rows(page) == [] and page.locator("#status.bad").count() == 1


def test_the_page_fits_a_phone_and_has_a_dark_side(page, png):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme="dark")
    drop(page, png)
    says(page, "3 of 3")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(18, 22, 28)"
