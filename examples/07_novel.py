"""
Novel rows
==========

A row unlike those of the fit is novel, however sure its cluster is: its density is below that of all but a share of the
rows that were held out of the fit.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from gmvae import GMVAE

centres, spreads = [[-4, 0], [0, 0], [3, 5]], [1.2, 1.2, 1.0]
X, _ = make_blobs(1200, centers=centres, cluster_std=spreads, random_state=0)
model = GMVAE(3, latent_dim=2, max_iter=60, tol=0.05, n_iter_no_change=10, random_state=0).fit(X)

# %%
# New rows: 1,000 more of the same kind, of which about the share asked for is flagged, and 1,000 from elsewhere, which
# still get a cluster, most of them without a doubt.
alike, _ = make_blobs(1000, centers=centres, cluster_std=spreads, random_state=1)
unlike, _ = make_blobs(1000, centers=[[7, -4]], random_state=1)
for below in (1, 5):
    flagged = [model.is_novel(rows, below=below).mean() for rows in (alike, unlike)]
    print(f"below={below}: {flagged[0]:.1%} of rows of the same kind, {flagged[1]:.1%} of the others")
print(f"mean probability of the cluster of the others: {model.predict_proba(unlike).max(1).mean():.2f}")

# %%
# Grey: where a row would be novel. Crosses: the rows from elsewhere.
across, up = np.meshgrid(np.linspace(-10, 11, 120), np.linspace(-8, 11, 120))
novel = model.is_novel(np.column_stack([across.ravel(), up.ravel()])).reshape(across.shape)
plt.figure(figsize=(6, 5), layout="constrained")
plt.contourf(across, up, novel, levels=[0.5, 1], colors=["#dddddd"])
plt.scatter(*X.T, c=model.labels_, s=5, cmap="tab10")
plt.scatter(*unlike[:100].T, marker="x", s=15, color="black", linewidth=0.8)
plt.title("Where rows are novel")
