"""The page of a report in a real browser: what moves, what it asks for, what it says to those who cannot see it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gmvae.data import Dataset
from gmvae.data.dataset import Ids
from gmvae.estimator import GMVAE
from gmvae.report.page import report

sync_api = pytest.importorskip("playwright.sync_api", reason="`make test-browser` installs Playwright")

pytestmark = pytest.mark.filterwarnings(
    "ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)

SMALL = {"hidden_layer_sizes": (16,), "latent_dim": 3, "style_dim": 2, "max_iter": 8, "random_state": 0}
HOSTILE = "<img src=x onerror=alert(1)>"
LAYOUTS = [(1440, "light"), (390, "light"), (1440, "dark"), (390, "dark")]


@pytest.fixture(scope="module")
def browser():
    """Chromium of the system: $CHROMIUM, or by its usual names on the path."""
    names = (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    if found is None:
        pytest.skip("no Chromium on this machine; install the package chromium, or name one in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """A report on a mixed table with hostile names, one on images, and the same in a notebook."""
    folder = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    group = np.arange(240) % 3
    frame = pd.DataFrame({"height": rng.normal(4 * group, 1), HOSTILE: np.array(["<b>", "&amp;", "c"])[group]})
    frame.index = [f"row-{i}-{HOSTILE}" for i in range(240)]
    model = GMVAE(3, **SMALL).fit(frame)
    model.report(frame, np.array(["x", HOSTILE, "z"])[group], names=[HOSTILE, "b", "c"]).write_html(
        folder / "table.html"
    )
    X = (rng.random((90, 1, 6, 8)) < np.repeat([0.1, 0.5, 0.9], 30)[:, None, None, None]).astype(np.float64)
    fitted = GMVAE(3, **SMALL).fit(X).fitted_
    names = Ids("file", np.array([f"{i}.png" for i in range(90)]))
    of_images = report(fitted, Dataset("squares", X, ids=names))
    of_images.write_html(folder / "images.html")
    (folder / "notebook.html").write_text(f"<!DOCTYPE html><title>a notebook</title>{of_images._repr_html_()}")
    return {name: folder / f"{name}.html" for name in ("table", "images", "notebook")}


class Opened:
    """A page, with what it asked for and complained of."""

    def __init__(self, browser, path: Path, width: int = 1440, scheme: str = "light", *, scripts: bool = True):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
        )
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_load_state("load")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def row_beside(page) -> str:
    return page.locator(".row").inner_text()


@pytest.mark.parametrize(("width", "scheme"), LAYOUTS)
@pytest.mark.parametrize("name", ["table", "images"])
def test_it_opens_quietly_asks_for_nothing_and_fits(browser, pages, name, width, scheme):
    with Opened(browser, pages[name], width, scheme) as opened:
        opened.page.wait_for_timeout(200)
        assert opened.said == []
        assert [url for url in opened.asked if not url.startswith("data:")] == [pages[name].as_uri()]
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        widest = (
            "Math.max(...[...document.querySelectorAll('caption, pre')].map((e) => e.getBoundingClientRect().right))"
        )
        assert opened.page.evaluate(widest) <= width
        # What a script would ask for is refused.
        assert opened.page.evaluate("fetch('https://example.org').then(() => 'let out', () => 'refused')") == "refused"


@pytest.mark.parametrize("name", ["table", "images"])
def test_the_map_tells_of_rows(browser, pages, name):
    with Opened(browser, pages[name]) as opened:
        page = opened.page
        canvas = page.locator(".plane canvas")
        canvas.focus()
        page.keyboard.press("ArrowRight")
        first = row_beside(page)
        page.keyboard.press("ArrowRight")
        assert row_beside(page) != first
        page.keyboard.press("ArrowLeft")
        assert row_beside(page) == first
        assert page.locator(".row img, .row script").count() == 0
        place = page.evaluate(
            """() => {
                const points = JSON.parse(document.getElementById('data').textContent).points;
                return [points.id[7], points.row[7]];
            }"""
        )
        search = page.get_by_role("searchbox")
        search.fill(str(place[0]))
        found = row_beside(page)
        assert str(place[0]) in found
        assert page.locator(".row canvas").count() == (name == "images")
        search.fill(str(place[1]))
        assert row_beside(page) == found
        search.fill("no such row")
        assert row_beside(page) == "No row no such row is on the map."
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        before = row_beside(page)
        for x, y in np.ndindex(int(box["width"]) // 25, int(box["height"]) // 25):
            page.mouse.move(box["x"] + 25 * x, box["y"] + 25 * y)
            if row_beside(page) != before:
                break
        assert "%" in row_beside(page)
        assert opened.said == []


def test_a_cluster_can_be_shown_alone(browser, pages):
    with Opened(browser, pages["table"]) as opened:
        page = opened.page
        pixels = "document.querySelector('.plane canvas').toDataURL()"
        everything = page.evaluate(pixels)
        button = page.locator(".legend button").nth(1)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert page.evaluate(pixels) != everything
        canvas = page.locator(".plane canvas")
        canvas.focus()
        for _ in range(5):
            page.keyboard.press("ArrowRight")
            assert "\nb, " in row_beside(page)
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        for mark in ("ambiguous", "novel"):
            page.locator(f"input[name={mark}]").check()
        assert opened.said == []


def test_sliders_change_the_style(browser, pages):
    with Opened(browser, pages["images"]) as opened:
        page = opened.page
        sheets = page.locator(".sheet canvas")
        assert sheets.count() == 3
        pixels = "document.querySelector('.sheet canvas').toDataURL()"
        page.wait_for_timeout(100)
        middle = page.evaluate(pixels)
        slider = page.locator(".sliders input").first
        slider.focus()
        for _ in range(2):
            page.keyboard.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "2"
        assert page.locator(".sliders output").first.inner_text() == "2"
        assert page.evaluate(pixels) != middle
    with Opened(browser, pages["table"]) as opened:
        page = opened.page
        style = page.evaluate("JSON.parse(document.getElementById('data').textContent).style")
        page.locator(".sliders input").first.fill("4")
        shown = page.locator(".style-cells tbody tr").first.locator("td").all_inner_texts()
        height = [cluster[2][4][0] for cluster in style["cells"]]
        assert [float(text) for text in shown] == pytest.approx(height, rel=1e-3)


def test_tables_sort_by_every_column(browser, pages):
    with Opened(browser, pages["table"]) as opened:
        page = opened.page
        table = page.locator("#clusters table.sortable")
        table.get_by_role("button", name="Rows").click()
        sizes = [int(text) for text in table.locator("tbody td:nth-child(2)").all_inner_texts()]
        assert sizes == sorted(sizes, reverse=True)
        table.get_by_role("button", name="Rows").click()
        assert [int(t) for t in table.locator("tbody td:nth-child(2)").all_inner_texts()] == sorted(sizes)
        assert table.locator("th[aria-sort=ascending]").inner_text().startswith("Rows")
        table.get_by_role("button", name="Cluster").click()
        assert table.locator("tbody th").first.inner_text().strip() == "c"


def test_in_a_notebook_it_moves_and_links_stay_in_its_frame(browser, pages):
    with Opened(browser, pages["notebook"]) as opened:
        frame = opened.page.frames[1]
        assert frame.locator(".plane canvas").is_visible()
        frame.locator("nav").get_by_role("link", name="How it was made").click()
        opened.page.wait_for_timeout(1000)
        assert frame.evaluate("window.scrollY") > 0
        assert opened.said == []
        assert [url for url in opened.asked if not url.startswith("data:")] == [pages["notebook"].as_uri()]


def test_without_javascript_tables_and_pictures_stay(browser, pages):
    with Opened(browser, pages["images"], scripts=False) as opened:
        page = opened.page
        assert page.locator(".still").is_visible()
        assert page.locator(".sheet img").first.is_visible()
        assert not page.locator(".sliders").is_visible()
        assert page.locator("#clusters tbody tr").count() == 3


@pytest.mark.parametrize(("width", "scheme"), LAYOUTS)
@pytest.mark.parametrize("name", ["table", "images"])
def test_axe_finds_nothing_serious(browser, pages, name, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="`make test-browser` installs axe")
    with Opened(browser, pages[name], width, scheme) as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        found = axe.Axe().run(opened.page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"][:200]) for each in found] == []
