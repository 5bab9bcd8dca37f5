"""A person's path through the tabs, in headless Chromium."""

import httpx
import pytest

TITLES = "Review", "Translation", "Picture", "Prices", "Text"


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 120).until(condition)


@pytest.fixture
def tab(browser, served):
    """Open the page at a tab: tab("Review") returns a function from a CSS selector to the elements that are visible."""

    def shown(selector):
        return [element for element in browser.find_elements("css selector", selector) if element.is_displayed()]

    def open_at(title, width=1300):
        browser.set_window_size(width, 900)
        browser.get(served)
        wait(browser, lambda _: [button for button in shown("button[role=tab]") if button.text == title])[0].click()
        wait(browser, lambda _: shown("button.primary"))
        return shown

    browser.get_log("browser")  # empties it
    yield open_at
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_review_is_typed_and_its_words_are_coloured(browser, tab):
    shown = tab("Review")
    shown("textarea")[0].send_keys("The plot is <b>dull</b>")
    shown("button.primary")[0].click()
    words = wait(browser, lambda _: shown(".words span"))
    assert [word.text for word in words] == ["the", "plot", "is", "<", "b", ">", "dull", "<", "/", "b", ">"]
    assert all("rgb" in word.value_of_css_property("background-color") for word in words)
    assert "probability of positive" in shown(".verdict")[0].text


def test_an_error_is_shown_as_it_is(browser, tab, tmp_path):
    shown = tab("Prices")
    (tmp_path / "mine & yours.csv").write_text("Date,Close\n2024-01-02,1\n<i>,2\n")
    (upload,) = browser.find_elements("css selector", "input[type=file]:not([accept])")
    upload.send_keys(str(tmp_path / "mine & yours.csv"))
    wait(browser, lambda _: "yours" in shown("[role=tabpanel]")[0].text)
    shown("button.primary")[0].click()
    (message,) = wait(browser, lambda _: shown(".toast-body"))
    assert "mine & yours.csv, line 3" in message.text and "<i>" in message.text


@pytest.mark.parametrize("title", ["Translation", "Picture", "Prices"])
def test_an_example_is_clicked_and_answered(browser, tab, title):
    shown = tab(title)
    shown(".gallery-item")[0].click()
    figures = wait(browser, lambda _: shown(".figure"))
    assert figures[0].size["width"] > 200 and len(figures[0].get_attribute("alt")) > 20


def test_a_text_is_typed_and_the_next_characters_are_shown(browser, tab):
    shown = tab("Text")
    shown("textarea")[0].send_keys("hello")
    wait(browser, lambda _: len(shown(".confidence-set")) == 8)
    shown("button.primary")[0].click()
    wait(browser, lambda _: len(shown("textarea")[0].get_attribute("value")) == 205)


def test_every_tab_fits_a_narrow_window_and_loads_nothing_from_elsewhere(browser, served, tab):
    shown = tab("Review", width=500)
    for title, button in zip(TITLES, shown("button[role=tab]"), strict=True):
        button.click()
        assert button.text == title
        assert browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth") <= 0, title
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len(loaded) > 10 and [address for address in loaded if not address.startswith((served, "data:"))] == []
    assert "default-src 'self'" in httpx.get(served).headers["Content-Security-Policy"]
