"""videogn gradcam: what in a video a trained network looks at, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from videogn.commands.usage import CommandParser, RunError, UsageError, check_places
from videogn.data.views.protocols import ProtocolName
from videogn.wording import counted

if TYPE_CHECKING:
    from videogn.data.batch import VideoViews
    from videogn.trained.model import TrainedModel

DESCRIPTION = """\
Shows which places of which frames speak for a class: Grad-CAM (Selvaraju et al. 2017), with time as a third axis. The
channels of a layer, each weighted by the mean gradient of the class's logit, are added up, and upsampled to the frames.

For each video it writes to a folder

  NAME.heat.png  a strip: of each view up to 8 frames, in grey, with the heat over them (yellow: 1, none: 0)
  NAME.heat.mp4  all frames of the views, plain and with the heat over them, at the speed of the video

titled with the class and its probability. Views are what the network sees: the clip and the crop in the middle, or with
--protocol 10x1 ten clips from all over the video. 1 is the largest value in a video; where nothing speaks for a class,
there is no heat, and that is said.

Default layer: what goes into the head. Its places are few: an I3D sees 7 x 7 of them in 224 px, and in a small network
2 x 2. An earlier layer, such as blocks.3 (res3), shows more detail of simpler things.

The heat shows what raises a class's logit. It does not prove that the network would answer otherwise without it.
"""
EXAMPLES = """\
examples:
  videogn gradcam runs/own_videos --videos a.mp4 folder/ --out heat
  videogn gradcam runs/own_videos --videos a.mp4 --out heat --class Jump --layer blocks.4 --protocol 10x1

In Python:
  heat = videogn.load("runs/own_videos", protocol="1x1").grad_cam("a.mp4")   # float32 [V, T, H, W], 0 to 1
"""


def run(words: list[str]) -> int:
    """Run `gradcam ...`; return the exit status.

    Raises:
        UsageError: No run, checkpoint, video, class or layer of that name, or a folder that can't be written to.
        RunError: No video could be decoded, or there is no room for the pictures.
    """
    parser = CommandParser(prog="videogn gradcam", description=DESCRIPTION, epilog=EXAMPLES, allow_abbrev=False)
    parser.add_argument("run_dir", metavar="RUN", help="the run's folder")
    parser.add_argument("--videos", nargs="+", required=True, metavar="PATH", help="video files and folders of them")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to; made where it is missing")
    parser.add_argument("--class", dest="class_name", metavar="NAME", help="which class (the most probable one)")
    parser.add_argument("--layer", metavar="NAME", help="torch's name of it (blocks.3 is res3); help lists all")
    parser.add_argument("--ckpt_path", default="last", help="last (the default), best, or a file")
    parser.add_argument("--protocol", choices=get_args(ProtocolName), default="1x1", help="clips x crops (1x1)")
    given = parser.parse_args(words[1:])
    from videogn.models.features import find_layer
    from videogn.trained.run import load

    out = Path(given.out)
    try:
        model = load(given.run_dir, ckpt_path=given.ckpt_path, protocol=given.protocol)
        if given.class_name is not None:
            model.class_index(given.class_name)
        if given.layer is not None:
            find_layer(model.module.model, given.layer)
        videos = [str(video.path) for video in model.videos(given.videos)]
        targets = _targets(out, videos)
        pictures = [("--out", f"{target}{end}") for target in targets for end in (".png", ".mp4")]
        check_places(pictures, read=videos)
        out.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"--out {out}: no folder can be made there: {error.strerror}") from error
    try:
        lines, errors = _look(model, videos, targets, class_name=given.class_name, layer=given.layer)
    except ValueError as error:  # a layer that gives no map
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(f"--out {out} can't be written to: {error.strerror or error}") from error
    except RuntimeError as error:  # no memory, an output that is not finite
        raise RunError(str(error)) from error
    print("\n".join(lines), end="\n" if lines else "")
    if not lines:
        raise RunError(f"0 of {counted(len(videos), 'video')} could be decoded; the first: {errors[0]}")
    print(f"written to {out}: {len(lines):,} of {len(videos):,} videos, a .png and an .mp4 each")
    return 0


def _targets(out: Path, videos: Sequence[str]) -> list[Path]:
    """Return where the pictures of each video go, without suffixes: NAME.heat, and NAME-2.heat of another folder's."""
    used: dict[str, None] = {}
    for video in videos:
        stem = Path(video).stem
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        used[next(name for name in names if name not in used)] = None
    return [out / f"{name}.heat" for name in used]


def _look(
    model: TrainedModel, videos: Sequence[str], targets: Sequence[Path], *, class_name: str | None, layer: str | None
) -> tuple[list[str], list[str]]:
    """Write the pictures; return a line for each video that could be decoded, and the errors of the others."""
    from videogn.commands.progress import progress
    from videogn.data.decoding import DecodeError
    from videogn.trained.heat_pictures import write_strip, write_video

    lines: list[str] = []
    errors: list[str] = []
    with progress(failed="not decoded") as on_done:
        for place, (video, target) in enumerate(zip(videos, targets, strict=True)):
            path, failed = Path(video), None
            try:
                views = model.data.views_of(path)
            except DecodeError as error:
                errors.append(str(error))
                failed = str(error).removeprefix(f"{video}: ")
            else:
                probabilities = model(views)
                shown = class_name or next(iter(probabilities))
                heat = model.grad_cam(views, class_name=shown, layer=layer)
                title = f"{shown} {probabilities[shown]:.3f}"
                write_strip(Path(f"{target}.png"), views, heat, title=f"{path.name}: {title}")
                write_video(Path(f"{target}.mp4"), views, heat, title=title, rate=_rate(model, views))
                cold = "" if heat.any() else ": nothing in this layer speaks for it"
                lines.append(f"{target}: {title}{cold}")
            on_done(video, failed, place + 1, len(videos))
    return lines, errors


def _rate(model: TrainedModel, views: VideoViews) -> Fraction:
    """Return the frames a second at which a clip has the speed of its video; 25 a second where that does not say."""
    of_video = model.data.target_fps or views.rate or 25
    return Fraction(of_video).limit_denominator(1001) / model.data.frame_interval
