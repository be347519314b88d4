"""What guides the posterior beside the bound: starting clusters, then augmented copies."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import BernoulliLikelihood
from gmvae.objective import Guidance
from gmvae.observations import Observations
from gmvae.training import ClusteredRows, augmentation
from gmvae.training.augmentation import random_bends, random_maps, transform
from gmvae.training.guidance import START_WEIGHT, PosteriorGuidance

IMAGES = torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
N_STEPS = 1000
START = ClusteredRows(torch.arange(0, 40, 2), torch.arange(20) % 3)


def posterior_guidance(
    start: ClusteredRows | None = START, consistency: float = 2.0, rows: Tensor = IMAGES
) -> PosteriorGuidance:
    config = Config(n_components=3, style_dim=4, consistency=consistency, network="mlp", hidden_layer_sizes=(8,))
    with torch.random.fork_rng():
        return PosteriorGuidance(
            build(config, (1, 8, 8), BernoulliLikelihood()), Observations(rows.numpy()), start, config
        )


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_rows_of_the_start_come_with_their_clusters() -> None:
    """Without augmented copies in between the rows are as they are, so that each can be found again."""
    guided, guidance = posterior_guidance(consistency=0.0).guided(IMAGES[:7], 100, 100 / N_STEPS, generator())
    assert guided is not None
    assert guidance is not None
    assert guidance.target is not None
    assert len(guided) == 7
    for image, target in zip(guided, guidance.target, strict=True):
        (index,) = (IMAGES[::2] == image).flatten(1).all(1).nonzero().flatten().tolist()
        assert target.tolist() == [k == index % 3 for k in range(3)]
    assert guidance.weight == pytest.approx(0.9 * START_WEIGHT)


def test_steps_go_over_from_the_start_to_the_copies() -> None:
    shown = [posterior_guidance().guided(IMAGES[:2], step, step / N_STEPS, generator())[1] for step in range(N_STEPS)]
    of_start = np.array([guidance is not None and guidance.target is not None for guidance in shown])
    assert of_start[0]
    for first in range(0, N_STEPS, 100):
        expected = 1.0 - (first + 50) / N_STEPS
        assert of_start[first : first + 100].mean() == pytest.approx(expected, abs=0.03), "evenly dealt out"
    weights = np.array([guidance.weight if guidance else np.nan for guidance in shown])
    fade = START_WEIGHT * (1.0 - np.arange(N_STEPS) / N_STEPS)
    np.testing.assert_allclose(weights[of_start], fade[of_start])
    assert (weights[~of_start] == 2.0).all()


def test_without_copies_the_start_fades_to_the_end() -> None:
    guidance = posterior_guidance(START, 0.0).guided(IMAGES, N_STEPS - 1, 1 - 1 / N_STEPS, generator())[1]
    assert guidance is not None
    assert guidance.weight == pytest.approx(START_WEIGHT / N_STEPS)


def test_without_either_nothing_is_shown() -> None:
    assert posterior_guidance(None, 0.0).guided(IMAGES, 0, 0.0, generator()) == (None, None)
    assert posterior_guidance(None).guided(IMAGES, 0, 0.0, generator())[1] == Guidance(None, 2.0)


@pytest.mark.parametrize(
    ("bounds", "how"),
    [
        ({}, lambda image: image),
        ({"SHIFT": 0.25}, None),
        ({"ANGLE": 0.5}, None),
        ({"LOG_SCALE": 0.4}, None),
        ({"SHEAR": 0.4}, None),
    ],
)
def test_maps_are_those_of_scipy(monkeypatch: pytest.MonkeyPatch, bounds: dict[str, float], how: Any) -> None:
    """One kind of map at a time, at its bound, against scipy's affine interpolation."""
    for name in ("SHIFT", "ANGLE", "LOG_SCALE", "SHEAR", "BEND"):
        monkeypatch.setattr(augmentation, name, bounds.get(name, 0.0))
    monkeypatch.setattr(torch, "rand", lambda *size, **kind: torch.ones(*size, dtype=kind["dtype"]))
    image = ndimage.gaussian_filter(np.random.default_rng(1).random((1, 1, 16, 16)), (0, 0, 1, 1))
    angle, zoom, shear = bounds.get("ANGLE", 0.0), math.exp(bounds.get("LOG_SCALE", 0.0)), bounds.get("SHEAR", 0.0)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    in_x_y = turn @ np.array([[zoom, shear], [0.0, zoom]])
    in_rows_columns = in_x_y[::-1, ::-1]
    centre = np.full(2, 7.5)
    shift = 16 * bounds.get("SHIFT", 0.0)
    offset = centre - in_rows_columns @ centre + shift
    expected = ndimage.affine_transform(image[0, 0], in_rows_columns, offset, order=1, mode="nearest")
    found = augmented(torch.from_numpy(image))[0, 0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (how is not None) == np.allclose(found, image[0, 0])


def augmented(images: Tensor) -> Tensor:
    maps, bends = (draw(len(images), images.dtype, generator()) for draw in (random_maps, random_bends))
    return transform(images, maps, bends)


def test_bends_shift_the_nodes_and_what_is_between_smoothly() -> None:
    """On images whose values are the places of their pixels, at pixels that are nodes."""
    places = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="xy")).double()
    bends = random_bends(3, torch.float64, generator())
    assert 0.9 * 2 * augmentation.BEND < bends.abs().max() <= 2 * augmentation.BEND
    unmoved = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double().expand(3, -1, -1)
    shifts = transform(places.expand(3, -1, -1, -1), unmoved, bends) - places
    torch.testing.assert_close(shifts[..., 5:11:5, 5:11:5], 8 * bends[..., 1:3, 1:3])
    inner = shifts[..., 2:14, 2:14]
    assert max(inner.diff(dim=-1).abs().max(), inner.diff(dim=-2).abs().max()) < 1.5
    torch.testing.assert_close(transform(places.expand(3, -1, -1, -1), unmoved, 0 * bends) - places, 0 * shifts)


