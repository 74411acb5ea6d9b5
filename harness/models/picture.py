"""The one picture that every model sees: brought along, downloaded, or generated.

A picture is untrusted: its size is bounded before it is kept and before it is decoded, and only
common formats are decoded at all.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import io
import struct
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import requests
from PIL import Image

from harness.contract.plan import Picture

MAX_BYTES: Final = 20 * 1024 * 1024
MAX_PIXELS: Final = 64 * 1024 * 1024
FORMATS: Final = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
GENERATED_SIZE: Final = (640, 480)

_WORTH_RETRYING: Final = (408, 429, 500, 502, 503, 504)
_NO_URL: Final = (
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
)
_UNDECODABLE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error)
_CHUNK_BYTES: Final = 1 << 16
_MAX_NAME_CHARACTERS: Final = 200
_KNOWN_PICTURES: Final = {
    "http://images.cocodataset.org/val2017/000000039769.jpg": "COCO 000000039769"
}


class PictureError(Exception):
    """The picture could not be had; the message is one sentence with advice."""


class _PassingError(Exception):
    """A download failed in a way that may be over a moment later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a download is, in seconds; pauses double from attempt to attempt."""

    connect_s: float = 10.0
    read_s: float = 20.0
    whole_s: float = 120.0
    attempts: int = 3
    first_pause_s: float = 0.5


@dataclass(frozen=True, slots=True)
class Obtained:
    """An RGB picture, and one line that says which it is."""

    image: Image.Image
    description: str


def obtain(picture: Picture, cache_folder: Path, *, limits: Limits | None = None) -> Obtained:
    """Get the picture that a plan asks for.

    Args:
        cache_folder: where downloads are kept; made when missing. Where that is impossible, the
            picture is downloaded every time.
    Raises: PictureError.
    """
    if picture.content_base64 is not None:
        return _decoded(_from_base64(picture.content_base64), picture.url or "picture of the plan")
    try:
        return _downloaded(picture.url, cache_folder, limits or Limits())
    except PictureError:
        if not picture.fallback:
            raise
    return generated()


def generated() -> Obtained:
    """A 640x480 picture, always the same one, with the spectrum of a photograph.

    Amplitudes fall with frequency as in nature (Field 1987, J. Opt. Soc. Am. A 4), so it has
    large shapes and fine detail, and no flat areas.
    """
    width, height = GENERATED_SIZE
    noise = np.random.default_rng(39769).standard_normal((3, height, width))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    falling = np.fft.fft2(noise) / np.maximum(frequency, 1 / width)
    falling[:, 0, 0] = 0
    channels = np.fft.ifft2(falling).real
    pixels = 127.5 + 60 * channels / channels.std(axis=(1, 2), keepdims=True)
    rgb = np.moveaxis(pixels.clip(0, 255), 0, -1).astype(np.uint8)
    return Obtained(Image.fromarray(rgb), f"generated {width}x{height} picture")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise PictureError(f"the picture in the plan is not valid base64: {error}") from error


def _downloaded(url: str, cache_folder: Path, limits: Limits) -> Obtained:
    name = _KNOWN_PICTURES.get(url, _short(url))
    kept = cache_folder / hashlib.sha256(url.encode()).hexdigest()
    with contextlib.suppress(OSError, PictureError):
        return _decoded(kept.read_bytes(), name)
    content = _fetch(url, limits)
    obtained = _decoded(content, name)
    # A picture that cannot be kept is still a picture.
    with contextlib.suppress(OSError):
        _keep(content, kept)
    return obtained


def _fetch(url: str, limits: Limits) -> bytes:
    problem = ""
    for attempt in range(limits.attempts):
        if attempt > 0:
            time.sleep(limits.first_pause_s * 2 ** (attempt - 1))
        try:
            return _fetch_once(url, limits)
        except _PassingError as error:
            problem = str(error)
    raise _failed(url, f"{problem} ({limits.attempts} attempts)")


def _fetch_once(url: str, limits: Limits) -> bytes:
    deadline_s = time.monotonic() + limits.whole_s
    try:
        with requests.get(url, stream=True, timeout=(limits.connect_s, limits.read_s)) as response:
            answer = f"the server answered {response.status_code} {response.reason}"
            if response.status_code in _WORTH_RETRYING:
                raise _PassingError(answer)
            if not response.ok:
                raise _failed(url, answer)
            return _body(url, response, deadline_s)
    except _NO_URL as error:
        raise _failed(url, "that is no http or https address") from error
    except requests.Timeout as error:
        raise _PassingError("the server did not answer in time") from error
    except requests.RequestException as error:
        raise _PassingError("the connection failed or broke off") from error


def _body(url: str, response: requests.Response, deadline_s: float) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_BYTES:
            raise _failed(url, f"it is larger than {MAX_BYTES >> 20} MiB")
        if time.monotonic() > deadline_s:
            raise _PassingError("the transfer took too long")
    return bytes(content)


def _failed(url: str, problem: str) -> PictureError:
    return PictureError(
        f'the picture "{_short(url)}" could not be downloaded: {problem}; '
        "--image FILE takes a local picture, and --weights random needs no network"
    )


def _decoded(content: bytes, name: str) -> Obtained:
    """Decode to RGB. Raises: PictureError for what is no picture, or one too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                width, height = image.size
                if width * height > MAX_PIXELS:
                    raise _too_large(name)
                rgb = image.convert("RGB")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_large(name) from error
    except _UNDECODABLE as error:
        raise PictureError(
            f'"{name}" is not a picture in a common format ({", ".join(FORMATS)}), or is damaged: '
            "choose another one with --image"
        ) from error
    digest = hashlib.sha256(content).hexdigest()[:12]
    return Obtained(rgb, f"{name}, {width}x{height}, sha256 {digest}…")


def _too_large(name: str) -> PictureError:
    return PictureError(
        f'"{name}" has more than {MAX_PIXELS >> 20} million pixels: '
        "choose a smaller picture with --image"
    )


def _keep(content: bytes, target: Path) -> None:
    """Write whole or not at all, since several harnesses may share a cache."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
        partial = Path(file.name)
        try:
            file.write(content)
            file.flush()
            partial.replace(target)
        except OSError:
            partial.unlink(missing_ok=True)
            raise


def _short(text: str) -> str:
    return text if len(text) <= _MAX_NAME_CHARACTERS else f"…{text[-_MAX_NAME_CHARACTERS:]}"
