"""Pictures of the embedded data set: textured shapes whose motion is the class and whose appearance says nothing.

T frames, H, W; N shapes; K waves of a texture; S the side of the square patch that holds a shape.

Why one frame can't tell the class. A shape's state is a point on a torus: x and y (fractions of the picture; what
leaves on one side enters at the other), angle (turns) and scale phase. Over the phase, in [0, 1), size grows
geometrically from the smallest to the largest, and opacity falls to 0 at both ends, so that the jump from largest to
smallest is never seen. States are drawn from a law that a common shift of any one coordinate leaves as it is (x, y and
angle: uniform and independent; phase: one uniform offset, and the shapes spread evenly around from there). A class is
nothing but such a shift, proportional to time: every shape of a video moves along one coordinate, at one random speed.
So at every time t the states have the law that they were drawn from, whatever the class and the speed; and a frame is
a function of the states, and of things drawn without regard to the class. Only the change between frames differs.
This holds for frames as drawn. A codec that predicts frames from frames could leave traces of motion in a decoded
frame: the tests measure that no such trace is found.

Left and right, up and down, turn_left and turn_right, grow and shrink are time reversals of each other: frames in no
order don't tell these apart. Outlines and textures are as likely as their mirror images, so that no look favours a
turning sense. A horizontal flip exchanges left with right AND turn_left with turn_right: do not flip in training on
this set, or exchange the labels too.
"""

import math
from dataclasses import dataclass

import numpy as np

CLASSES: tuple[str, ...] = ("left", "right", "up", "down", "turn_left", "turn_right", "grow", "shrink")

X, Y, ANGLE, PHASE = range(4)
# Rows of a picture count downwards, so "up" lowers y. Angles turn counter-clockwise as the viewer sees it: to the left.
_COORDINATE_AND_SIGN = ((X, -1), (X, 1), (Y, -1), (Y, 1), (ANGLE, 1), (ANGLE, -1), (PHASE, 1), (PHASE, -1))

# The slowest and the fastest motion. In a clip with frame_interval 2, a point moves a few pixels between neighbours.
SHIFT_PER_FRAME = (0.025, 0.045)  # of the short side: 1.6 to 2.9 px in a 64-px picture
TURNS_PER_FRAME = (0.012, 0.024)  # 0.08 to 0.15 radians
PHASE_PER_FRAME = (0.035, 0.055)  # 2.3 to 3.6 % in size

MIN_RADIUS, MAX_RADIUS = 0.22, 0.42  # of the short side; a patch of the largest must fit into the picture
MIN_SIDE_PX = 32
_FADE = 0.12  # part of the phase, at each end, over which a shape fades
_NUM_OUTLINE_ANGLES = 720


@dataclass(frozen=True, kw_only=True)
class Texture:
    """Two colours mixed by a sum of plane waves.

    `waves` is float32 [K, 3]: radians a unit to the right, radians a unit upwards, and a phase in radians. `colors` is
    float32 [2, 3], RGB in [0, 1].
    """

    waves: np.ndarray
    colors: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An outline and what fills it, both in the shape's own coordinates, where its radius is 1.

    `outline` is float32 [720]: the radius, in (0, 1], at angles that go once around, counter-clockwise.
    """

    outline: np.ndarray
    texture: Texture


@dataclass(frozen=True, kw_only=True)
class Scene:
    """All that a video shows, less its class, length and size.

    `states` is float64 [N, 4] in [0, 1): x, y, angle in turns and scale phase at time 0. `speed`, in [0, 1], picks from
    the class's range of speeds. Later shapes cover earlier ones. The ground's unit is the short side.
    """

    ground: Texture
    shapes: tuple[Shape, ...]
    states: np.ndarray
    speed: float


def render_motion(rng: np.random.Generator, label: int, *, num_frames: int, height: int, width: int) -> np.ndarray:
    """Draw a random scene and show it moving as class `label`.

    The scene doesn't depend on `label`: from equal generators, all classes get the same first frame.

    Returns:
        uint8 [T, H, W, 3], RGB.

    Raises:
        ValueError: `label` is no class, `num_frames` is below 1, or a side is below 32 px.
    """
    return render_scene(draw_scene(rng), label, num_frames=num_frames, height=height, width=width)


def draw_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene by a law that a common shift of any coordinate of the states leaves as it is."""
    num_shapes = int(rng.integers(2, 5))
    states = rng.random((num_shapes, 4))
    # Phases spread evenly keep at least one shape well visible at any time.
    states[:, PHASE] = (rng.random() + rng.permutation(num_shapes) / num_shapes) % 1.0
    ground = _draw_texture(rng, num_waves=6, wavelengths=(0.12, 0.6), lumas=(0.46, 0.54))
    shapes = tuple(_draw_shape(rng) for _ in range(num_shapes))
    return Scene(ground=ground, shapes=shapes, states=states, speed=float(rng.random()))


