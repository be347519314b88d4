"""
Arcs, and a Gaussian mixture
============================

Five arcs of circles: a Gaussian mixture finds them, too, but lays a straight normal distribution over each. A GMVAE
bends them: what it draws lies on the arcs, and held-out points are more probable.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.mixture import GaussianMixture

from gmvae import GMVAE, load

arcs = load("synthetic").X
X, held_out = arcs[::5], arcs[1::5]
model = GMVAE(
    n_components=5, latent_dim=2, hidden_layer_sizes=(120, 120), max_iter=80, effort="density", random_state=0
).fit(X)
mixture = GaussianMixture(5, random_state=0).fit(X)

# %%
# New points, coloured by the component that they were drawn from; above, the mean log density of held-out points.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained", sharex=True, sharey=True)
drawn = {
    "GMVAE": (model.sample(2000), model.score(held_out)),
    "mixture": (mixture.sample(2000), mixture.score(held_out)),
}
for axis, (name, ((points, component), score)) in zip(axes, drawn.items(), strict=True):
    axis.scatter(*points.T, c=component, s=4, cmap="tab10")
    axis.set(title=f"{name}: {score:.2f} nats", xlabel="first column")
axes[0].set_ylabel("second column")
