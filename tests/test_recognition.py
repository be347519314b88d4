"""The right half: four streams by hand in numpy, precision, row-independence and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gmvae.distributions import LOG_SCALE_BOUNDS, Normal
from gmvae.networks import PAPER_ARCHITECTURES, ConvEncoder, ConvLayer, MLPEncoder
from gmvae.recognition import Recognition

LOW, HIGH = LOG_SCALE_BOUNDS


@pytest.fixture(autouse=True)
def seed() -> None:
    """Weights come from the global generator by design."""
    torch.manual_seed(0)


def _numpy_bounded(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(LOW, -np.logaddexp(-HIGH, -raw))


def _normals(recognition: Recognition, y: Tensor) -> list[Tensor]:
    q_x, q_w = recognition(y)
    return [q_x.mean, q_x.log_scale, q_w.mean, q_w.log_scale]


def test_the_four_streams_by_hand() -> None:
    recognition = Recognition(MLPEncoder((3,), (6,)), width=6, latent_dim=4, style_dim=2).double()
    y = torch.randn(5, 3, dtype=torch.float64)
    linear, output = recognition.encoder.layers[0], recognition.output
    hidden = np.maximum(y.numpy() @ linear.weight.detach().numpy().T + linear.bias.detach().numpy(), 0.0)
    raw = hidden @ output.weight.detach().numpy().T + output.bias.detach().numpy()
    expected = [raw[:, :4], _numpy_bounded(raw[:, 4:8]), raw[:, 8:10], _numpy_bounded(raw[:, 10:])]
    for actual, value in zip(_normals(recognition, y), expected, strict=True):
        np.testing.assert_allclose(actual.detach().numpy(), value, atol=1e-12)


def test_both_posteriors_share_the_hidden_layers_and_nothing_else() -> None:
    recognition = Recognition(MLPEncoder((3,), (6,)), width=6, latent_dim=4, style_dim=2)
    y = torch.randn(5, 3)
    of_x, of_w = (q.kl_to_standard().sum() for q in recognition(y))
    for cost, rows in ((of_x, slice(0, 8)), (of_w, slice(8, 12))):
        weights = [recognition.encoder.layers[0].weight, recognition.output.weight]
        shared, own = torch.autograd.grad(cost, weights, retain_graph=True)
        assert shared.abs().sum() > 0
        assert own[rows].abs().sum() > 0
        own[rows] = 0.0
        assert own.abs().sum() == 0.0


def test_the_encoder_runs_once() -> None:
    calls = []
    encoder = MLPEncoder((3,), (6,))
    encoder.register_forward_hook(lambda *_: calls.append(1))
    Recognition(encoder, 6, 4, 2)(torch.randn(5, 3))
    assert calls == [1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_distributions_are_at_least_float32(dtype: torch.dtype) -> None:
    recognition = Recognition(MLPEncoder((3,), (6,)), 6, 4, 2).to(dtype)
    wanted = torch.promote_types(dtype, torch.float32)
    assert all(value.dtype == wanted for value in _normals(recognition, torch.randn(5, 3).to(dtype)))


@pytest.mark.parametrize("batch_norm", [False, True])
def test_rows_do_not_know_each_other_when_evaluated(batch_norm: bool) -> None:
    encoder = ConvEncoder((2, 8, 9), (ConvLayer(3, 4, 2, 1), ConvLayer(4, 3, 1, 0)), 6, batch_norm)
    recognition = Recognition(encoder, 6, 4, 2).double()
    y = torch.randn(7, 2, 8, 9, dtype=torch.float64)
    if batch_norm:
        recognition(3.0 * y + 1.0)  # running moments other than the initial ones
    recognition.eval()
    order = torch.tensor([3, 0, 6])
    for together, apart in zip(_normals(recognition, y), _normals(recognition, y[order]), strict=True):
        torch.testing.assert_close(together[order], apart, rtol=1e-12, atol=1e-12)


def test_far_observations_give_finite_posteriors_and_gradients() -> None:
    recognition = Recognition(MLPEncoder((3,), (60, 60)), 60, 4, 2)
    y = torch.tensor([[1e4, -1e4, 1e4], [0.0, 1e4, 0.0]])
    values = _normals(recognition, y)
    assert all(value.isfinite().all() for value in values)
    assert all(values[i].min() >= LOW and values[i].max() <= HIGH + 1e-3 for i in (1, 3))
    q_x, q_w = recognition(y)
    cost = (q_x.kl_to_standard() + q_w.kl_to_standard()).sum()
    for slope in torch.autograd.grad(cost, list(recognition.parameters())):
        assert slope.isfinite().all()


def test_gradients_are_those_of_finite_differences() -> None:
    recognition = Recognition(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), 4, 2, 1).double()
    names = [name for name, _ in recognition.named_parameters()]

    def streams(y: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        q_x, q_w = torch.func.functional_call(recognition, dict(zip(names, weights, strict=True)), (y,))
        return q_x.mean, q_x.log_scale, q_w.mean, q_w.log_scale

    y = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(streams, (y, *recognition.parameters()))


def test_posterior_is_a_pair_of_normals_over_one_axis() -> None:
    posterior = Recognition(MLPEncoder((2,), PAPER_ARCHITECTURES["paper-synthetic"].hidden), 120, 2, 3)(
        torch.zeros(4, 2)
    )
    assert posterior._fields == ("x", "w")
    assert all(isinstance(q, Normal) and q.event_dims == 1 for q in posterior)
    assert (posterior.x.mean.shape, posterior.w.mean.shape) == ((4, 2), (4, 3))
    # Equal rows, equal posteriors.
    torch.testing.assert_close(posterior.x.mean, posterior.x.mean[:1].expand(4, 2))
