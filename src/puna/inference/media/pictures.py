"""Pictures as the engine reads them: PNG or JPEG, upright, and of a size that it can hold.

The engine's own reader knows few formats, takes whatever size a file claims, and passes over the word of a camera on
which side is up. So Pillow looks at a picture first, and what the engine would not read as people see it becomes a PNG.
"""

import io
import warnings
from typing import TYPE_CHECKING, Any

from puna.errors import BadRequestError

if TYPE_CHECKING:
    from PIL import Image

MAX_PIXELS = 64_000_000
"""As many as the largest sensors of cameras have, and 256 MB once decoded. It is known before anything is decoded."""
_READ_BY_ENGINE = ("PNG", "JPEG")
_PROGRAM = "EPS"
"""A program, which Pillow would have Ghostscript carry out."""
_PLAIN_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_ORIENTATION, _UPRIGHT = 0x0112, (None, 0, 1)
_OPAQUE, _TRANSPARENT = "RGB", "RGBA"


class PictureError(BadRequestError):
    """What should be a picture is none that can be read."""


def for_engine(data: bytes, name: str = "an image") -> bytes:
    """Return a picture as the engine reads it; the first one of a file that has several.

    Raises ``PictureError``, which calls it ``name``. Takes up to seconds for a large one: call it in a thread.
    """
    from PIL import Image, UnidentifiedImageError  # for those who send pictures

    _register_heif()
    # What is odd about a file is of no interest to anybody if it can be read.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.format == _PROGRAM:
                raise PictureError(f"{name} cannot be read: {_PROGRAM} is not supported")
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise PictureError(f"{name} of {width} × {height} pixels is too large (at most {MAX_PIXELS} in all)")
            if _is_read_as_it_is(picture):
                return data  # and tells itself what is wrong with its data
            return _png(picture)
    except Image.DecompressionBombError:
        raise PictureError(f"{name} has too many pixels") from None
    except UnidentifiedImageError:
        raise PictureError(f"{name} cannot be read: it is in no known format") from None
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, RuntimeError) as error:
        # Pillow's readers of damaged files raise whatever comes.
        raise PictureError(f"{name} cannot be read: {' '.join(str(error).split())[:200]}") from None


def _is_read_as_it_is(picture: "Image.Image") -> bool:
    upright = picture.getexif().get(_ORIENTATION) in _UPRIGHT
    return picture.format in _READ_BY_ENGINE and picture.mode in _PLAIN_MODES and upright


def _png(picture: "Image.Image") -> bytes:
    from PIL import ImageOps

    picture.seek(0)
    upright = ImageOps.exif_transpose(picture)
    is_transparent = "transparency" in upright.info or "A" in upright.getbands() or "a" in upright.getbands()
    if upright.mode in ("I;16", "I;16B", "I", "F"):  # 16 bits a point: Pillow would cut them, not scale them
        upright = _to_eight_bits(upright)
    written = io.BytesIO()
    upright.convert(_TRANSPARENT if is_transparent else _OPAQUE).save(written, "PNG", compress_level=1)
    return written.getvalue()


def _to_eight_bits(picture: "Image.Image") -> "Image.Image":
    extrema: Any = picture.getextrema()
    full = 65535.0 if extrema[1] > 255 else 255.0
    return picture.convert("F").point(lambda value: value * (255.0 / full)).convert("L")


def _register_heif() -> None:
    """Let Pillow read HEIC where its plugin is installed."""
    try:
        import pillow_heif  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return
    pillow_heif.register_heif_opener()
