"""The page as a web application: gradio's queue and frame round our own page, and what it may be asked."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import skimage.data
from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware

from layers.common.errors import RarError
from tools.web.answer import Answerer
from tools.web.limits import Limits
from tools.web.pictures import KINDS, MOST_BYTES

PAGE = Path(__file__).with_name("page")
TITLE = "RAR: facial landmarks, step by step"
DETECT = "detect"
POST = f"/gradio_api/call/{DETECT}"
# What gradio's frame loads, and ours; no route of gradio that takes or hands out files is among them.
PAGES = ("/page/", "/sample.jpg", "/assets/", "/static/", "/theme.css", "/favicon.ico", "/manifest.json")
MOST_WAITING = 16  # pictures in the queue, all in memory
BASE64 = 4 / 3  # of the bytes
HEAD = '<link rel="stylesheet" href="/page/page.css">'
START = 'import("/page/main.js").then(page => page.start(element))'


def make_app(answerer: Answerer, hosts: list[str]) -> FastAPI:
    """The application. hosts: names by which browsers may call it, ["*"] for any."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/page", StaticFiles(directory=PAGE))
    sample = _sample()

    @app.get("/sample.jpg")
    def picture() -> Response:
        return Response(sample, media_type="image/jpeg")

    gr.mount_gradio_app(
        app,
        _blocks(answerer),
        path="/",
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        head=HEAD,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=False,
    )
    most = int(BASE64 * MOST_BYTES) + 4096
    app.add_middleware(Limits, pages=PAGES, post=POST, most_bytes=most)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    return app


def _blocks(answerer: Answerer) -> gr.Blocks:
    def detect(name: str, picture: str) -> dict[str, Any]:
        """The answer on a picture file in base64, or {"error": a sentence}."""
        try:
            return answerer.answer(name, base64.b64decode(picture, validate=True))
        except binascii.Error:
            return {"error": f"{name} did not arrive whole: send it again"}
        except RarError as error:
            return {"error": str(error)}

    with gr.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gr.HTML(
            html_template=(PAGE / "page.html").read_text(encoding="utf-8"),
            js_on_load=START,
            apply_default_css=False,
            most_bytes=MOST_BYTES,
            most_megabytes=MOST_BYTES >> 20,
            kinds=KINDS,
        )
        gr.api(detect, api_name=DETECT, concurrency_limit=1)  # one net, one picture at a time; the others wait
    return blocks.queue(max_size=MOST_WAITING)


def _sample() -> bytes:
    """Scikit-image's astronaut as a JPEG file."""
    return bytes(cv2.imencode(".jpg", cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))[1].tobytes())
