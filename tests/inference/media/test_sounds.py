"""Sound is measured before anything decodes it."""

import struct
import time
import wave
from io import BytesIO

import pytest
from tests.inference.media.sounds import flac, mp3, wav

from puna.inference.media.kinds import is_sound
from puna.inference.media.sounds import MAX_SECONDS, SoundError, check_sound


@pytest.mark.parametrize("data", [wav(), wav(seconds=2, rate=44100), flac(), mp3(), mp3(tag=True)])
def test_sound_is_taken(data: bytes) -> None:
    assert is_sound(data)
    check_sound(data)


def test_wav_that_was_written_as_a_stream_is_taken() -> None:
    data = bytearray(wav())
    data[4:8] = data[40:44] = b"\xff" * 4
    check_sound(bytes(data))


def header(*, form: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16, size: int = 0) -> bytes:
    block = channels * bits // 8
    told = struct.pack("<HHIIHH", form, channels, rate, rate * block, block, bits)
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + told + b"data" + struct.pack("<I", size) + bytes(size)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (header(rate=1, bits=8, size=MAX_SECONDS + 1), "is too long"),
        (flac(4, 1), "is too long"),
        (mp3(140_000), "is too long"),
        (header(size=0), "there is nothing in it"),
        (header(form=2, size=100), "a WAV of kind 2"),
        (header(rate=0, size=100), "header is damaged"),
        (header(channels=0, size=100), "header is damaged"),
        (wav()[:20], "header is damaged"),
        (b"RIFF\0\0\0\0WAVE", "header is damaged"),
        (b"fLaC", "header is damaged"),
        (flac()[:20], "does not say how long"),
        (flac(0), "does not say how long"),
        (b"ID3", "header is damaged"),
        (b"ID3\x04\0\0\x7f\x7f\x7f\x7f", "there is nothing in it"),
        (b"\xff\xfb\x00\xc4" + bytes(100), "there is nothing in it"),
    ],
)
def test_other_sound_is_refused(data: bytes, reason: str) -> None:
    assert is_sound(data)
    with pytest.raises(SoundError, match=f"^sound 2 of 3.* {reason}"):
        check_sound(data, "sound 2 of 3")


@pytest.mark.parametrize("data", [b"\xff\xfb" * 4_000_000, b"\xff\xfb\x00" + bytes(8_000_000)])
def test_what_only_begins_as_sound_takes_no_time(data: bytes) -> None:
    before = time.process_time()
    with pytest.raises(SoundError):
        check_sound(data)
    assert time.process_time() - before < 10  # all frames looked for, it would be minutes


@pytest.mark.parametrize("sound", [wav(seconds=0.01), flac(1), mp3(2)])
def test_a_damaged_file_is_taken_or_refused_but_never_an_error_of_ours(sound: bytes) -> None:
    for at in range(min(len(sound), 64)):
        for length in (at, len(sound)):
            changed = bytearray(sound)
            changed[at] ^= 0xFF
            try:
                check_sound(bytes(changed[:length]))
            except SoundError:
                continue


def test_a_tone_is_what_it_says() -> None:
    with wave.open(BytesIO(wav(seconds=2))) as file:
        assert file.getnframes() == 2 * file.getframerate()
