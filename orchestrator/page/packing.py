"""Bytes as text that a page can hold: deflated, then 13 bits to two characters (pure).

Base 64 takes a third more than the bytes; two characters of an alphabet of 91 take 23 % more (91²
is a little above 2¹³, as in Henke's basE91). The alphabet has no `<` and no `&`, so such a text
cannot end its element whatever went into it, and no `\\`.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np

ALPHABET: Final = bytes(code for code in range(33, 127) if code not in b"<&\\")
_BITS: Final = 13
_LARGE: Final = 4 << 20
_BASE: Final = len(ALPHABET)


def pack(content: bytes, *, is_noise: bool = False) -> str:
    """Bytes -> the length of what is packed, a space, and the text; `unpack` reads it.

    Args:
        is_noise: small numbers around zero, which repeat nothing that could be referred to.
    """
    strategy = zlib.Z_HUFFMAN_ONLY if is_noise else zlib.Z_DEFAULT_STRATEGY
    # A lower level of memory describes shorter stretches by themselves, which suits columns.
    memory = 9 if is_noise else 4
    # Above this the slowest search for repetitions takes seconds and gains a hundredth.
    packer = zlib.compressobj(6 if len(content) > _LARGE else 9, memLevel=memory, strategy=strategy)
    packed = packer.compress(content) + packer.flush()
    bits = np.unpackbits(np.frombuffer(packed, dtype=np.uint8))
    padded = np.pad(bits, (0, -bits.size % _BITS)).reshape(-1, _BITS)
    numbers = np.zeros(len(padded), dtype=np.uint16)
    for column in padded.T:
        numbers <<= 1
        numbers |= column
    digits = np.stack([numbers // _BASE, numbers % _BASE], axis=1).ravel()
    return f"{len(packed)} {np.frombuffer(ALPHABET, dtype=np.uint8)[digits].tobytes().decode()}"


def unpack(text: str) -> bytes:
    """What `pack` packed."""
    size, _, characters = text.partition(" ")
    places = np.zeros(128, dtype=np.int64)
    places[list(ALPHABET)] = np.arange(_BASE)
    digits = places[np.frombuffer(characters.encode(), dtype=np.uint8)].reshape(-1, 2)
    numbers = digits[:, 0] * _BASE + digits[:, 1]
    bits = numbers[:, None] >> np.arange(_BITS)[::-1] & 1
    return zlib.decompress(np.packbits(bits.astype(np.uint8)).tobytes()[: int(size)])
