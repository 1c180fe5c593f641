"""Sounds in the forms that are read: tones as WAV, silence as FLAC and MP3."""

import io
import math
import struct
import wave


def wav(hertz: float = 440, seconds: float = 0.5, rate: int = 16000) -> bytes:
    """Return a tone as WAV."""
    samples = [round(12000 * math.sin(2 * math.pi * hertz * step / rate)) for step in range(round(seconds * rate))]
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return written.getvalue()


def flac(frames: int = 4, rate: int = 16000) -> bytes:
    """Return silence as FLAC, in frames of 4,096 samples of 16 bits (RFC 9639)."""
    size = 4096
    told = (rate << 44) | (15 << 36) | frames * size
    header = struct.pack(">HH", size, size) + bytes(6) + told.to_bytes(8) + bytes(16)
    body = b""
    for number in range(frames):
        start = b"\xff\xf8\xc5\x08" + bytes([number])  # 4,096 samples at 16 kHz, one channel, 16 bits
        frame = start + bytes([_crc(start, 0x07, 8)]) + bytes(3)  # one value for all samples
        body += frame + _crc(frame, 0x8005, 16).to_bytes(2)
    return b"fLaC\x80\0\0\x22" + header + body


def mp3(frames: int = 20, tag: bool = False) -> bytes:
    """Return silence as MP3: frames of 1,152 samples at 44.1 kHz and 128 kbit/s."""
    return (b"ID3\x04\0\0\0\0\0\x0a" + bytes(10)) * tag + (b"\xff\xfb\x90\xc4" + bytes(413)) * frames


def _crc(data: bytes, polynomial: int, bits: int) -> int:
    value, top = 0, 1 << bits - 1
    for byte in data:
        value ^= byte << bits - 8
        for _ in range(8):
            value = value << 1 ^ (polynomial if value & top else 0)
            value &= (1 << bits) - 1
    return value
