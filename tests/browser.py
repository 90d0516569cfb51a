"""A headless Chromium, driven through its DevTools protocol over a pipe: what a page looks like and complains about."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)
WITHOUT = "no browser in PATH: " + ", ".join(NAMES)
# No process of a sandbox, as in a container; the pages are our own.
OPTIONS = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --remote-debugging-pipe"
MEASURE = """JSON.stringify({
  viewport: innerWidth,
  width: document.documentElement.scrollWidth,
  height: document.documentElement.scrollHeight,
  wide: [...document.querySelectorAll("body *")].filter(
    e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll")).map(e => e.outerHTML.slice(0, 99)),
  images: [...document.images].map(i => [i.getAttribute("src").slice(0, 60), i.naturalWidth]),
})"""


@dataclass(frozen=True)
class Seen:
    """What a page measures, its images' widths, the addresses it loads, and each message of an error or a warning."""

    measures: dict[str, Any]
    images: dict[str, int]
    requests: list[str]
    complaints: list[str]


class Browser:
    """Chromium at the other end of two pipes, with one empty page."""

    def __init__(self, commands: int, answers: int):
        self._commands, self._answers = os.fdopen(commands, "wb", buffering=0), os.fdopen(answers, "rb")
        self._events: list[dict[str, Any]] = []
        self._number = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters} | self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self._events.append(answer)
        assert "result" in answer, answer
        return answer["result"]

    def open(self, page: Path, width: int) -> Seen:
        """Load a page in a viewport of that many pixels; below 500 it is a phone's."""
        self._events.clear()
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())
        measures = json.loads(self.call("Runtime.evaluate", expression=MEASURE)["result"]["value"])
        images = dict(measures.pop("images"))
        requests = [event["params"]["request"]["url"] for event in self._of("Network.requestWillBeSent")]
        events = self._of(
            "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Network.loadingFailed"
        )
        return Seen(measures, images, requests, [json.dumps(event["params"]) for event in events])

    def picture(self, path: Path) -> None:
        """Write the page that is open as PNG, in all its height."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._session = {}
        self.call("Browser.close")

    def _of(self, *methods: str) -> list[dict[str, Any]]:
        return [event for event in self._events if event["method"] in methods]

    def _receive(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return json.loads(message)


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser that keeps its files in the folder `profile`, and end it."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    command = f"exec {EXECUTABLE} {OPTIONS} --user-data-dir='{profile}' 3<&{theirs_in} 4>&{theirs_out}"
    with subprocess.Popen(
        ["bash", "-c", command], pass_fds=(theirs_in, theirs_out), stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs_in)
        os.close(theirs_out)
        try:
            opened = Browser(ours_out, ours_in)
            yield opened
            opened.close()
        finally:
            process.kill()
