"""What is drawn is what was given: positions, heights, pixels and colours read back from the Axes."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.patches import Circle, Ellipse, FancyArrowPatch, FancyBboxPatch
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import multivariate_normal

from gmvae import figures
from gmvae.figures import latent, palette, points_by_cluster
from gmvae.metrics import Confusion, Reliability
from gmvae.projection import Projection

# Machado, Oliveira and Fernandes (2009), full severity, for linear RGB.
EYES = {
    "common": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def oklab(colours, eye):
    """Where an eye sees colours in Ottosson's Oklab, whose distances are about perceptual."""
    rgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(EYES[eye]), 0, 1)
    cones = [
        [0.41222147, 0.53633254, 0.05144599],
        [0.2119035, 0.68069955, 0.10739696],
        [0.08830246, 0.28171884, 0.62997870],
    ]
    opponents = [
        [0.21045426, 0.79361779, -0.00407205],
        [1.9779985, -2.42859221, 0.45059371],
        [0.02590404, 0.78277177, -0.80867577],
    ]
    return np.cbrt(seen @ np.transpose(cones)) @ np.transpose(opponents)


def history(n_epochs=20):
    epoch = np.arange(1, n_epochs + 1)
    rise = 1 - np.exp(-epoch / 5)
    return {
        "epoch": epoch,
        "lower_bound": -100 + 20 * rise,
        "lower_bound_held_out": -103 + 20 * rise,
        "reconstruction": -80 + 25 * rise,
        "conditional_prior": 3 * rise,
        "w_prior": 0.5 * rise,
        "z_prior": 2 * rise,
        "effective_components": 4 + rise,
        "assignment_entropy": 2 - 2 * rise,
        "learning_rate": np.full(n_epochs, 1e-3),
        "seconds": np.ones(n_epochs),
    }


def texts(ax):
    return [text.get_text() for text in ax.texts]


# ------------------------------------------------------------------ colours


@pytest.mark.parametrize("eye", EYES)
def test_ten_colours_are_told_apart_by_every_eye(eye):
    # The eight colours of Okabe and Ito themselves come no closer than 0.076 in this measure.
    assert pdist(oklab(palette.COLOURS, eye)).min() > 0.075


def test_later_components_repeat_the_colours_lighter_and_darker_with_another_marker():
    light = oklab([palette.colour(k) for k in range(30)], "common")[:, 0].reshape(3, 10)
    assert (light[1] > light[0]).all()
    assert (light[2] < light[0]).all()
    assert len({(palette.colour(k), palette.marker(k)) for k in range(90)}) == 90


# ------------------------------------------------------------------ curves


def test_every_panel_of_the_learning_curves_holds_its_column():
    record = history()
    fig = figures.learning_curves(record, min_information=0.5, n_components=10)
    order = ["lower_bound", "reconstruction", "conditional_prior", "w_prior", "z_prior", "effective_components"]
    for ax, name in zip(fig.axes, order, strict=True):
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), record["epoch"])
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), record[name])
    np.testing.assert_array_equal(fig.axes[0].lines[1].get_ydata(), record["lower_bound_held_out"])
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["training", "held out"]
    log_k, threshold = fig.axes[4].lines[1:]
    assert log_k.get_ydata() == pytest.approx([np.log(10)] * 2)
    assert (threshold.get_ydata()[0], threshold.get_linestyle()) == (0.5, ":")
    assert texts(fig.axes[4]) == ["log K = 2.30", "λ = 0.5"]


def test_nothing_held_out_and_no_threshold_draw_nothing():
    record = history(3) | {"lower_bound_held_out": np.full(3, np.nan)}
    fig = figures.learning_curves(record)
    assert [len(ax.lines) for ax in fig.axes] == [1] * 6
    assert fig.axes[0].get_legend() is None


def test_a_wild_start_leaves_the_frame_and_shows_the_rest():
    record = history(30)
    record["lower_bound"][:2] = -1e6
    low, high = figures.learning_curves(record).axes[0].get_ylim()
    assert -150 < low < record["lower_bound"][3:].min()
    assert high > record["lower_bound"].max()


