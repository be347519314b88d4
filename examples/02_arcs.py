"""
Arcs, and a Gaussian mixture
============================

Five arcs of circles are five clusters, and none is a normal distribution. A Gaussian mixture needs many components for
an arc; a GMVAE bends a normal distribution in its latent space.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gmvae import GMVAE, load

arcs = load("synthetic")
X, arc = arcs.X[::5], arcs.labels[::5]
model = GMVAE(n_components=5, latent_dim=2, max_iter=40, tol=0.1, n_iter_no_change=5, random_state=0).fit(X)
mixture = GaussianMixture(5, random_state=0).fit(X)

figure, axes = plt.subplots(1, 2, figsize=(8, 4), sharex=True, sharey=True)
for axis, name, labels in zip(axes, ("GMVAE", "Gaussian mixture"), (model.labels_, mixture.predict(X)), strict=True):
    axis.scatter(*X.T, c=labels, s=4, cmap="tab10")
    axis.set_title(f"{name}: adjusted Rand index {adjusted_rand_score(arc, labels):.2f}")

# %%
# New points from the model, coloured by the cluster that they were drawn from.
drawn, labels = model.sample(2000)
plt.figure(figsize=(4, 4))
plt.scatter(*drawn.T, c=labels, s=4, cmap="tab10")
