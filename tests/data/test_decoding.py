"""Decoded frames against a full decode, against another decoder, and on real files that break readers."""

import pickle
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.full_decode import full_decode, odd_files
from tests.data.images import write_image
from tests.videos import write_video
from videogn import decode_frames
from videogn.data.decoding import DecodeError, TooFewFrames, open_video
from videogn.data.decoding.video import orient


def test_frames_in_any_order_and_repeated(video):
    expected = full_decode(video)
    indices = [49, 0, 7, 7, 23, 0]
    frames = decode_frames(video, indices)
    assert frames.dtype == torch.uint8
    assert frames.shape == (6, 48, 64, 3)
    for frame, index in zip(frames, indices, strict=True):
        np.testing.assert_array_equal(frame.numpy(), expected[index])


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_other_decoders_give_the_same_bytes_on_h264(video, shared_data, backend):
    pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
    h264 = ["mmaction2_test.mp4", "torchvision_basketball.mp4", "derived/k_one_keyframe_8_bframes.mp4"]
    h264 += ["torchcodec_bt709_full_range.mp4", "decord_video_270.mov", "derived/k_rotate90_tag.mp4"]
    for path in [video, *(shared_data / "odd" / name for name in h264)]:
        with open_video(path, backend="pyav") as one, open_video(path, backend=backend) as other:
            total = one.count_frames()
            assert other.count_frames() == total
            indices = np.random.default_rng(0).integers(total, size=12)
            for (k, frame), (j, same) in zip(one.read(indices), other.read(indices), strict=True):
                assert k == j
                np.testing.assert_array_equal(frame, same, err_msg=f"{path} frame {k}")


def test_odd_files_give_what_a_full_decode_shows_or_an_error_with_a_reason(shared_data):
    folder = shared_data / "odd"
    files = odd_files(folder)
    assert len(files) > 70
    for name, total in files.items():
        path = folder / name
        if not total:
            with pytest.raises(DecodeError) as error:
                decode_frames(path, [0])
            assert str(error.value).startswith(f"{path}: ")
            assert error.value.reason
            continue
        with open_video(path) as video:
            assert video.count_frames() == total, name
        indices = sorted({0, total // 3, total // 2, total - 1})[: 2 if path.stat().st_size > 2e6 else 4]
        expected = full_decode(path, most=indices[-1] + 1)
        frames = decode_frames(path, indices)
        for frame, index in zip(frames, indices, strict=True):
            np.testing.assert_array_equal(frame.numpy(), expected[index], err_msg=f"{name} frame {index}")
        with pytest.raises(TooFewFrames, match=f"only {total} can be decoded"):
            decode_frames(path, [total])


def test_rotation_is_applied_as_a_player_does(shared_data):
    odd = shared_data / "odd"
    upright = decode_frames(odd / "derived" / "k_faststart.mp4", [5])
    turned = decode_frames(odd / "derived" / "k_rotate90_tag.mp4", [5])
    assert upright.shape == (1, 256, 340, 3)
    np.testing.assert_array_equal(turned[0].numpy(), np.rot90(upright[0].numpy()))


def test_packets_promise_more_frames_than_some_files_have(shared_data):
    path = shared_data / "odd" / "torchvision_TrumanShow_wave_f_nm_np1_fr_med_26.avi"
    with open_video(path) as video:
        assert video.num_frames == 49
        with pytest.raises(TooFewFrames) as error:
            dict(video.read([48]))
        assert error.value.num_frames == video.num_frames == video.count_frames() == 48


def test_the_first_frames_size_stands_whatever_is_asked_for(tmp_path):
    one = write_video(tmp_path / "a.ts", num_frames=10, height=48, width=64).read_bytes()
    other = write_video(tmp_path / "b.ts", num_frames=10, height=96, width=128).read_bytes()
    (tmp_path / "both.ts").write_bytes(one + other)
    sizes = {decode_frames(tmp_path / "both.ts", indices).shape[1:3] for indices in ([0], [15], [0, 15])}
    assert sizes == {(48, 64)}


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((1, 0, 0, 1), lambda f: f),
        ((-1, 0, 0, 1), lambda f: f[:, ::-1]),
        ((1, 0, 0, -1), lambda f: f[::-1]),
        ((-1, 0, 0, -1), lambda f: np.rot90(f, 2)),
        ((0, -1, 1, 0), lambda f: np.rot90(f)),
        ((0, 1, -1, 0), lambda f: np.rot90(f, 3)),
        ((0, 1, 1, 0), lambda f: f.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda f: np.rot90(f.transpose(1, 0, 2), 2)),
    ],
)
def test_display_matrices_turn_and_mirror(matrix, expected):
    frame = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(orient(frame, [65536 * value for value in matrix]), expected(frame))


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_other_decoders_do_not_get_what_they_misread(shared_data, backend):
    pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
    odd = shared_data / "odd"
    for name in ("torchvision_RATRACE_wave_f_nm_np1_fr_goo_37.avi", "derived/k_truncated60_faststart.mp4"):
        with pytest.raises(DecodeError, match="use the decoder pyav"):
            decode_frames(odd / name, [0], backend=backend)


