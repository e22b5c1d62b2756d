"""Pages in a browser: they show what they hold, and fetch nothing."""

from keras_retinanet.report.markup import Html, element
from keras_retinanet.report.page import page, section, table


def test_a_page_shows_its_table_in_light_and_dark(browser_page):
    browser_page.set_content(page("Fruit", section("Found", table(["class"], [["a<b"]]))))
    assert browser_page.locator("td").inner_text() == "a<b"
    grounds = []
    for scheme in ("light", "dark"):
        browser_page.emulate_media(color_scheme=scheme)
        grounds.append(browser_page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert grounds == ["rgb(246, 247, 249)", "rgb(18, 22, 28)"]


def test_a_page_with_a_picture_asks_for_nothing_from_elsewhere(browser_page):
    requests = []
    browser_page.on("request", lambda request: requests.append(request.url))
    picture = element("img", src="data:image/gif;base64,R0lGODlhAQABAAAAACw=")
    browser_page.set_content(page("Fruit", picture, Html("<p id='here'>here</p>")))
    assert browser_page.locator("#here").inner_text() == "here"
    assert all(url.startswith("data:") for url in requests)
