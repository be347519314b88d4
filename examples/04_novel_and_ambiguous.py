"""
Novel and ambiguous rows
========================

A row between clusters is ambiguous; a row unlike those of the fit is novel, however sure its cluster is.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from gmvae import GMVAE

X, _ = make_blobs(1200, centers=[[-4, 0], [0, 0], [3, 5]], cluster_std=[1.2, 1.2, 1.0], random_state=0)
model = GMVAE(3, latent_dim=2, max_iter=60, tol=0.05, n_iter_no_change=10, random_state=0).fit(X)

# %%
# Over the plane: where the entropy of p(z|y) is above 0.5 nats, and where the density is below that of all but a
# hundredth of held-out rows.
across, up = np.meshgrid(np.linspace(-10, 9, 120), np.linspace(-7, 11, 120))
places = np.column_stack([across.ravel(), up.ravel()])
ambiguous = model.is_ambiguous(places).reshape(across.shape)
novel = model.is_novel(places).reshape(across.shape)
plt.figure(figsize=(6, 5))
plt.contourf(across, up, novel, levels=[0.5, 1], colors=["#dddddd"])
plt.contourf(across, up, ambiguous & ~novel, levels=[0.5, 1], colors=["#ffcc66"])
plt.scatter(*X.T, c=model.labels_, s=5, cmap="tab10")
plt.title("grey: novel; yellow: ambiguous")
