"""What the server lets a program ask of it, and what the command says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import packages
from tests.tools.web.conftest import DETECT, Serve, Server
from tests.tools.web.pictures import FACE, bomb, jpeg
from tools.build.environment import PROJECT, caffe_environment
from tools.web.limits import MOST_BYTES

ENV = {**os.environ, **caffe_environment()}


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/..%2fapp.py",
        "/page//etc/hostname",
        "/page/page.html",
        "/etc/hostname",
        "//etc/hostname",
        "/page/",
        "/docs",
        "/detect/",
        "/gradio_api/file=/etc/hostname",
        "/sample.jpg%00",
        pytest.param(f"/assets/{'a' * 5000}", id="/assets/<5,000 characters>"),
        pytest.param(f"/page/{'a' * 5000}", id="/page/<5,000 characters>"),
        pytest.param(f"/{'../' * 50}dev/zero", id="/../../dev/zero"),
    ],
)
def test_there_is_nothing_but_the_page(server: Server, path: str) -> None:
    assert server.ask("GET", path).status == 404
    assert server.ask("POST", path, b"{}").status == 404


def test_other_methods_are_refused(server: Server) -> None:
    assert server.ask("GET", DETECT).status == 405
    assert server.ask("POST", "/", b"x").status == 405
    assert server.ask("OPTIONS", DETECT, Origin="http://evil.example").status == 403
    assert server.ask("PUT", "/page/page.css", b"x").status == 405


@pytest.mark.parametrize("name", ["/dev/zero", "/etc/hostname", "../../etc/hostname", "file:///etc/hostname"])
def test_a_path_is_a_name_and_nothing_is_opened_by_it(server: Server, name: str) -> None:
    """Neither as the picture's name nor in its place."""
    assert server.detect(b"", name) == (422, {"error": f"{name} is empty: choose another file"})
    told = json.dumps({"data": [{"path": name, "meta": {"_type": "gradio.FileData"}}, "aGk="]}).encode()
    status, answer = server.detect(told, name)
    assert status == 422 and answer["error"].startswith(f"{name} is no picture that can be read here")


def test_a_body_beyond_the_limit_is_not_taken(server: Server) -> None:
    assert server.ask("POST", DETECT, b"x", Content_Length=str(MOST_BYTES + 1)).status == 413
    pieces = (b"x" * (1 << 20) for _ in range(40))  # no length is announced
    try:
        answer = server.ask("POST", DETECT, pieces)
        assert answer.status == 413 and json.load(answer)["error"].endswith("20 MB: make the picture smaller.")
    except (BrokenPipeError, ConnectionResetError):  # it hung up before it had all
        pass
    assert server.ask("GET", "/").status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "", "[", "192.0.2.7"])
def test_other_names_for_this_machine_are_refused(server: Server, host: str) -> None:
    """A foreign page that resolves its own name to 127.0.0.1 gets nothing."""
    assert server.ask("GET", "/", Host=host).status == 400
    assert server.ask("POST", DETECT, jpeg(FACE), Host=host).status == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1", "[::1]:80"])
def test_its_own_names_are_not(server: Server, host: str) -> None:
    assert server.ask("GET", "/", Host=host).status == 200


def test_another_site_s_page_may_not_send_pictures(server: Server) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://" + server.place + ".evil.example"):
        assert server.ask("POST", DETECT, jpeg(FACE), Origin=origin).status == 403
    assert server.ask("POST", DETECT, jpeg(FACE), Origin=server.address).status == 200


def test_in_a_network_addresses_and_given_names_are_good_and_other_names_are_not(serve: Serve) -> None:
    """Bound to a loopback address all the same: it is what the server is told that counts."""
    with serve("--name", "faces.example", NETWORK="1") as server:
        assert server.ask("GET", "/", Host="192.0.2.7:7860").status == 200
        assert server.ask("GET", "/", Host="[2001:db8::1]").status == 200
        assert server.ask("GET", "/", Host="Faces.Example").status == 200
        assert server.ask("GET", "/", Host="evil.example").status == 400


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/none", DETECT])
def test_the_browser_is_told_to_trust_the_page_alone(server: Server, path: str) -> None:
    answer = server.ask("POST" if path == DETECT else "GET", path, b"x")
    policy = str(answer.getheader("Content-Security-Policy"))
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ") and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.getheader("X-Content-Type-Options") == "nosniff" and answer.getheader("X-Frame-Options") == "DENY"
    assert answer.getheader("Cache-Control") in ("no-cache", "no-store") and answer.getheader("Server") is None


def test_what_has_not_changed_is_not_sent_again(server: Server) -> None:
    first = server.ask("GET", "/page/main.js")
    assert first.read().startswith(b"//") and str(first.getheader("Content-Type")).startswith("text/javascript")
    again = server.ask("GET", "/page/main.js", If_None_Match=str(first.getheader("ETag")))
    assert (again.status, again.read()) == (304, b"")


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


def test_the_worker_can_write_no_file_and_dumps_no_core(server: Server) -> None:
    limits = Path(f"/proc/{server.worker}/limits").read_text()
    for kind in ("Max file size", "Max core file size"):
        (row,) = (line for line in limits.splitlines() if line.startswith(kind))
        assert row.removeprefix(kind).split()[:2] == ["0", "0"]


def refused(*words: str) -> str:
    """What the command says when it does not begin: one line."""
    command = [str(packages("web") / "bin" / "python"), "-m", "tools.web", *words]
    done = subprocess.run(command, cwd=PROJECT, env=ENV, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_the_command_in_the_way_of_another(server: Server) -> None:
    port = str(urlsplit(server.address).port)
    said = refused("--weights", "none", "--port", port)
    assert said.startswith(f"error: cannot listen on 127.0.0.1 port {port} (")
    assert said.endswith("give another, HOST=... PORT=...\n")


def test_the_command_without_weights_that_fit(tmp_path: Path) -> None:
    """The worker finds out; the command says it."""
    said = refused("--weights", str(tmp_path / "none"), "--port", "0")
    assert said.startswith("error: ") and str(tmp_path / "none") in said


def test_the_command_in_another_environment_says_what_to_run() -> None:
    command = [sys.executable, "-m", "tools.web", "--port", "0"]
    done = subprocess.run(command, cwd=PROJECT, env=ENV, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.endswith(f"is not installed for {sys.executable}: run make web\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_when_it_is_told_to_and_its_worker_with_it(serve: Serve, number: signal.Signals) -> None:
    with serve() as server:
        worker = Path(f"/proc/{server.worker}")
        server.process.send_signal(number)
        assert server.process.wait(20) == (-9 if number == signal.SIGKILL else 0)
        end = time.monotonic() + 20
        while worker.exists() and "State:\tZ" not in (worker / "status").read_text():
            assert time.monotonic() < end, "the worker is still there"
            time.sleep(0.05)


def test_visitors_who_wait_are_told_that_it_ends(serve: Serve) -> None:
    """Each gets a sentence, and nothing but that is said: no trace of what was under way."""
    with serve(stderr=subprocess.PIPE) as server, ThreadPoolExecutor(4) as visitors:
        os.kill(server.worker, signal.SIGSTOP)
        asked = [visitors.submit(server.detect, jpeg(FACE)) for _ in range(4)]
        time.sleep(2)
        server.process.terminate()
        assert [one.result() for one in asked] == [(503, {"error": "The server is ending. Try again later."})] * 4
        assert server.process.stderr and server.process.stderr.read() == ""
        assert server.process.wait(20) == 0