def test_learning_curves_name_a_missing_column():
    record = history()
    del record["w_prior"]
    with pytest.raises(ValueError, match="`history` must have a column for every term; got none named w_prior"):
        figures.learning_curves(record)


def test_one_component_has_a_z_prior_curve_too():
    ax = figures.z_prior_curve([1, 2], [0.0, 0.0], n_components=1, step_name="gradient step")
    assert ax.get_ylim() == (0, 1)
    assert ax.get_xlabel() == "gradient step"


def test_accuracy_curves_are_in_percent_and_told_apart():
    ax = figures.accuracy_curves({"K = 10": ([1, 2], [0.5, 0.75]), "K = 16": ([1, 2], [0.25, 1.0])})
    assert [line.get_ydata().tolist() for line in ax.lines] == [[50, 75], [25, 100]]
    assert len({(line.get_color(), line.get_linestyle()) for line in ax.lines}) == 2


# ------------------------------------------------------------------ clusters


def test_bars_have_the_counts_as_heights_and_the_shares_as_labels():
    ax = figures.cluster_sizes([30, 0, 70])
    assert [bar.get_height() for bar in ax.patches] == [30, 0, 70]
    assert [to_hex(bar.get_facecolor()) for bar in ax.patches] == [palette.colour(k) for k in range(3)]
    assert texts(ax) == ["equal shares", "30%", "0%", "70%"]
    assert ax.lines[0].get_ydata()[0] == pytest.approx(100 / 3)


def test_confusion_shades_by_the_share_of_the_class_and_writes_the_counts():
    table = Confusion(np.array([[8, 2, 0], [0, 30, 10]]), np.array(["cat", "dog"]), np.array([4, 0, 7]))
    ax = figures.confusion(table)
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.8, 0.2, 0.0], [0.0, 0.75, 0.25]])
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(0, 0): "8", (1, 0): "2", (1, 1): "30", (2, 1): "10"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["4", "0", "7"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["cat", "dog"]
    assert ax.lines[0].get_xdata()[0] == 1.5


def test_reliability_draws_accuracy_over_confidence_and_the_share_of_every_bin():
    found = Reliability(np.array([np.nan, 0.4, 0.9]), np.array([np.nan, 0.5, 0.75]), np.array([0, 20, 80]))
    ax = figures.reliability_diagram(found)
    heights = [[bar.get_height() for bar in bars] for bars in ax.containers]
    assert heights == [[0.0, 0.2, 0.8], [0.5, 0.75]]
    assert [bar.get_x() for bar in ax.containers[1]] == pytest.approx([1 / 3, 2 / 3])
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.4, 0.5], [0.9, 0.75]])
    assert ax.get_title() == "Reliability: calibration error 0.140"  # 0.2 · 0.1 + 0.8 · 0.15


def test_reliability_draws_no_accuracy_of_a_few_rows():
    ax = figures.reliability_diagram(Reliability(np.array([0.3, 0.9]), np.array([1.0, 0.75]), np.array([1, 99])))
    assert ax.lines[1].get_xydata().tolist() == [[0.9, 0.75]]
    assert [bar.get_height() for bar in ax.containers[0]] == [0.01, 0.99]


# ------------------------------------------------------------------ images


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_pixel_of_a_sheet_is_where_it_belongs(channels):
    images = np.random.default_rng(0).random((3, 4, channels, 28, 14))
    sheet = figures.component_samples(images).images[0].get_array()
    gap = 1
    for row, column in np.ndindex(3, 4):
        tile = sheet[row * (28 + gap) :, column * (14 + gap) :][:28, :14]
        np.testing.assert_array_equal(tile.reshape(28, 14, channels), np.moveaxis(images[row, column], 0, -1))
    np.testing.assert_array_equal(sheet[28], 1)
    assert sheet.shape[:2] == (3 * 29 - 1, 4 * 15 - 1)


