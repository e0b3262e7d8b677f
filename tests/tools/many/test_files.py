"""Lists of pictures and result folders of detect_many, without any worker; a call that may kill its process."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from layers.common.errors import RarError
from tools.detect.boxes import Boxes
from tools.many import child
from tools.many.child import in_child
from tools.many.job import Job
from tools.many.listing import Chunk, Picture, chunks, listed, write_listing
from tools.many.output import Output, fitting_chunk, opened

JOB = Job("tiny", "/weights", "c0ffee", False, (("python", "3.11"),))
WHOLE = b"PAR1 faces PAR1"


def many(count: int) -> Iterator[Picture]:
    return (Picture(f"/pictures/{i}.jpg") for i in range(count))


def test_lists_and_files_are_one_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.txt").write_bytes(b"a.jpg\r\n\n/far/b \xff.jpg\n")
    found = list(listed([Path("list.txt")], [Path("sub/c.png")], None))
    assert found == [
        Picture(str(tmp_path / "a.jpg")),
        Picture("/far/b \udcff.jpg"),
        Picture(str(tmp_path / "sub/c.png")),
    ]
    count, first = write_listing(tmp_path / "out", found)
    assert list(chunks(tmp_path / "out", 2, set())) == [Chunk(0, found[:2]), Chunk(1, found[2:])]
    assert list(chunks(tmp_path / "out", 2, {0})) == [Chunk(1, found[2:])]
    assert count == 3 and write_listing(tmp_path / "out", found[:2])[1] != first
    with pytest.raises(RarError, match="no list at none.txt .No such file.*a picture's path a line"):
        list(listed([Path("none.txt")], [], None))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_list_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("/p/\u00e9.jpg\r\n/p/b.jpg\n".encode(encoding))
    assert [picture.path for picture in listed([tmp_path / "list"], [], None)] == ["/p/\u00e9.jpg", "/p/b.jpg"]


def test_what_is_no_list_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes("a.jpg\nb.jpg\n".encode("utf-16-le"))
    with pytest.raises(RarError, match="no list at .*list .*UTF-16 without its mark: save it as UTF-8"):
        list(listed([tmp_path / "list"], [], None))


def test_boxes_go_by_the_listed_name_or_the_file_name(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("x/a.jpg\ny/a.jpg\nb.jpg\n")
    given = Boxes([("1", "x/a.jpg", (0, 0, 1, 1)), ("2", "a.jpg", (0, 0, 2, 2))])
    assert [picture.boxes for picture in listed([tmp_path / "list"], [], given)] == [[[0, 0, 1, 1]], [[0, 0, 2, 2]], []]


@pytest.mark.parametrize(("count", "workers", "chunk"), [(3, 2, 1), (400, 2, 25), (10**6, 64, 1000)])
def test_every_worker_gets_several_chunks(count: int, workers: int, chunk: int) -> None:
    assert fitting_chunk(count, workers) == chunk


def test_a_folder_is_gone_on_with_by_the_same_work_alone(tmp_path: Path) -> None:
    with opened(tmp_path, JOB, many(10), None, 1) as output:
        assert output.chunk == 2
        output.write(3, WHOLE, b"errors")
        with pytest.raises(RarError, match=f"another run is writing to {tmp_path}"), opened(tmp_path, JOB, [], 2, 1):
            pass
    before = (tmp_path / "manifest.json").read_text()
    for job, pictures, chunk, said in (
        (JOB, many(11), None, "another list of pictures or boxes"),
        (replace(JOB, sha256="bad"), many(10), None, "other weights"),
        (replace(JOB, preset="vgg19"), many(10), None, "another preset"),
        (replace(JOB, stages=True), many(10), None, "another choice of --stages"),
        (JOB, many(10), 5, "another --chunk"),
    ):
        with pytest.raises(RarError, match=f"{tmp_path} holds parts made with {said}: give another --out"):
            opened(tmp_path, job, pictures, chunk, 1).__enter__()
    assert (tmp_path / "manifest.json").read_text() == before
    with opened(tmp_path, JOB, many(10), None, 8) as output:
        assert output.done() == {3} and [chunk.number for chunk in output.todo({3})] == [0, 1, 2, 4]
        assert json.loads(before)["chunk"] == output.chunk == 2


def test_a_folder_without_parts_may_be_begun_anew(tmp_path: Path) -> None:
    with opened(tmp_path, JOB, many(10), 5, 1):
        pass
    with opened(tmp_path, replace(JOB, sha256="right"), many(4), 2, 1) as output:
        assert (output.count, output.chunk) == (4, 2)
    with pytest.raises(RarError, match="no pictures: give images, folders, globs or --list FILE"):
        opened(tmp_path, JOB, [], None, 1).__enter__()


def test_a_chunk_done_again_keeps_no_error_of_before(tmp_path: Path) -> None:
    output = Output(tmp_path, JOB, 4, 2)
    output.write(0, b"torn", b"errors")
    assert output.done() == set() and output.part("errors", 0).exists()
    output.write(0, WHOLE, None)
    assert output.done() == {0} and not output.part("errors", 0).exists()


def test_a_call_may_kill_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_child(sorted, [2, 1]) == [1, 2]
    assert in_child(int, "no number") is None
    assert in_child(signal.raise_signal, signal.SIGKILL) is None
    monkeypatch.setattr(child, "LONGEST", 1)
    assert in_child(signal.pause) is None
