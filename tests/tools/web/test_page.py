"""What a visitor of the page sees, in a real browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from data_prep.pts import read_points
from layers.common.gamma import gamma_for_centre
from layers.common.schemes import scheme
from tests.tools.small import SMALL
from tests.tools.web.conftest import Server, Visit
from tests.tools.web.pictures import FACE, bad, good, jpeg
from tools.detect import Detector
from tools.model import crop_detector, presets

LAST = SMALL.steps + 1  # place of the last shape on the slider
TWO = np.hstack([FACE, np.ascontiguousarray(FACE[:, ::-1])])


def wide(page: Any) -> bool:
    """True when something sticks out of the window to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_every_stage_of_the_chosen_face_as_the_detector_finds_it(
    visit: Visit, trained: Path, small_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upload, slide, choose the other face, download; every number against the detector in this process."""
    monkeypatch.setattr(crop_detector, "PROTOTXT", small_project / "prototxt")
    monkeypatch.setitem(presets.PRESETS, "tiny", SMALL)
    stored = jpeg(TWO)
    image = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
    faces = Detector("tiny", trained / "rar_iter_12.caffemodel").detect(image)
    assert len(faces) == 2
    visit.send("two.jpg", stored)
    assert visit.found("two.jpg") == "2 faces found in two.jpg."
    visit.page.locator(".faces label").nth(1).click()
    shapes = np.concatenate([faces[1].s_d[None], faces[1].stages])
    for place, shape in enumerate(shapes):
        visit.stage(place)
        np.testing.assert_allclose(visit.dots(), shape, atol=0.011)
    gamma = gamma_for_centre(faces[1].stages[:-1], faces[1].centres, scheme("68"))
    for step, (centre, weights) in enumerate(zip(faces[1].centres, gamma, strict=True)):
        visit.stage(step + 1)
        assert f"attends to landmark {centre + 1} (" in visit.page.locator(".words").inner_text()
        ring = visit.page.locator("circle.centre")
        np.testing.assert_allclose(float(ring.get_attribute("cx")), shapes[step + 1][centre][0], atol=0.011)
        radii = visit.page.locator(".dots circle").evaluate_all("dots => dots.map(dot => +dot.getAttribute('r'))")
        assert np.corrcoef(radii, weights)[0, 1] > 0.999, "the size of a landmark is its weight"
    np.testing.assert_allclose(read_points(visit.save(".pts"), 68), faces[1].points, atol=1e-3)
    saved = visit.save(".json")
    assert saved.name == "two.json"
    for told, face in zip(json.loads(saved.read_text()), faces, strict=True):
        np.testing.assert_allclose(told["stages"], face.stages, atol=0.011)
        assert told["centres"] == face.centres.tolist()


def test_the_keyboard_alone(visit: Visit) -> None:
    """Tab, Enter and arrows reach everything in the order of reading; the slider tells what it shows."""
    page = visit.page

    def focused() -> str:
        return str(page.evaluate("document.activeElement.className || document.activeElement.type"))

    page.on("filechooser", lambda chooser: chooser.set_files(visit.file("two.jpg", jpeg(TWO))))
    page.keyboard.press("Tab")
    assert focused() == "choose primary"
    page.keyboard.press("Enter")
    visit.found("two.jpg")
    order = []
    for _ in range(8):
        page.keyboard.press("Tab")
        order.append(focused())
    assert order == ["camera", "sample", "previous", "play", "next", "range", "radio", "pts"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator(".pts").inner_text() == "Face 2 as .pts"
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Home")
    slider = page.get_by_label("Stage", exact=True)
    assert slider.get_attribute("aria-valuetext").startswith("S d, detected. Where the response maps")
    page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext").startswith("Ŝ 0, robust start. The next step, to Ŝ₁, attends to")
    assert page.get_by_role("img", name="Face 2: Ŝ 0, robust start.").is_visible()
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuetext") == f"Ŝ {SMALL.steps}, the result. The landmarks after all 3 steps."


def test_playing_goes_through_all_stages(visit: Visit) -> None:
    visit.page.locator(".sample").click()
    visit.found("astronaut.jpg")
    visit.page.locator(".play").click()
    titles = []
    for place in range(LAST + 1):
        visit.page.locator(f".ticks span:nth-child({place + 1}).here").wait_for()
        titles.append(visit.page.locator(".title").inner_text())
    wanted = ["detected", "robust start", "after 1 of 3 steps", "after 2 of 3 steps", "the result"]
    assert titles == wanted
    assert visit.page.locator(".play").inner_text() == "Play"


def test_odd_pictures_are_read_and_bad_ones_refused_in_a_sentence(visit: Visit) -> None:
    """Each good kind shows the one face at its place; after each bad one the last good result is still there."""
    visit.send("first.jpg", jpeg(FACE))
    visit.found("first.jpg")
    (first,) = json.loads(visit.save(".json").read_text())
    for name, stored in good().items():
        visit.send(name, stored)
        assert visit.found(name) == f"One face found in {name}."
        (told,) = json.loads(visit.save(".json").read_text())
        np.testing.assert_allclose(told["box"], first["box"], atol=6, err_msg=name)
    for name, (stored, sentence) in bad().items():
        visit.send(name, stored)
        problem = visit.page.get_by_role("alert").filter(has_text=name)
        problem.wait_for()
        said = problem.inner_text()
        assert sentence in said and said.endswith(".") and "\n" not in said
        assert visit.page.locator(".view image").is_visible() and not visit.page.locator(".busy").count()


def test_the_colours_shown_are_the_picture_s(visit: Visit) -> None:
    """CMYK and RGBA as well: ink is not light."""
    read = """async image => {
        const loaded = new Image(); loaded.src = image.getAttribute('href'); await loaded.decode();
        const canvas = new OffscreenCanvas(512, 512), to = canvas.getContext('2d');
        to.drawImage(loaded, 0, 0); return [...to.getImageData(120, 330, 1, 1).data].slice(0, 3); }"""
    for name in ("cmyk.jpg", "rgba.png", "rotated.jpg", "deep.png"):
        visit.send(name, good()[name])
        visit.found(name)
        seen = visit.page.locator(".overview image").evaluate(read)
        np.testing.assert_allclose(seen, FACE[330, 120], atol=24, err_msg=name)


def test_a_dropped_picture(visit: Visit) -> None:
    transfer = visit.page.evaluate_handle(
        """bytes => { const made = new DataTransfer();
        made.items.add(new File([new Uint8Array(bytes)], 'dropped.jpg')); return made; }""",
        list(jpeg(FACE)),
    )
    visit.page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    visit.found("dropped.jpg")


def test_the_camera(visit: Visit) -> None:
    visit.page.locator("button.camera").click()
    visit.until("document.querySelector('.booth video').videoWidth > 0")
    visit.page.get_by_role("button", name="Take the picture").click()
    assert visit.found("camera.jpg") == "One face found in camera.jpg."
    assert visit.page.evaluate("document.querySelector('video').srcObject.getTracks()[0].readyState") == "ended"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(visit: Visit, scheme: str) -> None:
    page, endless = visit.page, "a_name_without_any_end_" * 5 + ".jpg"
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme=scheme)
    assert not wide(page)
    visit.send(endless, b"x")
    page.locator(".problem:not(:empty)").wait_for()
    assert not wide(page)
    visit.send(endless, jpeg(np.tile(TWO, (3, 2, 1))))
    page.locator(".result").wait_for()
    assert page.locator(".faces label").count() > 8 and not wide(page)
    for control in page.locator("button:visible, .faces label").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 40, "large enough for a finger"


def test_visitors_at_once_see_their_own_pictures(server: Server, browser: Any, visit: Visit, tmp_path: Path) -> None:
    shifts = [0, 40, 80]
    visits = [Visit(browser, server.address, tmp_path) for _ in shifts]
    for shift, each in zip(shifts, visits, strict=True):
        each.send(f"moved_{shift}.png", jpeg(np.roll(FACE, shift, axis=1)))
    lefts = []
    for shift, each in zip(shifts, visits, strict=True):
        each.found(f"moved_{shift}.png")
        (told,) = json.loads(each.save(".json").read_text())
        lefts.append(told["box"][0])
    np.testing.assert_allclose(np.subtract(lefts, lefts[0]), shifts, atol=6)
    assert not visit.page.locator(".result").is_visible(), "another visitor sees none of it"
    for each in visits:
        each.page.close()


def test_nothing_leaves_the_machine_and_nothing_stays_on_the_disk(server: Server, visit: Visit) -> None:
    visit.page.locator(".sample").click()
    visit.found("astronaut.jpg")
    foreign = [url for url in visit.requests if not url.startswith((server.address, "blob:", "data:"))]
    assert foreign == [] and len(visit.requests) > 10
    assert [path for path in server.temporary.rglob("*") if path.is_file()] == []


def test_a_lost_server_is_said(visit: Visit) -> None:
    visit.page.context.set_offline(True)
    visit.page.locator(".sample").click()
    visit.page.get_by_role("alert").filter(has_text="the server does not answer").wait_for()
    visit.send("face.jpg", jpeg(FACE))
    visit.page.get_by_role("alert").filter(has_text="The server does not answer. Is it still running?").wait_for()
    visit.page.context.set_offline(False)
    visit.send("again.jpg", jpeg(FACE))
    visit.found("again.jpg")
    assert visit.page.locator(".problem").inner_text() == ""
    visit.complaints.clear()  # the browser's own lines about the lost connection