def test_values_are_clipped_bytes_are_scaled_and_of_two_channels_the_first_is_drawn():
    clipped = figures.component_samples([[[[-1.0, 0.25], [0.5, 7.0]]]]).images[0].get_array()
    np.testing.assert_array_equal(clipped, [[0, 0.25], [0.5, 1]])
    byte = figures.component_samples(np.array([[[[0, 51], [102, 255]]]], np.uint8)).images[0].get_array()
    np.testing.assert_allclose(byte, [[0, 0.2], [0.4, 1]])
    both = np.stack([np.full((1, 1, 5, 5), 0.3), np.full((1, 1, 5, 5), 0.9)], axis=2)
    np.testing.assert_array_equal(figures.component_samples(both).images[0].get_array(), 0.3)


def test_rows_are_labelled_at_their_middle_with_number_and_share():
    ax = figures.component_samples(np.zeros((2, 5, 8, 8)), shares=[0.25, 0.75])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["0  (25%)", "1  (75%)"]
    assert ax.get_yticks().tolist() == [3.5, 12.5]


def test_style_grid_names_its_coordinates():
    ax = figures.style_grid(np.zeros((2, 3, 1, 8, 8)), component=4, values=([1, -1], [-2, 0, 2]))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["-2", "0", "2"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "-1"]
    assert ax.get_title() == "Style of component 4"


# ------------------------------------------------------------------ latent space


def test_the_ellipse_is_the_contour_of_the_normal_density():
    mean, covariance = np.array([1.0, -2.0]), np.array([[3.0, 1.2], [1.2, 1.0]])
    contour = latent.ellipse(mean, covariance)
    edge = contour.get_patch_transform().transform(
        contour.get_path().vertices[:-1:3]
    )  # between them lie the curves' handles
    density = multivariate_normal(mean, covariance)
    np.testing.assert_allclose(density.logpdf(edge), density.logpdf(mean) - 2, rtol=1e-3)


def test_the_ellipse_of_a_rotated_covariance_has_its_width_height_and_angle():
    turn = np.radians(30)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    contour = latent.ellipse(np.zeros(2), rotation @ np.diag([9.0, 0.25]) @ rotation.T)
    assert (contour.width, contour.height) == pytest.approx((2 * 2 * 3, 2 * 2 * 0.5))
    assert contour.angle % 180 == pytest.approx(30)


def test_projecting_points_that_lie_in_a_plane_keeps_their_distances():
    rng = np.random.default_rng(1)
    plane, _ = np.linalg.qr(rng.normal(size=(7, 2)))
    x = rng.normal(size=(50, 2)) * [3, 1] @ plane.T + 5
    flat = Projection.principal(x).points(x)
    np.testing.assert_allclose(pdist(flat), pdist(x))
    assert flat[:, 0].var() > flat[:, 1].var()


def test_a_projected_covariance_is_that_of_projected_samples():
    rng = np.random.default_rng(2)
    plane = Projection.principal(rng.normal(size=(100, 4)) * [4, 3, 2, 1])
    scales = np.array([[0.5, 2.0, 1.0, 0.1]])
    samples = rng.normal(size=(200_000, 4)) * scales
    np.testing.assert_allclose(plane.covariances(scales)[0], np.cov(plane.points(samples).T), atol=0.05)


def test_two_dimensions_are_drawn_as_they_are():
    rng = np.random.default_rng(3)
    x, clusters = rng.normal(size=(40, 2)), np.repeat([0, 2], 20)
    means, scales = rng.normal(size=(3, 2)), rng.uniform(0.5, 1, size=(3, 2))
    ax = figures.latent_space(x, clusters, means=means, scales=scales)
    drawn, stars = ax.collections
    order = points_by_cluster.subsample(40, 40)
    np.testing.assert_array_equal(drawn.get_offsets(), x[order])
    assert [to_hex(hue) for hue in drawn.get_facecolors()] == [palette.colour(k) for k in clusters[order]]
    np.testing.assert_array_equal(stars.get_offsets(), means)
    contours = sorted(ax.findobj(Ellipse), key=lambda contour: contour.center[0])
    for contour, k in zip(contours, np.argsort(means[:, 0]), strict=True):
        assert contour.center == pytest.approx(tuple(means[k]))
        assert sorted((contour.width, contour.height)) == pytest.approx(sorted(4 * scales[k]))
        assert contour.get_linestyle() == ("--" if k == 1 else "-")