def test_every_image_is_moved_on_its_own() -> None:
    one: Tensor = IMAGES[:1].expand(5, -1, -1, -1)
    moved = augmented(one)
    assert len({tuple(image.flatten().tolist()) for image in moved}) == 5
    torch.testing.assert_close(moved, augmented(one), rtol=0, atol=0)


def test_copies_are_in_the_units_that_the_networks_see() -> None:
    levels = (255 * IMAGES).to(torch.uint8)
    shares = levels / 255
    for step in (0, N_STEPS - 1):
        one, other = (
            posterior_guidance(rows=rows).guided(rows, step, step / N_STEPS, generator())[0]
            for rows in (levels, shares)
        )
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


@pytest.mark.parametrize("consistency", [0.0, 5.0])
def test_only_without_augmented_copies_guidance_holds_for_samples_too(consistency: float) -> None:
    model = posterior_guidance(consistency=consistency).model
    q, noise = model.recognition(IMAGES), model.noise(1, len(IMAGES), generator())
    guided, at_means = model.guided_log_posterior(q, noise), model.log_posterior(IMAGES)
    assert torch.allclose(guided, at_means) is (consistency > 0.0)


def test_pretraining_leaves_the_posteriors_on_the_clusters() -> None:
    blobs = torch.eye(3).repeat_interleave(20, 0).reshape(60, 1, 1, 3).repeat(1, 1, 8, 1)
    clusters = torch.arange(3).repeat_interleave(20)
    pretrained = posterior_guidance(ClusteredRows(torch.arange(60), clusters), 0.0, functional.pad(blobs, (0, 5)))
    before = {name: tensor.clone() for name, tensor in pretrained.model.generative.observation.state_dict().items()}
    pretrained.pretrain(32, generator(), nullcontext)
    images = functional.pad(blobs, (0, 5))
    at_means = pretrained.model.log_posterior(images).exp()
    at_samples = pretrained.model.mean_posterior(images, pretrained.model.noise(50, 1, generator()))
    for chances in (at_means, at_samples):
        assert (chances[torch.arange(60), clusters] > 0.75).all()
    after = pretrained.model.generative.observation.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items()), "the decoder has nothing to learn"