def render_scene(scene: Scene, label: int, *, num_frames: int, height: int, width: int) -> np.ndarray:
    """Show a scene moving as class `label`, from its states at time 0.

    Returns:
        uint8 [T, H, W, 3], RGB.

    Raises:
        ValueError: `label` is no class, `num_frames` is below 1, or a side is below 32 px.
    """
    if not 0 <= label < len(CLASSES):
        raise ValueError(f"label is {label}; expected 0 to {len(CLASSES) - 1}, an index into {', '.join(CLASSES)}")
    if num_frames < 1:
        raise ValueError(f"num_frames is {num_frames}; expected at least 1")
    if min(height, width) < MIN_SIDE_PX:
        raise ValueError(f"height x width is {height} x {width}; expected at least {MIN_SIDE_PX} px a side")
    frames = np.empty((num_frames, height, width, 3), np.float32)
    frames[:] = _render_ground(scene.ground, height=height, width=width)
    states = _states_at(scene, label, num_frames=num_frames, height=height, width=width)
    for index, shape in enumerate(scene.shapes):
        _paint_shape(frames, shape, states[:, index])
    return (frames * 255.0 + 0.5).astype(np.uint8)


def _states_at(scene: Scene, label: int, *, num_frames: int, height: int, width: int) -> np.ndarray:
    """Return the states at times 0 to T-1, float64 [T, N, 4] in [0, 1)."""
    coordinate, sign = _COORDINATE_AND_SIGN[label]
    short_side = min(height, width)
    slowest_and_fastest = {
        X: np.multiply(SHIFT_PER_FRAME, short_side / width),
        Y: np.multiply(SHIFT_PER_FRAME, short_side / height),
        ANGLE: TURNS_PER_FRAME,
        PHASE: PHASE_PER_FRAME,
    }
    per_frame = np.zeros(4)
    per_frame[coordinate] = sign * np.interp(scene.speed, (0.0, 1.0), slowest_and_fastest[coordinate])
    return (scene.states + np.arange(num_frames)[:, None, None] * per_frame) % 1.0


def _render_ground(texture: Texture, *, height: int, width: int) -> np.ndarray:
    """Return the still ground, float32 [H, W, 3] in [0, 1]."""
    short_side = min(height, width)
    right, down = np.arange(width, dtype=np.float32) / short_side, np.arange(height, dtype=np.float32) / short_side
    return _texture_colors(texture, right[None, :], -down[:, None])


def _paint_shape(frames: np.ndarray, shape: Shape, states: np.ndarray) -> None:
    """Paint one shape over float32 [T, H, W, 3] in [0, 1], in place, at its states [T, 4]."""
    num_frames, height, width, _ = frames.shape
    phases = states[:, PHASE]
    radii = (min(height, width) * MIN_RADIUS * (MAX_RADIUS / MIN_RADIUS) ** phases)[:, None, None].astype(np.float32)
    nearness = np.clip(np.minimum(phases, 1.0 - phases) / _FADE, 0.0, 1.0)
    opacities = (nearness**2 * (3.0 - 2.0 * nearness))[:, None, None].astype(np.float32)

    # All work is on a square around the shape, wrapped around the picture. It fits both sides, so no pixel comes twice.
    half = math.ceil(radii.max()) + 1
    offsets = np.arange(-half, half + 1)
    assert len(offsets) <= min(height, width)
    center_x, center_y = states[:, X] * width, states[:, Y] * height
    columns = np.floor(center_x).astype(int)[:, None] + offsets
    rows = np.floor(center_y).astype(int)[:, None] + offsets
    right = (columns + 0.5 - center_x[:, None])[:, None, :].astype(np.float32)
    up = (center_y[:, None] - rows - 0.5)[:, :, None].astype(np.float32)
    patch = np.arange(num_frames)[:, None, None], rows[:, :, None] % height, columns[:, None, :] % width

    turns = 2.0 * np.pi * states[:, ANGLE]
    cosines = np.cos(turns)[:, None, None].astype(np.float32) / radii
    sines = np.sin(turns)[:, None, None].astype(np.float32) / radii
    own_right, own_up = cosines * right + sines * up, cosines * up - sines * right

    angles = np.arctan2(own_up, own_right) * (_NUM_OUTLINE_ANGLES / (2.0 * np.pi))
    edge_px = radii * shape.outline[np.rint(angles).astype(np.int32) % _NUM_OUTLINE_ANGLES]
    inside_px = edge_px - np.sqrt(right**2 + up**2)
    alphas = (opacities * np.clip(inside_px + 0.5, 0.0, 1.0))[..., None]
    under = frames[patch]
    frames[patch] = under + alphas * (_texture_colors(shape.texture, own_right, own_up) - under)


