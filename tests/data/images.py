"""Real image files of every kind, made by the tests that need them."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(height: int = 60, width: int = 90, seed: int = 0) -> Image.Image:
    """Smooth noise of strong colours."""
    noise = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def write_image(path: Path, image: Image.Image | None = None, kind: str | None = None, **settings: object) -> Path:
    """Writes a picture; `kind` is Pillow's name of a format where the suffix does not tell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (picture() if image is None else image).save(path, kind, **settings)
    return path


def write_kinds(folder: Path) -> list[Path]:
    """An image of every kind that people's folders hold."""
    rgb, grey = picture(), picture().convert("L")
    turned = Image.Exif()
    turned[0x112] = 6
    return [
        write_image(folder / "rgb.jpg", rgb),
        write_image(folder / "444.jpeg", rgb, quality=95, subsampling=0),
        write_image(folder / "progressive.JPG", rgb, progressive=True),
        write_image(folder / "grey.jpg", grey),
        write_image(folder / "cmyk.JPEG", rgb.convert("CMYK")),
        write_image(folder / "turned.jpg", rgb, exif=turned),
        write_image(folder / "png.JPEG", rgb, "PNG"),
        write_image(folder / "gif.jpg", rgb, "GIF"),
        write_image(folder / "two.jpg", rgb, "MPO", save_all=True, append_images=[picture(seed=1)]),
        write_image(folder / "rgb.png", rgb),
        write_image(folder / "grey.png", grey),
        write_image(folder / "bits.png", grey.convert("1")),
        write_image(folder / "palette.png", rgb.quantize(32)),
        write_image(folder / "palette_alpha.png", rgb.quantize(32), transparency=bytes(range(0, 256, 8))),
        write_image(folder / "rgba.png", Image.merge("RGBA", [*rgb.split(), grey])),
        write_image(folder / "grey_alpha.png", Image.merge("LA", [grey, grey])),
        write_image(folder / "a.webp", rgb),
        write_image(folder / "lossless.WebP", rgb, lossless=True),
        write_image(folder / "moving.webp", rgb, save_all=True, append_images=[picture(seed=1)]),
        write_image(folder / "a.bmp", rgb),
        write_image(folder / "a.tif", rgb),
        write_image(folder / "lzw.TIFF", rgb, compression="tiff_lzw"),
        write_image(folder / "a.ppm", rgb),
        write_image(folder / "a.pgm", grey),
    ]
