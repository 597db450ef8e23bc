"""Images as videos of one frame, read by Pillow exactly as torchvision's ImageFolder reads them.

Results on ImageNet compare to everyone else's only from the same pixels, and FFmpeg's are others: it scales the chroma
of a usual JPEG up in another way (5 levels off on average, 43 at most, on a picture of strong colours). So:
`convert("RGB")`; alpha is dropped, not blended; an EXIF orientation is not applied; of an animation the first picture
is the frame. One thing differs from ImageFolder: 16-bit grey keeps its upper eight bits, where Pillow's own conversion
cuts everything above 255 to white.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from videogn.data.decoding.video import ByNumber, DecodeError
from videogn.data.decoding.window import Frame

# By content, whatever the name says (ImageNet has a PNG called .JPEG). Not all that Pillow knows: for some formats it
# starts other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")


class ImageVideo(ByNumber):
    """An image file as a video of one frame; see `Video`.

    Raises:
        DecodeError: There is no such file.
    """

    num_frames = 1

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if not Path(self.path).is_file():
            raise DecodeError(self.path, "no such file")

    def count_frames(self) -> int:
        """Decode the image; return 1."""
        read_image(self.path)
        return self.num_frames

    def _frames(self, wanted: list[int]) -> Iterator[Frame]:
        yield read_image(self.path)


def read_image(path: str) -> Frame:
    """Return an image file, uint8 [H, W, 3].

    Raises:
        DecodeError: It can't be read.
    """
    try:
        # Pillow warns of oddities that it reads all the same, once a file: EXIF data cut short, palettes' alpha.
        with warnings.catch_warnings(action="ignore"), open(path, "rb") as file:
            return _to_rgb(Image.open(file, formats=FORMATS))
    except UnidentifiedImageError as error:
        reason = "no image" if Path(path).stat().st_size else "the file is empty"
        raise DecodeError(path, f"{reason}; expected one of {', '.join(FORMATS)}") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them trip over
        raise DecodeError(path, str(error) or type(error).__name__) from error


def _to_rgb(image: Image.Image) -> Frame:
    """Return uint8 [H, W, 3] of its own memory.

    Raises:
        ValueError: Pixels of 32 bits or floats, for which it is not known what white is.
    """
    if image.mode in {"I", "F"}:
        raise ValueError(f"pixels of mode {image.mode} (32 bits) have no known range; expected 8 or 16 bits")
    if image.mode.startswith("I;16"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(image.convert("RGB"))