def _texture_colors(texture: Texture, right: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Return the colours at points that broadcast to [...]: float32 [..., 3] in [0, 1]."""
    total = np.zeros(np.broadcast_shapes(right.shape, up.shape), np.float32)
    for wave_right, wave_up, phase in texture.waves:
        total += np.sin(right * wave_right + (up * wave_up + phase))
    dark, bright = texture.colors
    mixture = np.clip(0.5 + total / np.sqrt(2.0 * len(texture.waves), dtype=np.float32), 0.0, 1.0)
    return np.asarray(dark + mixture[..., None] * (bright - dark))


def _draw_texture(
    rng: np.random.Generator, *, num_waves: int, wavelengths: tuple[float, float], lumas: tuple[float, float]
) -> Texture:
    """Return a texture of waves in all directions; `lumas` are the brightness of its dark and its bright colour."""
    directions, phases = rng.uniform(0.0, 2.0 * np.pi, (2, num_waves))
    shortest, longest = wavelengths
    wave_numbers = 2.0 * np.pi / (shortest * (longest / shortest) ** rng.random(num_waves))
    waves = np.stack([wave_numbers * np.cos(directions), wave_numbers * np.sin(directions), phases], axis=1)
    hues = rng.uniform(-0.35, 0.35, (2, 3))
    hues -= (hues @ [0.299, 0.587, 0.114])[:, None]  # the weights of brightness (BT.601): only the hue is left
    colors = np.clip(np.reshape(lumas, (2, 1)) + hues, 0.0, 1.0)
    return Texture(waves=waves.astype(np.float32), colors=colors.astype(np.float32))


def _draw_shape(rng: np.random.Generator) -> Shape:
    """Return a disc, ellipse, polygon, star or blob, both dark and bright: some of it stands out from any ground."""
    draw_outline = _OUTLINES[rng.integers(len(_OUTLINES))]
    outline = draw_outline(rng, np.arange(_NUM_OUTLINE_ANGLES) * (2.0 * np.pi / _NUM_OUTLINE_ANGLES))
    texture = _draw_texture(rng, num_waves=4, wavelengths=(0.6, 1.8), lumas=(0.12, 0.88))
    return Shape(outline=(outline / outline.max()).astype(np.float32), texture=texture)


def _disc(rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    return np.ones_like(angles)


def _ellipse(rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / np.hypot(np.cos(angles), np.sin(angles) / rng.uniform(0.45, 0.75)))


def _polygon(rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    half_sector = np.pi / rng.integers(3, 7)
    return np.asarray(1.0 / np.cos(angles % (2.0 * half_sector) - half_sector))


def _star(rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    half_sector = np.pi / rng.integers(3, 8)
    to_notch = np.abs(angles % (2.0 * half_sector) - half_sector) / half_sector  # 0 at a tip, 1 at a notch
    return 1.0 - (1.0 - rng.uniform(0.4, 0.65)) * to_notch


def _blob(rng: np.random.Generator, angles: np.ndarray) -> np.ndarray:
    heights, phases = rng.uniform((0.05, 0.0), (0.25, 2.0 * np.pi), (3, 2)).T
    return np.asarray(1.0 + heights @ np.cos(np.outer((1, 2, 3), angles) + phases[:, None]))


_OUTLINES = (_disc, _ellipse, _polygon, _star, _blob)