def test_a_far_component_without_observations_does_not_stretch_the_frame():
    x = np.random.default_rng(4).normal(size=(100, 2))
    means, scales = np.zeros((2, 2)), np.array([[1.0, 1.0], [500.0, 500.0]])
    ax = figures.latent_space(x, np.zeros(100, int), means=means, scales=scales)
    assert np.ptp(ax.get_xlim()) < 20


@pytest.mark.parametrize("dimension", [1, 2, 3, 20])
@pytest.mark.parametrize("n_samples", [1, 30])
def test_every_latent_dimension_can_be_drawn(dimension, n_samples, tmp_path):
    x = np.random.default_rng(5).normal(size=(n_samples, dimension))
    ax = figures.latent_space(
        x, np.arange(n_samples) % 13, means=np.zeros((13, dimension)), scales=np.ones((13, dimension))
    )
    assert figures.save(ax, tmp_path / "latent.png").stat().st_size > 1000


def test_one_dimension_is_a_row_per_component():
    ax = figures.latent_space([[1.0], [2.0], [3.0]], [0, 1, 1], means=[[1.5], [2.5]], scales=[[0.5], [1.0]])
    drawn, spans, stars = ax.collections
    order = points_by_cluster.subsample(3, 3)
    np.testing.assert_array_equal(drawn.get_offsets()[:, 0], np.array([1.0, 2.0, 3.0])[order])
    np.testing.assert_array_equal(np.round(drawn.get_offsets()[:, 1]), np.array([0, 1, 1])[order])
    np.testing.assert_array_equal(spans.get_segments(), [[[0.5, 0], [2.5, 0]], [[0.5, 1], [4.5, 1]]])
    np.testing.assert_array_equal(stars.get_offsets(), [[1.5, 0], [2.5, 1]])


def test_components_on_one_spot_share_a_label():
    ax = figures.latent_space(np.eye(2), [0, 1], means=[[0, 0], [0, 0], [0, 0], [1, 1]])
    assert texts(ax) == ["0–2", "3"]


# ------------------------------------------------------------------ the data's plane


def test_the_subsample_is_the_same_each_time_and_has_no_doubles():
    first, second = points_by_cluster.subsample(10_000, 500), points_by_cluster.subsample(10_000, 500)
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) == 500
    assert first.mean() == pytest.approx(5000, rel=0.1)
    ax = figures.scatter_clusters(np.zeros((10_000, 2)), np.zeros(10_000, int))
    assert len(ax.collections[0].get_offsets()) == points_by_cluster.MOST_POINTS


def test_a_cluster_is_numbered_at_one_of_its_own_points():
    angle = np.linspace(0, np.pi, 101)
    arc = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ax = figures.scatter_clusters(np.concatenate([arc, arc + 5]), np.repeat(["low", "high"], 101))
    places = {text.get_text(): np.array(text.xy) for text in ax.texts}
    assert np.hypot(*places["low"]) == pytest.approx(1)
    assert np.hypot(*(places["high"] - 5)) == pytest.approx(1)


