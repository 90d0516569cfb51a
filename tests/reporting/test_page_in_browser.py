"""The page of a run in a real browser, from disk: nothing broken, no complaint, and room enough on a phone."""

from pathlib import Path

import pytest

from browser import EXECUTABLE, WITHOUT, browser
from reporting.small_run import STATEMENT, make_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(EXECUTABLE is None, reason=WITHOUT),
]
PHONE, DESK = 360, 1280
LONG = "a_name_without_a_space_that_is_longer_than_the_line_of_a_phone_" * 2


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    return make_page(
        tmp_path_factory.mktemp("run"), title=f"Molecules {LONG}", statement=f"{STATEMENT} {LONG}", task=LONG
    )


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_opens_from_disk_without_a_broken_picture_or_a_complaint(chromium, page, width):
    seen = chromium.open(page, width)
    assert seen.complaints == []
    assert len(seen.images) == 3, "two figures and the rules"
    assert 0 not in seen.images.values()
    root = page.parents[2].as_uri()
    assert all(address.startswith((root, "data:image/svg+xml")) for address in seen.requests)


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_has_no_horizontal_overflow(chromium, page, width):
    measures = chromium.open(page, width).measures
    assert measures["viewport"] == width
    assert measures["wide"] == []
    assert measures["width"] <= width


def test_a_lost_figure_and_a_script_would_be_seen(chromium, page, tmp_path):
    broken = page.with_name("broken.html")
    broken.write_text(
        page.read_text().replace("second.png", "lost.png").replace("</main>", "<script>1</script></main>")
    )
    seen = chromium.open(broken, DESK)
    assert 0 in seen.images.values()
    assert any("ERR_FILE_NOT_FOUND" in complaint for complaint in seen.complaints)
    assert any("Content Security Policy" in complaint for complaint in seen.complaints)