@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv"])
def test_motion_jpeg_with_exif_data_is_turned_as_it_says(tmp_path, suffix):
    exif = Image.Exif()
    exif[0x112] = 6  # to be turned clockwise
    jpeg = write_image(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    with av.open(str(tmp_path / f"camera.{suffix}"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 90, 60, "yuvj444p"
        for place in range(3):
            packet = av.Packet(jpeg.read_bytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, place, place, Fraction(1, 25)
            packet.is_keyframe = True
            container.mux(packet)
    frames = decode_frames(tmp_path / f"camera.{suffix}", [0, 2])
    assert frames.shape == (2, 90, 60, 3)
    stored = np.asarray(Image.open(jpeg)).astype(int)
    assert np.abs(frames[1].numpy() - np.rot90(stored, -1)).max() < 8


def test_a_video_that_is_turned_on_its_way_is_no_heap_of_bytes(tmp_path):
    with av.open(str(tmp_path / "camera.mov"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 90, 60, "yuvj444p"
        for place, orientation in enumerate([1, 6]):
            exif = Image.Exif()
            exif[0x112] = orientation
            jpeg = write_image(tmp_path / f"{place}.jpg", exif=exif, quality=95, subsampling=0)
            packet = av.Packet(jpeg.read_bytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, place, place, Fraction(1, 25)
            container.mux(packet)
    assert decode_frames(tmp_path / "camera.mov", [0]).shape == (1, 60, 90, 3)
    assert decode_frames(tmp_path / "camera.mov", [1]).shape == (1, 90, 60, 3)
    with pytest.raises(DecodeError, match="its rotation changes within the file"):
        decode_frames(tmp_path / "camera.mov", [0, 1])


def test_an_index_that_is_no_integer_is_refused(video):
    with pytest.raises(TypeError):
        decode_frames(video, [1.5])


@pytest.mark.parametrize("backend", ["decord", "torchcodec"])
def test_other_decoders_do_not_get_files_in_which_they_count_otherwise(tmp_path, backend):
    pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
    stream = write_video(tmp_path / "stream.ts", num_frames=30)
    with pytest.raises(DecodeError, match="may misread this file"):
        decode_frames(stream, [0], backend=backend)


@pytest.mark.parametrize("name", ["a b & c.mp4", "-dash.mp4", "col:on.mp4", "üñí.mp4", "per%cent.mp4", "http:x.mp4"])
def test_odd_names(tmp_path, monkeypatch, name):
    write_video(tmp_path / "plain.mp4", num_frames=5).rename(tmp_path / name)
    assert decode_frames(tmp_path / name, [4]).shape == (1, 48, 64, 3)
    monkeypatch.chdir(tmp_path)
    assert decode_frames(name, [4]).shape == (1, 48, 64, 3)


def test_a_title_that_is_not_utf8_does_not_stop_the_opening(tmp_path):
    path = write_video(tmp_path / "title.mp4", num_frames=5, title="cafexxxx")
    data = path.read_bytes()
    assert data.count(b"cafexxxx") == 1
    path.write_bytes(data.replace(b"cafexxxx", b"caf\xe9\xff\xfe\x80\x81"))
    assert decode_frames(path, [4]).shape == (1, 48, 64, 3)


@pytest.mark.parametrize("backend", ["pyav", "decord", "torchcodec"])
def test_errors_name_file_and_reason(tmp_path, video, backend):
    if backend != "pyav":
        pytest.importorskip(backend, exc_type=(ImportError, RuntimeError))
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    with pytest.raises(DecodeError, match=r"text\.mp4: "):
        decode_frames(text, [0], backend=backend)
    with pytest.raises(DecodeError, match="no such file"):
        decode_frames(tmp_path / "none.mp4", [0], backend=backend)
    with pytest.raises(TooFewFrames, match="frame 50 was asked for, but only 50"):
        decode_frames(video, [3, 50], backend=backend)
    for indices in ([], [-1]):
        with pytest.raises(ValueError, match="frame"):
            decode_frames(video, indices, backend=backend)


def test_an_unknown_backend_is_refused(video):
    with pytest.raises(ValueError, match="unknown decoder 'opencv'; expected one of pyav, decord, torchcodec"):
        decode_frames(video, [0], backend="opencv")


def test_errors_survive_the_way_out_of_a_worker():
    for error in (DecodeError("a.mp4", "broken"), TooFewFrames("a.mp4", 9, 5)):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
