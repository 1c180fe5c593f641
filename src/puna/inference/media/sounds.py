"""Sound as the engine takes it: how long it is, is known before anything is decoded.

The engine decodes a whole file into numbers of four bytes at the rate that its model hears. How many that are, is up to
a few bytes of the file, so these are looked at first.
"""

import struct
from collections.abc import Callable

from puna.errors import BadRequestError

MAX_SECONDS = 3600
_WAVE_FORMATS = (1, 3, 6, 7)
"""Plain numbers, whole ones and others, and two kinds of one byte each (A-law and µ-law)."""
_EXTENSIBLE = 0xFFFE
_LOST = 4096
"""How many times a frame is looked for in vain before the rest of a file counts as something else."""
_SAMPLES = ((384, 1152, 1152), (384, 1152, 576))
_RATES = (44100, 48000, 32000)
_KILOBITS = (
    (
        (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    ),
    (
        (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
        (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    ),
)
"""Bit rates of the layers I to III, of MPEG-1 and of its later halves (ISO 11172-3 and 13818-3)."""


class SoundError(BadRequestError):
    """What should be sound is none that can be heard."""


class _FaultError(Exception):
    """Why sound cannot be read."""


def check_sound(data: bytes, name: str = "a sound") -> None:
    """Raise ``SoundError``, which calls it ``name``, for sound that is damaged, empty or too long.

    ``data`` begins as WAV, FLAC or MP3 do. Takes up to a second for a long one: call it in a thread.
    """
    measure: Callable[[bytes], float] = _wave
    if data.startswith(b"fLaC"):
        measure = _flac
    elif not data.startswith(b"RIFF"):
        measure = _mpeg
    try:
        seconds = measure(data)
    except _FaultError as error:
        raise SoundError(f"{name} cannot be read: {error}") from None
    except (struct.error, ValueError, IndexError):
        raise SoundError(f"{name} cannot be read: its header is damaged") from None
    if seconds <= 0:
        raise SoundError(f"{name} cannot be read: there is nothing in it")
    if seconds > MAX_SECONDS:
        raise SoundError(f"{name} is too long (at most {MAX_SECONDS} seconds)")


def _wave(data: bytes) -> float:
    """Return the seconds of a WAV file; one that was written as a stream says a size that it has not."""
    at, bytes_per_second = 12, 0  # after the name of the container, its size, and that of the form
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if kind == b"fmt ":
            bytes_per_second = _wave_rate(data, at, size)
        elif kind == b"data":
            if bytes_per_second <= 0:
                break
            return min(int(size), len(data) - at) / bytes_per_second
        at += size + size % 2
    raise _FaultError("its header is damaged")


def _wave_rate(data: bytes, at: int, size: int) -> int:
    form, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", data, at)
    if form == _EXTENSIBLE and size >= 40:
        (form,) = struct.unpack_from("<H", data, at + 24)
    if form not in _WAVE_FORMATS:
        raise _FaultError(f"it is a WAV of kind {form}, which is not supported")
    return int(rate * (channels * bits // 8 or block))


def _flac(data: bytes) -> float:
    """Return the seconds of a FLAC file, whose first block tells its rate and how many samples there are."""
    if data[4] & 0x7F:
        raise _FaultError("its header is damaged")
    packed = int.from_bytes(data[18:26])
    rate, samples = packed >> 44, packed & (1 << 36) - 1
    if not rate or not samples:
        raise _FaultError("it does not say how long it is")
    return samples / rate


def _mpeg(data: bytes) -> float:
    """Return the seconds of an MP3 file: those of its frames together, until they are too many."""
    at, seconds, lost = _after_tag(data), 0.0, 0
    while at + 4 <= len(data) and seconds <= MAX_SECONDS and lost < _LOST:
        frame = _frame(data, at)
        if frame:
            at += frame[0]
            seconds += frame[1]
        else:
            lost += 1
            at = data.find(b"\xff", at + 1)
            if at < 0:
                break
    return seconds


def _after_tag(data: bytes) -> int:
    """Return where a file's first frame may begin: after its tag, whose size has seven bits a byte (ID3v2)."""
    if not data.startswith(b"ID3"):
        return 0
    a, b, c, d = data[6:10]
    return 10 + (a << 21 | b << 14 | c << 7 | d)


def _frame(data: bytes, at: int) -> tuple[int, float] | None:
    """Return the bytes and seconds of the frame of MPEG audio that begins here, ``None`` if none does."""
    first, second, third = data[at : at + 3]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    bits, rate = third >> 4, third >> 2 & 3
    if first != 0xFF or second < 0xE0 or version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    half = version != 3
    hertz = _RATES[rate] >> (half + (version == 0))
    samples = _SAMPLES[half][layer - 1]
    padding = (third >> 1 & 1) * (4 if layer == 1 else 1)
    size = samples // 8 * _KILOBITS[half][layer - 1][bits] * 1000 // hertz
    return (size // 4 * 4 if layer == 1 else size) + padding, samples / hertz
