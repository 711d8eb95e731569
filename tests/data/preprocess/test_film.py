"""The intensity contract, the geometry and its inverse, and files that are no films."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from medley.core.errors import MedleyError, UnreadableImage
from medley.core.seeds import generator
from medley.data.preprocess.film import is_image, load_film, read_film
from medley.data.preprocess.geometry import fit, place, place_box, unfit, unplace_box

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))  # dark left, light right; 48 high, 64 wide


def save(path: Path, picture: Image.Image, **options) -> Path:
    picture.save(path, **options)
    return path


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (0.5 + 0.5 * np.sin(3 * x + 1) * np.cos(4 * y)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["png", "tiff", "bmp"])
def test_8_bit_grey_is_divided_by_255_and_nothing_else(tmp_path, suffix):
    film = read_film(save(tmp_path / f"a.{suffix}", Image.fromarray(RAMP)))
    assert film.pixels.dtype == np.float32
    assert np.array_equal(film.pixels, RAMP.astype(np.float32) / 255)
    assert (film.view, film.header.bits, film.header.colour) == ("UNKNOWN", 8, 0.0)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_saved_as_another_mode_is_the_same_film(tmp_path, mode):
    film = read_film(save(tmp_path / "a.png", Image.fromarray(RAMP).convert(mode)))
    assert np.array_equal(film.pixels, RAMP.astype(np.float32) / 255)
    assert film.header.colour == 0


def test_colour_is_told_and_transparency_is_black(tmp_path):
    red = np.zeros((40, 40, 4), np.uint8)
    red[..., 0], red[:20, :, 3] = 255, 255
    film = read_film(save(tmp_path / "a.png", Image.fromarray(red)))
    assert film.pixels[0, 0] == pytest.approx(0.299, abs=0.003)
    assert film.pixels[30, 0] == 0
    assert film.header.colour == pytest.approx(0.5)


@pytest.mark.parametrize(("maximum", "bits"), [(255, 8), (1000, 10), (4095, 12), (4096, 14), (16383, 14), (60000, 16)])
def test_16_bit_png_is_scaled_by_the_depth_that_its_maximum_shows(tmp_path, maximum, bits):
    stored = (smooth(40, 50) * maximum).astype(np.uint16)
    stored[0, 0] = maximum
    film = read_film(save(tmp_path / "a.png", Image.fromarray(stored)))
    assert film.header.bits == bits
    assert np.allclose(film.pixels, stored / (2**bits - 1), atol=1e-6)


def test_16_bit_png_that_declares_its_depth_is_believed(tmp_path):
    stored = (smooth(40, 50) * 3000).astype(np.uint16)
    info = PngImagePlugin.PngInfo()
    info.add(b"sBIT", bytes([15]))
    film = read_film(save(tmp_path / "a.png", Image.fromarray(stored), pnginfo=info))
    assert film.header.bits == 15
    assert np.allclose(film.pixels, stored / 32767, atol=1e-6)


def test_exif_orientation_is_undone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn clockwise to see it upright
    film = read_film(save(tmp_path / "a.jpg", Image.fromarray(RAMP), exif=exif, quality=95))
    assert film.pixels.shape == (64, 48)
    assert film.pixels[5].mean() < 0.2 < 0.8 < film.pixels[-5].mean()


def test_bytes_decide_and_not_the_suffix(tmp_path):
    save(tmp_path / "a.png", Image.fromarray(RAMP), format="JPEG", quality=95)
    assert read_film(tmp_path / "a.png").header.format == "JPEG"
    assert is_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("hello\n" * 100)
    assert not is_image(tmp_path / "b.png")


def _png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def _bad_files(folder: Path) -> dict[str, Path]:
    noise = generator("film").integers(0, 256, (200, 200), np.uint8)
    save(folder / "whole.jpg", Image.fromarray(noise))
    whole = (folder / "whole.jpg").read_bytes()
    files = {"is damaged": "cut.jpg", "0 bytes": "empty.png", "it is a text file": "text.png", "one value": "flat.png"}
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("patient,view\n1,PA\n")
    save(folder / "flat.png", Image.fromarray(np.full((50, 50), 9, np.uint8)))
    save(folder / "tiny.png", Image.fromarray(RAMP[:8]))
    save(folder / "cmyk.jpg", Image.fromarray(noise).convert("CMYK"))
    save(folder / "nan.tiff", Image.fromarray(np.full((40, 40), np.nan, np.float32)))
    save(folder / "two.tiff", Image.fromarray(noise), save_all=True, append_images=[Image.fromarray(noise)])
    save(folder / "anything.gif", Image.fromarray(noise))
    (folder / "bomb.png").write_bytes(_png_that_claims(12_000, 12_000))
    (folder / "huge.png").write_bytes(_png_that_claims(2_000_000, 2_000_000))
    (folder / "folder").mkdir()
    files |= {"at least 16": "tiny.png", "CMYK": "cmyk.jpg", "floating-point": "nan.tiff", "2 pictures": "two.tiff"}
    files |= {"it begins with 47 49 46": "anything.gif", "claims 12000 x 12000": "bomb.png", "claims": "huge.png"}
    files |= {"is a folder": "folder", "does not exist": "missing.png"}
    return {reason: folder / name for reason, name in files.items()}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_film_says_so_in_one_line_that_names_it(tmp_path):
    for reason, path in _bad_files(tmp_path).items():
        with pytest.raises(UnreadableImage) as caught:
            read_film(path)
        message = str(caught.value)
        assert reason in message
        assert str(path) in message
        assert "\n" not in message


@pytest.mark.parametrize(("height", "width"), [(300, 200), (200, 300), (97, 311), (64, 64), (20, 30)])
def test_fit_keeps_the_aspect_and_centres_on_black(height, width):
    square, placement = fit(np.ones((height, width), np.float32), 64)
    assert square.shape == (64, 64)
    assert square.dtype == np.uint8
    rows, columns = np.flatnonzero(square.any(1)), np.flatnonzero(square.any(0))
    assert max(len(rows), len(columns)) == 64
    assert len(rows) / len(columns) == pytest.approx(height / width, rel=0.04)
    assert abs(rows[0] - (63 - rows[-1])) <= 1
    assert abs(columns[0] - (63 - columns[-1])) <= 1
    assert (rows[0], columns[0]) == (placement.top, placement.left)
    assert set(np.unique(square)) <= {0, 255}  # the padding does not bleed into the film


def test_shrinking_is_antialiased():
    checkers = np.indices((256, 256)).sum(0) % 2
    square, _ = fit(checkers.astype(np.float32), 32)
    assert np.abs(square.astype(int) - 127.5).max() <= 4  # picking single pixels would give 0 and 255


def test_fit_agrees_with_torch():
    torch = pytest.importorskip("torch")
    film = generator("fit").random((200, 200), dtype=np.float32)
    theirs = torch.nn.functional.interpolate(torch.tensor(film)[None, None], (48, 48), mode="bilinear", antialias=True)
    assert np.abs(fit(film, 48)[0] - theirs[0, 0].numpy() * 255).max() <= 1


def test_load_film_quantises_once_at_the_end(tmp_path):
    stored = (smooth(400, 300) * 65535).astype(np.uint16)
    film = load_film(save(tmp_path / "a.png", Image.fromarray(stored)), 64)
    inner = film.pixels[:, film.placement.left : film.placement.left + 48].astype(float) / 255
    exact = np.asarray(Image.fromarray(stored / np.float32(65535)).resize((48, 64), Image.Resampling.BILINEAR))
    assert np.abs(inner - exact).max() <= 0.5 / 255 + 1e-6  # half a grey level: one rounding, not two


@pytest.mark.parametrize(("height", "width"), [(300, 200), (190, 311), (90, 90)])
def test_unfit_is_the_inverse_of_fit(height, width):
    film = smooth(height, width)
    square, placement = fit(film, 128)
    back = unfit(square.astype(np.float32) / 255, placement)
    assert back.shape == film.shape
    assert np.abs(back - film).max() < 0.03


def test_unfit_takes_a_coarse_map_and_leaves_the_padding_out():
    placement = place(400, 200, 64)
    coarse = np.zeros((8, 8), np.float32)
    coarse[:, :2], coarse[:, 6:], coarse[6, 4] = 9.0, 9.0, 1.0  # hot padding on both sides, and one spot on the film
    back = unfit(coarse, placement)
    assert back.shape == (400, 200)
    y, x = np.unravel_index(back[:, 60:140].argmax(), (400, 80))
    assert (y, x + 60) == pytest.approx((325, 125), abs=8)
    assert back[325, 125] == pytest.approx(1, abs=0.15)
    with pytest.raises(MedleyError, match="square"):
        unfit(np.zeros((8, 9), np.float32), placement)


@pytest.mark.parametrize(("height", "width"), [(313, 200), (200, 313)])
def test_boxes_go_both_ways_and_land_on_the_same_pixels(height, width):
    placement = place(height, width, 96)
    box = (20.0, 40.0, 120.0, 150.0)
    placed = place_box(box, placement)
    assert unplace_box(placed, placement) == pytest.approx(box, abs=1e-6)
    film = np.zeros((height, width), np.float32)
    film[40:150, 20:120] = 1
    ys, xs = np.nonzero(fit(film, 96)[0] > 127)
    assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == pytest.approx(placed, abs=1)
    whole = unplace_box((0, 0, 96, 96), placement)  # a box over the padding is cut off at the film's edges
    assert whole == (0, 0, width, height)


def test_the_view_of_the_table_wins_and_must_be_one(tmp_path):
    path = save(tmp_path / "a.png", Image.fromarray(RAMP))
    assert load_film(path, 32).view == "UNKNOWN"
    assert load_film(path, 32, "LATERAL").view == "LATERAL"
    with pytest.raises(MedleyError, match="did you mean 'LATERAL'"):
        load_film(path, 32, "LATERL")
    with pytest.raises(MedleyError, match="px is 0"):
        load_film(path, 0)
