"""
A network of your own
=====================

Any pair of torch modules can be the encoder and the decoder; the mixture is put around them.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from torch import nn

from gmvae import GMVAE

encoder = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.SiLU(), nn.LayerNorm(128), nn.Linear(128, 128), nn.SiLU())
decoder = nn.Sequential(nn.Linear(10, 128), nn.SiLU(), nn.Linear(128, 64), nn.Unflatten(1, (1, 1, 8, 8)))
X = (load_digits().images / 16).astype(np.float32)
model = GMVAE(
    10, latent_dim=10, network=(encoder, decoder), max_iter=30, tol=1.0, n_iter_no_change=5, random_state=0
).fit(X)

# %%
# Images, and what comes back through the latent space.
figure, axes = plt.subplots(2, 10, figsize=(6, 1.7), layout="constrained")
figure.suptitle("Images and their reconstructions")
for column, image, back in zip(axes.T, X[:10], model.reconstruct(X[:10]), strict=True):
    for axis, each in zip(column, (image, back[0]), strict=True):
        axis.imshow(each, cmap="gray_r")
        axis.axis("off")
