"""What must hold of every page of a run, whatever it shows."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WITHOUT_END = {"br", "hr", "img", "meta"}


class Page(HTMLParser):
    """A page's elements with their attributes; an end tag that does not fit is an error."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "not closed"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in WITHOUT_END:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> at line {self.getpos()[0]} closes another element"

    def values(self, attribute: str) -> list[str]:
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]


def check_page(path: Path) -> Page:
    """Check that a page is well-formed, that all it names is there, and that it takes nothing from elsewhere."""
    page = Page(path.read_text(encoding="utf-8"))
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert all(attributes["alt"] for tag, attributes in page.elements if tag == "img")
    assert not [address for address in page.values("src") if urlsplit(address).netloc]
    for address in [*page.values("src"), *page.values("href")]:
        parts = urlsplit(address)
        if parts.scheme:
            assert address.startswith(("https://", "data:image/svg+xml;base64,")), address
        elif not parts.path:
            assert parts.fragment in ids, address
        else:
            assert (path.parent / parts.path).is_file(), address
    return page
