"""The page of the small preset, served for real, and a real browser to visit it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.conftest import packages
from tests.tools.web.pictures import FACE, jpeg
from tools.build.environment import PROJECT, caffe_environment
from tools.web.limits import MOST_WAITING, TIME_LIMIT

DETECT = "/detect"
BROWSERS = ("chromium", "chromium-browser")
ANSWER = TIME_LIMIT * (MOST_WAITING + 2)  # s, after which it must be there, even if all who wait take their whole time
PATIENCE = 20_000  # ms for anything in the browser
REFUSED = "the server responded with a status of 422"  # what Chromium itself says of a picture without faces


@dataclass(frozen=True)
class Server:
    """A running page: its address, its process, the folder that it has for temporary files."""

    address: str
    process: subprocess.Popen[str]
    temporary: Path

    @property
    def place(self) -> str:
        """Host and port."""
        return urlsplit(self.address).netloc

    @property
    def worker(self) -> int:
        """The process that opens pictures."""
        (child,) = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(child)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> http.client.HTTPResponse:
        """The answer to one request."""
        there = http.client.HTTPConnection(self.place, timeout=ANSWER)
        there.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return there.getresponse()

    def detect(self, stored: bytes, name: str = "face.jpg") -> tuple[int, dict[str, Any]]:
        """Status and JSON for a picture's file."""
        answer = self.ask("POST", f"{DETECT}?name={quote(name)}", stored)
        return answer.status, json.load(answer)


Serve = Callable[..., AbstractContextManager[Server]]


@pytest.fixture(scope="session")
def serve(trained: Path, small_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """serve("--option", ..., NAME="value"): the page on this machine's own address, at any free port."""
    python = packages("web") / "bin" / "python"

    @contextmanager
    def serving(*words: str, stderr: int | None = None, **variables: str) -> Iterator[Server]:
        temporary = tmp_path_factory.mktemp("temporary")
        options = ["--preset", "tiny", "--weights", str(trained / "rar_iter_12.caffemodel"), "--port", "0", *words]
        own = {"TMPDIR": str(temporary), "PROTOTXT": str(small_project / "prototxt"), **variables}
        command, env = [str(python), "-m", "tests.tools.web.server", *options], {**os.environ, **caffe_environment()}
        with subprocess.Popen(
            command, cwd=PROJECT, env={**env, **own}, stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process:
            assert process.stdout
            try:
                yield Server(process.stdout.readline().split()[0], process, temporary)
            finally:
                process.terminate()

    return serving


@pytest.fixture(scope="session")
def server(serve: Serve) -> Iterator[Server]:
    """The page as it is."""
    with serve() as served:
        yield served


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window; pages share its cache, its camera sees FACE, nothing moves for show."""
    site = next((packages("browser") / "lib").glob("python3*/site-packages"))
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no browser: run sudo apt-get install chromium")
    sys.path.append(str(site))  # last: nothing of the system's packages is replaced
    from playwright.sync_api import sync_playwright

    film = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    film.write_bytes(jpeg(FACE))
    camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with sync_playwright() as driver:
        arguments = [*camera, f"--use-file-for-fake-video-capture={film}"]
        made = driver.chromium.launch(executable_path=program, args=arguments)
        yield made.new_context(reduced_motion="reduce")
        made.close()


class Visit:
    """A visitor's page of 1280 x 900 px, what it has asked of whom and complained about.

    folder: for the files that are sent.
    """

    def __init__(self, browser: Any, address: str, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page()
        self.page.set_viewport_size({"width": 1280, "height": 900})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", self._said)
        self.page.goto(address)
        self.page.locator(".sample:enabled").wait_for()

    def _said(self, message: Any) -> None:
        if message.type == "error" and REFUSED not in message.text:
            self.complaints.append(message.text)

    def send(self, name: str, stored: bytes) -> None:
        """Choose a picture file."""
        self.page.set_input_files("input[type=file]", self.file(name, stored))

    def file(self, name: str, stored: bytes) -> Path:
        """A file to choose."""
        path = self.folder / name
        path.write_bytes(stored)
        return path

    def found(self, name: str) -> str:
        """Wait until faces of that picture are shown; what the page says then."""
        said = self.page.locator(".status", has_text=f"found in {name}.")
        said.wait_for()
        return str(said.inner_text())

    def until(self, condition: str) -> None:
        """Wait for a condition in JavaScript: playwright's own way needs eval, which the page does not allow."""
        for _ in range(PATIENCE // 50):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(f"waited in vain for {condition}")

    def stage(self, place: int) -> None:
        """Put the slider to S_d (0) or S_hat_t (t + 1)."""
        self.page.locator("input[type=range]").fill(str(place))

    def dots(self) -> list[tuple[float, float]]:
        """Where the landmarks are drawn, px of the picture."""
        read = "dots => dots.map(dot => [+dot.getAttribute('cx'), +dot.getAttribute('cy')])"
        return [tuple(dot) for dot in self.page.locator(".dots circle").evaluate_all(read)]

    def save(self, button: str) -> Path:
        """Press a button of a download; the file, under the name it is saved by."""
        with self.page.expect_download() as waiting:
            self.page.locator(button).click()
        download = waiting.value
        target = Path(download.path()).with_name(download.suggested_filename)
        download.save_as(target)
        return target


@pytest.fixture
def visit(server: Server, browser: Any, tmp_path: Path) -> Iterator[Visit]:
    """A visit. A complaint of the page's scripts fails it."""
    made = Visit(browser, server.address, tmp_path)
    yield made
    made.page.close()
    assert made.complaints == []
