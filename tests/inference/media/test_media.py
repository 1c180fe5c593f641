"""Pictures in many formats become what the engine reads; sound is known by its beginning."""

import contextlib
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from puna.inference.media.kinds import is_sound
from puna.inference.media.pictures import MAX_PIXELS, PictureError, for_engine

RED, BLUE = (200, 30, 20), (20, 40, 210)


def halves(mode: str = "RGB", size: tuple[int, int] = (32, 16)) -> Image.Image:
    """Return a picture that is red on the left and blue on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (size[0] // 2, 0, *size))
    return picture.convert(mode)


def written(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def seen(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def near(one: Any, other: Any) -> bool:
    return all(abs(a - b) < 30 for a, b in zip(one, other, strict=False))


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "AVIF", "BMP", "GIF", "PPM", "JPEG2000", "TGA", "ICO"])
def test_becomes_a_png(kind: str) -> None:
    result = seen(for_engine(written(halves(), kind)))
    assert result.format == "PNG"
    pixels = result.convert("RGB")
    assert near(pixels.getpixel((4, pixels.height // 2)), RED)
    assert near(pixels.getpixel((pixels.width - 4, pixels.height // 2)), BLUE)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_png_stays_as_it_is(mode: str) -> None:
    data = written(halves(mode), "PNG")
    assert for_engine(data) is data


def test_a_jpeg_stays_as_it_is_unless_it_lies_on_its_side() -> None:
    data = written(halves(), "JPEG")
    assert for_engine(data) is data
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned right by a quarter: what is left comes to the top
    result = seen(for_engine(written(halves(), "JPEG", exif=turned)))
    assert (result.format, result.size) == ("PNG", (16, 32))
    assert near(result.getpixel((8, 4)), RED)
    assert near(result.getpixel((8, 28)), BLUE)


def test_transparency_is_kept() -> None:
    result = seen(for_engine(written(Image.new("RGBA", (8, 8), (1, 2, 3, 0)), "WEBP", lossless=True)))
    assert result.mode == "RGBA"
    assert result.getpixel((4, 4))[3] == 0  # type: ignore[index]


def test_sixteen_bits_become_eight() -> None:
    picture = Image.new("I;16", (8, 8), 32768)
    assert near(seen(for_engine(written(picture, "PNG"))).convert("RGB").getpixel((4, 4)), (128, 128, 128))


def test_the_colours_of_print_become_those_of_screens() -> None:
    result = seen(for_engine(written(halves("CMYK"), "JPEG")))
    assert (result.format, result.mode) == ("PNG", "RGB")


def test_the_first_of_several_pictures_is_taken() -> None:
    data = written(halves(), "GIF", save_all=True, append_images=[Image.new("RGB", (32, 16), BLUE)])
    assert near(seen(for_engine(data)).convert("RGB").getpixel((4, 8)), RED)


def test_the_pictures_of_telephones() -> None:
    pytest.importorskip("pillow_heif", reason="the extra heic is not installed").register_heif_opener()
    data = written(halves(size=(64, 32)), "HEIF")
    assert data[4:12] == b"ftypheic"
    result = seen(for_engine(data))
    assert (result.format, result.size) == ("PNG", (64, 32))
    assert near(result.getpixel((4, 8)), RED)
    assert near(result.getpixel((60, 8)), BLUE)
    claiming, size = bytearray(data), data.index(b"ispe") + 8
    claiming[size : size + 8] = struct.pack(">II", 60_000, 60_000)
    for spoilt in (data[:100], bytes(claiming)):
        with pytest.raises(PictureError, match="an image"):
            for_engine(spoilt)


def huge_png(width: int, height: int) -> bytes:
    """Return a small file that claims to be a large picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (2_000_000_000, 1), (MAX_PIXELS + 1, 1)])
def test_a_picture_that_claims_to_be_large_is_refused_undecoded(size: tuple[int, int]) -> None:
    with pytest.raises(PictureError, match="pixels"):
        for_engine(huge_png(*size))


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n", written(halves(), "WEBP")[:60], written(halves(), "TIFF")[:40], b"<svg/>"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(PictureError, match="an image cannot be read"):
        for_engine(data)


def test_a_program_is_no_picture() -> None:
    with pytest.raises(PictureError, match="EPS is not supported"):
        for_engine(written(halves(), "EPS"))


def test_the_one_at_fault_is_named() -> None:
    for data in (b"hello", huge_png(30_000, 30_000), huge_png(8_001, 8_000), written(halves(), "TIFF")[:40]):
        with pytest.raises(PictureError, match=r"^image 2 of 3 "):
            for_engine(data, "image 2 of 3")


def test_a_damaged_file_is_refused_or_read_but_never_an_error_of_ours() -> None:
    for kind in ("WEBP", "TIFF", "GIF", "BMP", "JPEG2000"):
        data = bytearray(written(halves(), kind))
        for at in range(0, len(data), 7):
            changed = data.copy()
            changed[at] ^= 0xFF
            with contextlib.suppress(PictureError):
                assert seen(for_engine(bytes(changed))).format in ("PNG", "JPEG")


@pytest.mark.parametrize(
    "data",
    [b"RIFF\x24\0\0\0WAVEfmt ", b"fLaC\0\0\0\x22", b"ID3\x04\0\0", b"\xff\xfb\x90\x64", b"\xff\xf3\x44\xc4"],
)
def test_sound(data: bytes) -> None:
    assert is_sound(data)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"RIFF\x24\0\0\0WEBPVP8 ", b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xf1\x50\x80"]
)
def test_no_sound(data: bytes) -> None:
    assert not is_sound(data)