def test_density_is_drawn_on_its_grid():
    xx, yy = np.meshgrid(np.linspace(-3, 3, 31), np.linspace(-2, 2, 21))
    log_density = multivariate_normal([0, 0]).logpdf(np.stack([xx, yy], axis=-1))
    for across, up in [(xx, yy), (xx[0], yy[:, 0])]:
        ax = figures.density_2d(across, up, log_density, points=[[0.5, 1.0]])
        mesh, data = ax.collections
        np.testing.assert_allclose(mesh.get_array(), np.exp(log_density))
        np.testing.assert_allclose(mesh.get_coordinates()[..., 0], xx)
        np.testing.assert_allclose(mesh.get_coordinates()[..., 1], yy)
        np.testing.assert_array_equal(data.get_offsets(), [[0.5, 1.0]])
        assert mesh.get_clim()[1] == pytest.approx(1 / (2 * np.pi))


def test_a_density_of_nothing_is_the_bottom_of_the_scale(tmp_path):
    ax = figures.density_2d([0, 1], [0, 1], [[0.0, -np.inf], [-50.0, -1.0]])
    np.testing.assert_array_equal(ax.collections[0].get_array(), [[1, 0], [np.exp(-50), np.exp(-1)]])
    figures.save(ax, tmp_path / "nothing.png")


def test_panels_of_density_can_share_a_scale():
    ax = figures.density_2d([0, 1], [0, 1], np.log(np.full((2, 2), 0.25)), peak=np.log(0.5))
    assert ax.collections[0].get_clim() == pytest.approx((0, 0.5))
    assert ax.collections[0].colorbar.extend == "neither"
    higher = figures.density_2d([0, 1], [0, 1], np.zeros((2, 2)), peak=-1.0)
    assert higher.collections[0].colorbar.extend == "max"


# ------------------------------------------------------------------ canvas, files, errors


def test_drawing_goes_into_the_axes_given():
    fig = figures.new_figure(6, 3)
    left, right = fig.subplots(1, 2)
    assert figures.cluster_sizes([1, 2], left) is left
    assert figures.style_grid(np.zeros((2, 2, 8, 8)), right) is right


