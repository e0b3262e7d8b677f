"""What the server lets a program ask of it, and what the command says."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.tools.web.conftest import Server
from tests.tools.web.pictures import bomb
from tools.build.environment import PROJECT, caffe_environment
from tools.web.__main__ import is_local

DETECT = "/gradio_api/call/detect"
ENV = {**os.environ, **caffe_environment()}


def ask(server: Server, method: str, path: str, body: bytes | None = None, **headers: str) -> http.client.HTTPResponse:
    """The answer to one request."""
    there = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=20)
    there.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    return there.getresponse()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"),
        ("GET", "/gradio_api/file=/etc/hostname"),
        ("GET", "/page/../app.py"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/component_server"),
        ("GET", "/docs"),
        ("GET", "/config"),
    ],
)
def test_what_the_page_does_not_need_is_closed(server: Server, method: str, path: str) -> None:
    """Gradio's routes that store uploads and hand out files among it."""
    assert ask(server, method, path, b"{}" if method == "POST" else None).status == 404


def test_a_body_beyond_the_limit_is_not_taken(server: Server) -> None:
    assert ask(server, "POST", DETECT, b"x", Content_Length=str(1 << 30)).status == 413
    there = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=20)
    chunks = (b"x" * (1 << 20) for _ in range(40))  # no length is announced
    try:
        there.request("POST", DETECT, chunks, {"Content-Type": "application/json"}, encode_chunked=True)
        assert there.getresponse().status == 400
    except (BrokenPipeError, ConnectionResetError):  # it hung up before it had all
        pass
    assert ask(server, "GET", "/").status == 200


def test_other_names_for_this_machine_are_refused(server: Server) -> None:
    """A foreign page that resolves its own name to 127.0.0.1 gets nothing."""
    assert ask(server, "GET", "/", Host="evil.example").status == 400
    answer = ask(server, "GET", "/")
    assert "default-src 'self'" in str(answer.getheader("Content-Security-Policy"))


def test_what_is_no_base64_is_refused(server: Server) -> None:
    body = json.dumps({"data": ["face.jpg", "no base64!"]}).encode()
    event = json.load(ask(server, "POST", DETECT, body, Content_Type="application/json"))["event_id"]
    assert b"face.jpg did not arrive whole: send it again" in ask(server, "GET", f"{DETECT}/{event}").read()


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """The picture has 900 million pixels; the process that refuses it grows by less than 20 MB."""
    (tmp_path / "bomb.png").write_bytes(bomb())
    code = """if True:
        import pathlib, resource, sys
        from layers.common.errors import RarError
        from tools.web.pictures import open_picture
        stored = pathlib.Path(sys.argv[1]).read_bytes()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            open_picture("bomb.png", stored)
        except RarError:
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"""
    command = [sys.executable, "-c", code, str(tmp_path / "bomb.png")]
    done = subprocess.run(command, cwd=PROJECT, env=ENV, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 20_000  # KiB


def test_the_command_in_the_way_of_another(server: Server) -> None:
    port = str(urlsplit(server.address).port)
    command = [sys.executable, "-m", "tools.web", "--weights", "none", "--port", port]
    done = subprocess.run(command, cwd=PROJECT, env=ENV, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: cannot listen on 127.0.0.1 port {port} (")
    assert done.stderr.endswith("give another, HOST=... PORT=...\n") and done.stderr.count("\n") == 1


def test_which_addresses_are_this_machine_alone() -> None:
    assert [is_local(host) for host in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "192.168.1.5", "some.name")] == [
        *[True] * 3, *[False] * 3,
    ]  # fmt: skip
