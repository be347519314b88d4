"""The reference: the paper's equations written plainly, as one would from the page, in eager PyTorch and float32.

`nn` modules as in the paper's tables, two heads for the components' means and log-scales, `torch.optim.Adam` as it
comes, data as floats in memory, no guard and no logging. `agreement.py` holds it to gmvae's loss and gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from workloads import Workload

LogScale = Callable[[Tensor], Tensor]
CPU = torch.device("cpu")


def bounded(raw: Tensor) -> Tensor:
    """gmvae's log standard deviation of a network's output: smoothly within -5 and 3."""
    return -5.0 + functional.softplus(8.0 - functional.softplus(3.0 - raw))


def half_log_variance(raw: Tensor) -> Tensor:
    """The paper's own: the network gives a log-variance. Cheaper than `bounded`, and not what gmvae computes."""
    return 0.5 * raw


def log_normal(value: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    return (-0.5 * ((value - mean) / log_scale.exp()) ** 2 - log_scale - 0.5 * math.log(2.0 * math.pi)).sum(-1)


class Reference(nn.Module):
    """The model of a workload, and its loss."""

    def __init__(self, workload: Workload, log_scale: LogScale = bounded) -> None:
        super().__init__()
        self.workload, self.log_scale = workload, log_scale
        width, K, D_x, D_w = workload.hidden[-1], workload.n_components, workload.latent_dim, workload.style_dim
        self.encoder = nn.Sequential(*encoder_layers(workload))
        self.x_mean, self.x_raw = nn.Linear(width, D_x), nn.Linear(width, D_x)
        self.w_mean, self.w_raw = nn.Linear(width, D_w), nn.Linear(width, D_w)
        self.mixture_hidden = nn.Linear(D_w, width)
        self.component_mean, self.component_raw = nn.Linear(width, K * D_x), nn.Linear(width, K * D_x)
        self.decoder = nn.Sequential(*decoder_layers(workload))

    def recognise(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Mean and log-scale of q(x|y), and of q(w|y)."""
        h = self.encoder(y)
        return self.x_mean(h), self.log_scale(self.x_raw(h)), self.w_mean(h), self.log_scale(self.w_raw(h))

    def loss(self, y: Tensor, noise_x: Tensor, noise_w: Tensor) -> Tensor:
        """Minus the objective for y (B, *event) and standard normal noise (S, B, D)."""
        K, D_x = self.workload.n_components, self.workload.latent_dim
        x_mean, x_log_scale, w_mean, w_log_scale = self.recognise(y)
        x, w = x_mean + x_log_scale.exp() * noise_x, w_mean + w_log_scale.exp() * noise_w
        hidden = torch.tanh(self.mixture_hidden(w))
        mean = self.component_mean(hidden).unflatten(-1, (K, D_x))
        log_scale = self.log_scale(self.component_raw(hidden).unflatten(-1, (K, D_x)))
        log_component = log_normal(x.unsqueeze(-2), mean, log_scale)
        log_posterior = torch.log_softmax(log_component, -1)
        posterior = log_posterior.exp()
        if self.workload.bound == "paper":
            q_mean, q_log_scale = x_mean.unsqueeze(-2), x_log_scale.unsqueeze(-2)
            variance = (2.0 * log_scale).exp()
            excess = ((2.0 * q_log_scale).exp() + (q_mean - mean) ** 2) / variance - 1.0
            conditional_prior = (posterior * (0.5 * excess + log_scale - q_log_scale).sum(-1)).sum(-1)
        else:
            conditional_prior = log_normal(x, x_mean, x_log_scale) - (posterior * log_component).sum(-1)
        w_prior = (0.5 * ((2.0 * w_log_scale).exp() + w_mean**2 - 1.0) - w_log_scale).sum(-1)
        z_prior = (posterior * (log_posterior + math.log(K))).sum(-1).mean()
        cost = conditional_prior.mean() + w_prior.mean() - self.log_likelihood(y, x).mean()
        return cost + z_prior.clamp(min=self.workload.min_information)

    def log_likelihood(self, y: Tensor, x: Tensor) -> Tensor:
        """log p(y|x), shape (S, B)."""
        output = self.decoder(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        y = y.flatten(1).expand(len(x), -1, -1)
        if self.workload.likelihood == "bernoulli":
            return -functional.binary_cross_entropy_with_logits(output.flatten(2), y, reduction="none").sum(-1)
        mean, raw = output.flatten(2).chunk(2, -1)
        return log_normal(y, mean, self.log_scale(raw))


def encoder_layers(workload: Workload) -> list[nn.Module]:
    """Convolutions if there are any, then fully connected layers, each with batch norm if asked for, and ReLU."""
    layers: list[nn.Module] = []
    channels = [workload.event_shape[0], *(layer.channels for layer in workload.convolutions)]
    for (n_in, n_out), layer in zip(pairwise(channels), workload.convolutions, strict=True):
        layers += [nn.Conv2d(n_in, n_out, *layer[1:]), *norm(nn.BatchNorm2d, n_out, workload), nn.ReLU()]
    layers.append(nn.Flatten())
    flat = channels[-1] * math.prod(workload.sizes()[-1]) if workload.convolutions else workload.n_values
    for n_in, n_out in pairwise([flat, *workload.hidden]):
        layers += [nn.Linear(n_in, n_out), *norm(nn.BatchNorm1d, n_out, workload), nn.ReLU()]
    return layers


def decoder_layers(workload: Workload) -> list[nn.Module]:
    """The encoder's mirror image, from x to logits, or to means and raw log-scales."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise([workload.latent_dim, *workload.hidden[::-1]]):
        layers += [nn.Linear(n_in, n_out), *norm(nn.BatchNorm1d, n_out, workload), nn.ReLU()]
    n_outputs = 1 if workload.likelihood == "bernoulli" else 2
    if not workload.convolutions:
        return [*layers, nn.Linear(workload.hidden[0], n_outputs * workload.n_values)]
    sizes = workload.sizes()
    start = (workload.convolutions[-1].channels, *sizes[-1])
    layers += [nn.Linear(workload.hidden[0], math.prod(start)), nn.Unflatten(-1, start)]
    channels = [n_outputs * workload.event_shape[0], *(layer.channels for layer in workload.convolutions)]
    for index in reversed(range(len(workload.convolutions))):
        (n_out, n_in), layer = channels[index : index + 2], workload.convolutions[index]
        remainder = tuple((size + 2 * layer.padding - layer.kernel) % layer.stride for size in sizes[index])
        layers += [*norm(nn.BatchNorm2d, n_in, workload), nn.ReLU()]
        layers.append(nn.ConvTranspose2d(n_in, n_out, *layer[1:], output_padding=remainder))
    return layers


def norm(kind: type[nn.Module], width: int, workload: Workload) -> list[nn.Module]:
    return [kind(width)] if workload.batch_norm else []


def noise(workload: Workload, batch: int, device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """Standard normal noise for x and for w."""
    dims = (workload.latent_dim, workload.style_dim)
    noise_x, noise_w = (torch.randn(workload.n_mc_samples, batch, dim, device=device) for dim in dims)
    return noise_x, noise_w


def as_floats(rows: Tensor) -> Tensor:
    """Data as the reference holds it: images in [0, 1], other rows standardised, in float32."""
    if rows.dtype == torch.uint8:
        return rows / 255.0
    return ((rows - rows.mean(0)) / rows.std(0)).float()


def training_step(
    workload: Workload, batch: int, seed: int, log_scale: LogScale = bounded, device: torch.device = CPU
) -> Callable[[], object]:
    """A gradient step on one minibatch: fresh noise, loss, gradients, Adam."""
    torch.manual_seed(seed)
    model = Reference(workload, log_scale).train().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=workload.learning_rate)
    y = as_floats(torch.from_numpy(workload.rows(batch, seed))).to(device)

    def step() -> None:
        loss = model.loss(y, *noise(workload, batch, device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step
