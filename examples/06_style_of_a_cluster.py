"""
The style of a cluster
======================

Which cluster a row belongs to is z; how rows of one cluster differ is in part w, the style. A cluster can
be drawn at any style.
"""

# %%
# Rings and bars of any slant, 12 by 12 pixels. Two clusters are asked for; nothing tells of the slant.
import matplotlib.pyplot as plt
import numpy as np

from gmvae import GMVAE

rng = np.random.default_rng(0)
up, across = np.mgrid[-1:1:12j, -1:1:12j]
slant = rng.uniform(-0.8, 0.8, (1000, 1, 1))
along, aside = up * np.cos(slant) - across * np.sin(slant), up * np.sin(slant) + across * np.cos(slant)
rings = np.abs(np.hypot(along / 0.9, aside / 0.55) - 0.85) < 0.17
bars = (np.abs(along) < 0.9) & (np.abs(aside) < 0.17)
is_ring = np.arange(1000) % 2 == 0
X = np.where(is_ring[:, None, None], rings, bars)

# %%
# One coordinate of style is enough here. `warm_up` lets the fit use it before it costs anything.
model = GMVAE(
    2,
    latent_dim=4,
    style_dim=1,
    network="mlp",
    hidden_layer_sizes=(128,),
    max_iter=70,
    effort="density",
    warm_up=0.8,
    random_state=0,
).fit(X)
for k in range(2):
    print(f"cluster {k}: {is_ring[model.labels_ == k].mean():.0%} rings")

# %%
# A row for each cluster; from left to right w goes from -2 to 2, and the slant of rings with it.
styles = np.linspace(-2, 2, 9)
figure, axes = plt.subplots(2, 9, figsize=(8, 2), layout="constrained")
for w, column in zip(styles, axes.T, strict=True):
    for image, axis in zip(model.inverse_transform(model.components([w]).means), column, strict=True):
        axis.imshow(image[0], cmap="gray_r")
        axis.axis("off")
    column[0].set_title(f"w = {w:g}", fontsize=8)

# %%
# `transform_style` gives the style that a row has.
plt.figure(figsize=(5, 3.5), layout="constrained")
plt.scatter(slant, model.transform_style(X), c=model.labels_, s=5, cmap="tab10")
plt.xlabel("slant of the picture")
plt.ylabel("mean of q(w|y)")
plt.title("Style against slant")
