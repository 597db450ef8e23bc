"""Other ways to read frames and to make a training sample of them, each as its own users write it.

Shapes: T frames, H, W, C = 3 (RGB), uint8; frames of a file as [T, H, W, C], a sample as a batch of one for a 3-D
network, [1, C, T, crop, crop].
Every library decodes with one thread. What isn't installed is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from videogn.tools.bench.clips import Clip

FrameStack = NDArray[np.uint8]  # [T, H, W, C]
ReadFrames = Callable[[str, Sequence[int]], FrameStack]
MakeSample = Callable[[Clip], torch.Tensor]


def pyav_frames(path: str, indices: Sequence[int]) -> FrameStack:
    """Return PyAV's own loop, from the beginning: every frame up to the last wanted one."""
    import av

    wanted = set(indices)
    with av.open(path) as container:
        container.streams.video[0].thread_type = "NONE"
        found = {}
        for index, frame in enumerate(container.decode(video=0)):
            if index in wanted:
                found[index] = frame.to_ndarray(format="rgb24")
            if len(found) == len(wanted):
                break
    return np.stack([found[index] for index in indices])


def decord_frames(path: str, indices: Sequence[int]) -> FrameStack:
    """Return what decord gives, as MMAction2's loader calls it."""
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    return decord.VideoReader(path, num_threads=1).get_batch(list(indices)).asnumpy()


def torchcodec_frames(path: str, indices: Sequence[int]) -> FrameStack:
    """Return torchcodec in its default (exact) mode, its frames as they lie fastest."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(path, num_ffmpeg_threads=1, dimension_order="NHWC")
    return decoder.get_frames_at(list(indices)).data.numpy()


def decord_opencv_sample(clip: Clip) -> torch.Tensor:
    """Return a sample by decord and OpenCV: MMAction2's DecordDecode, Resize, RandomCrop, Flip, FormatShape."""
    import cv2

    cv2.setNumThreads(1)
    frames = decord_frames(clip.path, clip.indices)
    size = _scaled(frames.shape[1], frames.shape[2], clip.augmentation.scale_size)
    scaled = [cv2.resize(frame, size[::-1], interpolation=cv2.INTER_LINEAR) for frame in frames]
    top, left = _corner(clip, *size)
    cropped = [frame[top : top + clip.crop_size, left : left + clip.crop_size] for frame in scaled]
    flipped = [cv2.flip(frame, 1) if clip.augmentation.flip else frame for frame in cropped]
    return torch.stack([torch.from_numpy(np.stack(flipped).transpose(3, 0, 1, 2))])


def torchcodec_torchvision_sample(clip: Clip) -> torch.Tensor:
    """Return a sample by torchcodec and torchvision's transforms on the whole clip, collated as a 3-D network takes it.

    Its decoder's own resizing and its approximate mode were no faster.
    """
    from torchcodec.decoders import VideoDecoder
    from torchvision.transforms.v2 import functional as transforms

    decoder = VideoDecoder(clip.path, num_ffmpeg_threads=1)
    frames = decoder.get_frames_at(clip.indices).data
    scaled = transforms.resize(frames, [clip.augmentation.scale_size], antialias=True)
    top, left = _corner(clip, *scaled.shape[-2:])
    cropped = transforms.crop(scaled, top, left, clip.crop_size, clip.crop_size)
    flipped = transforms.horizontal_flip(cropped) if clip.augmentation.flip else cropped
    return torch.stack([flipped.transpose(0, 1)])


def pytorchvideo_sample(clip: Clip) -> torch.Tensor:
    """Return a sample by PyTorchVideo's EncodedVideo and its tutorial's transforms, float32; not normalised.

    The transforms are written out: the package's own do not import beside today's torchvision.
    """
    from pytorchvideo.data.encoded_video import EncodedVideo

    video: Any = EncodedVideo.from_path(clip.path, decode_audio=False)
    try:
        rate = float(video._container.streams.video[0].average_rate)
        first, last = clip.indices[0], clip.indices[-1]
        frames = video.get_clip((first - 0.5) / rate, (last + 0.5) / rate)["video"]  # float32 [C, T, H, W], 0..255
    finally:
        video.close()
    frames = frames[:, torch.linspace(0, frames.shape[1] - 1, len(clip.indices)).long()]
    size = _scaled(frames.shape[2], frames.shape[3], clip.augmentation.scale_size)
    scaled = F.interpolate(frames, size, mode="bilinear", align_corners=False)
    top, left = _corner(clip, *size)
    cropped = scaled[..., top : top + clip.crop_size, left : left + clip.crop_size]
    return torch.stack([cropped.flip(-1) if clip.augmentation.flip else cropped])


def _scaled(height: int, width: int, short_px: int) -> tuple[int, int]:
    short = min(height, width)
    return height * short_px // short, width * short_px // short


def _corner(clip: Clip, height: int, width: int) -> tuple[int, int]:
    _, top, left, _ = clip.augmentation
    return int(top * (height - clip.crop_size + 1)), int(left * (width - clip.crop_size + 1))


# name -> what does it, and the packages that it needs
_FRAMES: dict[str, tuple[ReadFrames, tuple[str, ...]]] = {
    "PyAV, from the beginning": (pyav_frames, ()),
    "decord": (decord_frames, ("decord",)),
    "torchcodec": (torchcodec_frames, ("torchcodec",)),
}
_SAMPLES: dict[str, tuple[MakeSample, tuple[str, ...]]] = {
    "decord + OpenCV": (decord_opencv_sample, ("decord", "cv2")),
    "torchcodec + torchvision": (torchcodec_torchvision_sample, ("torchcodec",)),
    "pytorchvideo": (pytorchvideo_sample, ()),
}


def frame_readers() -> dict[str, ReadFrames]:
    """Return the ways whose packages are installed."""
    return {name: read for name, (read, needs) in _FRAMES.items() if all(map(_is_here, needs))}


def sample_makers() -> dict[str, MakeSample]:
    """Return the ways whose packages are installed."""
    return {name: make for name, (make, needs) in _SAMPLES.items() if all(map(_is_here, needs))}


def missing_packages() -> list[str]:
    """Return the packages that can't be imported here, without which a way is left out."""
    needs = {need for _, several in [*_FRAMES.values(), *_SAMPLES.values()] for need in several}
    return sorted(PACKAGE_NAMES.get(need, need) for need in needs if not _is_here(need))


# By what they are imported as, where that is another name than what they are installed by.
PACKAGE_NAMES = {"cv2": "opencv-python-headless"}


def _is_here(package: str) -> bool:
    try:
        import_module(package)
    except (ImportError, RuntimeError, OSError):  # torchcodec without an FFmpeg that it likes
        return False
    return True
