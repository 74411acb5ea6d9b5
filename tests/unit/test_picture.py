"""Getting the picture: from the plan, from a server on loopback, from the cache, or generated."""

from __future__ import annotations

import base64
import io
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.contract.plan import Picture
from harness.models import picture
from harness.models.picture import Limits, PictureError, obtain

IMPATIENT = Limits(connect_s=0.5, read_s=0.3, whole_s=2.0, attempts=2, first_pause_s=0.01)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


PNG = encoded(Image.new("RGB", (8, 6), "teal"))


def huge_png(edge: int) -> bytes:
    """A few bytes that claim to be a picture of edge x edge pixels."""
    header = struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))


def chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


class Server(ThreadingHTTPServer):
    """Answers by path; counts what it was asked."""

    daemon_threads = True
    asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked += 1
        match self.path:
            case "/picture.png":
                self.answer(200, PNG)
            case "/recovers.png":
                self.answer(200 if self.server.asked > 1 else 503, PNG)
            case "/cut.png":
                self.answer(200, PNG, length=len(PNG) + 1000)
            case "/slow.png":
                time.sleep(1)
            case "/page.html":
                self.answer(200, b"<html>not a picture</html>")
            case "/large.png":
                self.answer(200, bytes(picture.MAX_BYTES + 1))
            case "/local":
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
            case _:
                self.answer(404, b"")

    def answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def brought(content: bytes) -> Picture:
    return Picture(url="", content_base64=base64.b64encode(content).decode())


def problem(wanted: Picture, folder: Path) -> str:
    with pytest.raises(PictureError) as caught:
        obtain(wanted, folder, limits=IMPATIENT)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 600
    return sentence


def test_a_picture_in_the_plan_needs_no_network(tmp_path: Path) -> None:
    obtained = obtain(brought(PNG), tmp_path)
    assert obtained.image.getpixel((0, 0)) == (0, 128, 128)
    assert obtained.description.startswith("picture of the plan, 8x6, sha256 ")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path, mode: str) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    obtained = obtain(brought(encoded(Image.new(mode, (4, 4)), kind)), tmp_path)
    assert (obtained.image.mode, obtained.image.size) == ("RGB", (4, 4))


def test_a_download_is_kept_and_asked_for_once(server: Server, tmp_path: Path) -> None:
    wanted = Picture(url=f"{server.url}/picture.png")
    first, second = obtain(wanted, tmp_path / "new"), obtain(wanted, tmp_path / "new")
    assert server.asked == 1
    assert first.description == second.description
    assert len(list((tmp_path / "new").iterdir())) == 1


def test_a_damaged_cache_is_repaired(server: Server, tmp_path: Path) -> None:
    wanted = Picture(url=f"{server.url}/picture.png")
    obtain(wanted, tmp_path)
    next(tmp_path.iterdir()).write_bytes(b"half a pict")
    obtain(wanted, tmp_path)
    obtain(wanted, tmp_path)
    assert server.asked == 2


def test_a_cache_that_cannot_be_written_is_done_without(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    wanted = Picture(url=f"{server.url}/picture.png")
    assert obtain(wanted, tmp_path / "file").image.size == (8, 6)


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    wanted = Picture(url=f"{server.url}/recovers.png")
    assert obtain(wanted, tmp_path, limits=IMPATIENT).image.size == (8, 6)
    assert server.asked == 2


def test_a_missing_picture_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    sentence = problem(Picture(url=f"{server.url}/gone.png"), tmp_path)
    assert "/gone.png" in sentence
    assert "404" in sentence
    assert "--weights random" in sentence
    assert "--image FILE" in sentence
    assert server.asked == 1


@pytest.mark.parametrize(("path", "said"), [("/slow.png", "in time"), ("/cut.png", "broke off")])
def test_a_download_that_stalls_or_breaks_off_is_tried_again(
    server: Server, tmp_path: Path, path: str, said: str
) -> None:
    assert said in problem(Picture(url=server.url + path), tmp_path)
    assert server.asked == IMPATIENT.attempts
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_picture_is_refused_and_not_kept(server: Server, tmp_path: Path) -> None:
    assert "not a picture" in problem(Picture(url=f"{server.url}/page.html"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_download_without_end_is_stopped(server: Server, tmp_path: Path) -> None:
    assert "larger than 20 MiB" in problem(Picture(url=f"{server.url}/large.png"), tmp_path)


@pytest.mark.parametrize("url", ["", "picture.png", "file:///etc/hostname", "http://"])
def test_only_web_addresses_are_downloaded(tmp_path: Path, url: str) -> None:
    assert "no http or https address" in problem(Picture(url=url), tmp_path)


def test_a_redirect_cannot_reach_local_files(server: Server, tmp_path: Path) -> None:
    assert "no http or https address" in problem(Picture(url=f"{server.url}/local"), tmp_path)


@pytest.mark.parametrize("edge", [9_000, 12_000, 60_000])
def test_a_decompression_bomb_is_never_decoded(tmp_path: Path, edge: int) -> None:
    assert "million pixels" in problem(brought(huge_png(edge)), tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", PNG[:40], PNG[:-30], encoded(Image.new("L", (9, 9)), "PPM")]
)
def test_damaged_and_uncommon_pictures_are_refused(tmp_path: Path, content: bytes) -> None:
    assert "damaged" in problem(brought(content), tmp_path)


def test_text_that_is_no_base64_is_refused(tmp_path: Path) -> None:
    assert "base64" in problem(Picture(url="", content_base64="@@"), tmp_path)


def test_a_generated_picture_stands_in_where_the_plan_allows(
    server: Server, tmp_path: Path
) -> None:
    wanted = Picture(url=f"{server.url}/gone.png", fallback=True)
    obtained = obtain(wanted, tmp_path, limits=IMPATIENT)
    assert obtained.description == "generated 640x480 picture"
    assert list(tmp_path.iterdir()) == []


def test_no_stand_in_for_a_picture_that_was_brought_along(tmp_path: Path) -> None:
    wanted = brought(b"broken").model_copy(update={"fallback": True})
    assert "damaged" in problem(wanted, tmp_path)


def test_the_generated_picture_is_always_the_same_and_never_flat() -> None:
    pixels = np.asarray(picture.generated().image)
    assert np.array_equal(pixels, np.asarray(picture.generated().image))
    assert pixels.shape == (480, 640, 3)
    tiles = pixels.reshape(30, 16, 40, 16, 3).std(axis=(1, 3))
    assert tiles.min() > 5


def test_a_very_long_url_makes_a_short_sentence(tmp_path: Path) -> None:
    assert "address" in problem(Picture(url="x" * 4000), tmp_path)
