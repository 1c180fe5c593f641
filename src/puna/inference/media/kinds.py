"""What bytes are by their beginning: sound in one of the forms that the engine reads, or else a picture."""

_RIFF, _WAVE = b"RIFF", b"WAVE"
_FLAC, _TAGGED_MP3 = b"fLaC", b"ID3"
_FRAME_BITS, _LAYER_BITS = 0xE0, 0x06


def is_sound(data: bytes) -> bool:
    """Return whether bytes are WAV, FLAC or MP3."""
    if data.startswith(_RIFF):
        return data[8:12] == _WAVE
    if data.startswith((_FLAC, _TAGGED_MP3)):
        return True
    # A frame of MPEG audio: eleven bits set, then a version and a layer that is not the reserved one.
    return len(data) > 2 and data[0] == 0xFF and data[1] & _FRAME_BITS == _FRAME_BITS and data[1] & _LAYER_BITS != 0


def called(data: bytes, number: int = 1, count: int = 1) -> str:
    """Return what errors call a picture or sound: the ``number``-th, from 1, of the ``count`` of a request."""
    word = "sound" if is_sound(data) else "image"
    return f"{word} {number} of {count}" if count > 1 else ("a sound" if word == "sound" else "an image")
