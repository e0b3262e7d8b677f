"""Who can reach the processes of tools.many: nobody but those with the cluster's certificate, on one address alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import packages
from tests.tools.many.commands import PYTHON, command, listening, run, scheduler, workers_of

HERE = "127.0.0.2"  # loopback too, but nobody's default


class Cluster(NamedTuple):
    """A scheduler and one worker with its nanny on HERE: what they listen on, and where their certificates are."""

    address: str
    scheduler: set[tuple[str, int]]
    workers: set[tuple[str, int]]
    certificates: Path

    @property
    def ports(self) -> list[int]:
        return sorted(port for _, port in self.scheduler | self.workers)


@pytest.fixture(scope="module", autouse=True)
def many() -> None:
    packages("many")


def certificates(folder: Path) -> Path:
    done = run(command("certificates", "--out", folder))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    ours = certificates(tmp_path_factory.mktemp("network") / "a folder")
    with scheduler(HERE, ours) as (served, address), workers_of(address, HERE, ours) as working:
        yield Cluster(address, listening(served.pid), listening(working.pid), ours)


def stranger(kind: str | Path, folder: Path, ports: list[int]) -> list[dict[str, bool]]:
    """What a peer in a process of its own gets at each port, and whether anything of its own was run."""
    folder.mkdir()
    words = ["-m", "tests.tools.many.peer", str(kind), str(folder), HERE, *map(str, ports)]
    done = run([str(PYTHON), *words])
    assert done.returncode == 0, done.stderr
    got: dict[str, dict[str, bool]] = json.loads(done.stdout)
    return [{**told, "made": (folder / port).exists()} for port, told in got.items()]


def test_they_listen_on_the_given_address_alone(cluster: Cluster) -> None:
    """Scheduler, nanny and worker have a port each, scheduler and worker one more of HTTP."""
    assert cluster.address.startswith(f"tls://{HERE}:")
    assert {host for host, _ in cluster.scheduler | cluster.workers} == {HERE}
    assert len(cluster.scheduler) == 2 and len(cluster.workers) == 3


def test_a_peer_of_the_cluster_can_have_anything_run(cluster: Cluster, tmp_path: Path) -> None:
    """So that the next test has something to refuse: nanny and worker run what they are sent."""
    got = stranger(cluster.certificates, tmp_path / "made", cluster.ports)
    assert sum(told["identity"] for told in got) == 3, "scheduler, nanny, worker; the others are HTTP"
    assert sum(told["made"] for told in got) >= 2


@pytest.mark.parametrize("kind", ["plain", "bare", "other"])
def test_without_its_certificate_nobody_gets_anything(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """plain: no TLS; bare: no certificate; other: one of another authority, made in the same way."""
    shown = certificates(tmp_path / "other") if kind == "other" else kind
    got = stranger(shown, tmp_path / "made", cluster.ports)
    assert got == [{"identity": False, "ran": False, "made": False}] * 5


def test_there_is_nothing_to_read_over_http(cluster: Cluster) -> None:
    code = (
        "import sys, urllib.request as r, urllib.error as e\n"
        "for port in sys.argv[2:]:\n"
        "  for path in ('', 'status', 'info/main/workers.html', 'json/identity.json', 'health', 'metrics'):\n"
        "    try: print(r.urlopen(f'http://{sys.argv[1]}:{port}/{path}', timeout=20).status)\n"
        "    except e.HTTPError as error: assert error.code == 404\n"
        "    except OSError: pass\n"
    )
    done = run([sys.executable, "-c", code, HERE, *map(str, cluster.ports)])
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def refused(words: list[str]) -> str:
    """The one line of a command that does not begin."""
    done = run(words)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


@pytest.mark.parametrize("listen", ["0.0.0.0", "::", "192.0.2.7", "some.name"])
def test_nothing_begins_where_others_reach_it_without_certificates(tmp_path: Path, listen: str) -> None:
    none = tmp_path / "none"
    wanted = f"{listen} can be reached from other machines, and there are no certificates at {none}: make them on one"
    words = ["--listen", listen, "--certificates", str(none)]
    for those in (command("scheduler", *words), command("worker", "tcp://127.0.0.1:9", *words)):
        assert wanted in refused(those)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://192.0.2.7:8786", "is another machine, and without TLS: give tls://HOST:8786"),
        ("192.0.2.7", "192.0.2.7 can be reached from other machines, and there are no certificates"),
        ("tls://127.0.0.1:8786", "wants certificates, and there are none at"),
        ("http://127.0.0.1", "is no address of a scheduler"),
        ("tls://127.0.0.1:port", "is no address of a scheduler"),
    ],
)
def test_a_scheduler_elsewhere_wants_tls(tmp_path: Path, address: str, said: str) -> None:
    assert said in refused(command("worker", address, "--certificates", tmp_path / "none"))


def test_a_worker_that_the_scheduler_could_not_reach_is_refused(tmp_path: Path) -> None:
    words = command("worker", "tls://192.0.2.7", "--certificates", certificates(tmp_path / "ours"))
    assert "tls://192.0.2.7:8786 is another machine, which cannot reach 127.0.0.1: give this" in refused(words)


def test_a_worker_of_another_authority_says_so_in_one_line(cluster: Cluster, tmp_path: Path) -> None:
    words = command("worker", cluster.address, "--listen", HERE, "--certificates", certificates(tmp_path / "other"))
    said = refused(words)
    assert f"cannot join the scheduler at {cluster.address}" in said and "certificate verify failed" in said


def test_certificates_are_for_their_owner_and_not_written_over(tmp_path: Path) -> None:
    folder = certificates(tmp_path / "ours")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())}
    assert modes == {"ours": 0o700, "ca.pem": 0o600, "peer.pem": 0o600, "peer-key.pem": 0o600}
    before = (folder / "peer.pem").read_bytes()
    assert f"{folder} is there already" in refused(command("certificates", "--out", folder))
    assert (folder / "peer.pem").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_bad_certificates_are_one_line(tmp_path: Path) -> None:
    folder = certificates(tmp_path / "ours")
    words = command("scheduler", "--certificates", folder)
    (folder / "peer-key.pem").chmod(0o644)
    assert f"others can read {folder}/peer-key.pem: chmod 600 it" in refused(words)
    (folder / "peer-key.pem").chmod(0o600)
    (folder / "peer.pem").write_text("-----BEGIN")
    assert f"{folder} holds no certificates that can be used" in refused(words)
    code = (
        "import pathlib, sys; from tools.many.authority import made\n"
        "for name, content in made(days=0).items(): (pathlib.Path(sys.argv[1]) / name).write_bytes(content)"
    )
    done = run([str(PYTHON), "-c", code, str(folder)])
    assert done.returncode == 0, done.stderr
    assert f"the certificates in {folder} were good until 20" in refused(words)