@pytest.mark.parametrize(("ending", "magic"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_saved_figure_is_a_file_of_its_kind_and_leaves_nothing_beside_it(tmp_path, ending, magic):
    path = figures.save(figures.cluster_sizes([1, 2]), tmp_path / "new" / f"sizes.{ending}")
    assert path.read_bytes().startswith(magic)
    assert list(path.parent.iterdir()) == [path]


def test_a_png_has_150_dots_per_inch(tmp_path):
    with Image.open(figures.save(figures.new_figure(4, 3), tmp_path / "blank.png")) as image:
        assert image.size == (600, 450)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "old.png"
    path.write_bytes(b"old")
    fig = figures.new_figure()

    def fail(partial, **_):
        partial.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(fig, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        figures.save(fig, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_pyplot_and_the_global_settings_alone(tmp_path):
    code = (
        "import sys, matplotlib\n"
        "before = dict(matplotlib.rcParams)\n"
        "from gmvae import figures\n"
        f"figures.save(figures.scatter_clusters([[0, 1], [1, 0]], [0, 1]), {str(tmp_path / 'a.png')!r})\n"
        "assert dict(matplotlib.rcParams) == before\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: figures.graphical_model({}, [figures.Edge("a", "b")]),
            r"`edges` must join names among .*; got a, b\.",
        ),
        (lambda: figures.cluster_sizes([[1]]), "`counts` must be a one-dimensional"),
        (lambda: figures.cluster_sizes([1, -1]), "`counts` must be a one-dimensional"),
        (lambda: figures.component_samples(np.zeros((2, 8, 8))), "`images` must have shape .* got \\(2, 8, 8\\)"),
        (lambda: figures.component_samples(np.zeros((1, 1, 5, 8, 8))), "`images` must have .* 1 to 4 channels"),
        (lambda: figures.component_samples(np.full((1, 1, 2, 2), np.nan)), "no missing pixels; got 4 NaN"),
        (lambda: figures.component_samples(np.zeros((2, 1, 8, 8)), shares=[1.0]), "`shares` must have one number"),
        (lambda: figures.style_grid(np.zeros((1, 2, 8, 8)), values=([0], [0])), "`values` .* per column, 2"),
        (lambda: figures.scatter_clusters(np.zeros((4, 3)), [0, 0, 1, 1]), "`points` must have shape"),
        (lambda: figures.scatter_clusters(np.zeros((4, 2)), [0, 1]), "one cluster per point"),
        (lambda: figures.scatter_clusters([[0, np.nan]], [0]), "must be finite; got 1 NaN"),
        (lambda: figures.latent_space(np.eye(2), [0, 5], means=np.eye(2)), "`means` and `scales` must have shape"),
        (lambda: figures.latent_space(np.eye(2), ["a", "b"], means=np.eye(2)), "numbered from 0 .* got a, b"),
        (lambda: figures.latent_space(np.eye(2), [0, 1], scales=np.eye(2)), "`means` must be given with `scales`"),
        (lambda: figures.density_2d([0, 1], [0, 1, 2], np.zeros((2, 3))), "`xx`, `yy` and `log_density` must"),
        (lambda: figures.density_2d([0, 1], [0], [[0, np.nan]]), "`log_density` must have a finite highest value"),
    ],
)
def test_user_errors_are_sentences(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_a_graph_has_its_nodes_arrows_and_plate():
    nodes = {
        "z": figures.Node(0, 1, "latent", "$z$"),
        "x": figures.Node(0, 0, "observed", "$x$"),
        "beta": figures.Node(-1, 0, "parameter", "β"),
    }
    edges = (figures.Edge("z", "x"), figures.Edge("beta", "x", dashed=True))
    panel = figures.graphical_model(nodes, edges, plate="$N$")
    circles = {tuple(patch.center): patch for patch in panel.patches if isinstance(patch, Circle)}
    assert set(circles) == {(0, 1), (0, 0), (-1, 0)}
    assert circles[(0, 0)].get_facecolor() != circles[(0, 1)].get_facecolor()
    arrows = [patch for patch in panel.patches if isinstance(patch, FancyArrowPatch)]
    assert [arrow.get_linestyle() == "-" for arrow in arrows] == [True, False]
    (frame,) = [patch for patch in panel.patches if isinstance(patch, FancyBboxPatch)]
    box = frame.get_bbox()
    assert box.x0 > -1
    assert box.y1 > 1
    assert {text.get_text() for text in panel.texts} == {"$z$", "$x$", "β", "$N$"}


def test_every_value_of_a_strip_is_a_dot_and_the_mean_a_bar():
    panel = figures.strip_plot({"a": [1.0, 2.0, 6.0], "b": [0.5]})
    first, second = (dots.get_offsets()[:, 0].tolist() for dots in panel.collections[::2])
    assert (first, second) == ([1.0, 2.0, 6.0], [0.5])
    assert [bar.get_segments()[0][0, 0] for bar in panel.collections[1::2]] == [3.0, 0.5]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["a", "b"]


def test_points_are_where_they_belong_and_named():
    panel = figures.labelled_points({"one": (1.0, 2.0), "two": (3.0, 4.0)})
    assert [dots.get_offsets().tolist() for dots in panel.collections] == [[[1.0, 2.0]], [[3.0, 4.0]]]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["1  one", "2  two"]


def test_several_runs_have_their_mean_drawn_over_them():
    panel = figures.z_prior_curve([1, 2], [[0.0, 1.0], [0.5, 2.0]])
    assert [line.get_ydata().tolist() for line in panel.lines] == [[0.0, 1.0], [0.5, 2.0], [0.25, 1.5]]


def test_a_point_far_out_does_not_squeeze_the_latent_space():
    x = np.random.default_rng(0).normal(size=(300, 2))
    x[0] = -500.0, 300.0
    panel = figures.latent_space(x, np.zeros(300, dtype=int), means=np.zeros((1, 2)), scales=np.ones((1, 2)))
    assert "drawn at the border: 1" in panel.get_xlabel()
    assert np.ptp(panel.get_xlim()) < 20
    assert "border" not in figures.latent_space(x[1:], np.zeros(299, dtype=int)).get_xlabel()
