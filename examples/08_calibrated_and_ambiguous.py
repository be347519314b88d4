"""
Ambiguous rows, and how far probabilities can be trusted
========================================================

A row between clusters is ambiguous. Here the groups are known, and show how often the model is right where it is sure.
"""

# %%
# Two groups that overlap, and one apart.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

from gmvae import GMVAE
from gmvae.metrics import accuracy_hungarian

X, group = make_blobs(2000, centers=[[-1.6, 0], [1.6, 0], [3, 6]], cluster_std=[1.2, 1.2, 1.0], random_state=0)
model = GMVAE(3, latent_dim=2, max_iter=30, tol=0.05, n_iter_no_change=10, random_state=0).fit(X)
flagged = model.is_ambiguous(X)
print(f"flagged: {flagged.mean():.1%}")
print(f"right among the flagged: {accuracy_hungarian(group[flagged], model.labels_[flagged]):.2f}")
print(f"right among the others: {accuracy_hungarian(group[~flagged], model.labels_[~flagged]):.2f}")

# %%
# Probabilities are surer than they are right: use them to rank rows.
print(f"mean probability of the cluster: {model.predict_proba(X).max(1).mean():.3f}")
print(f"right: {accuracy_hungarian(group, model.labels_):.3f}")

# %%
# Left, yellow: where the entropy of p(z|y) is above 0.5 nats. Right: what is right among the most certain rows.
# Log-odds rank rows whose probabilities round to 1.
across, up = np.meshgrid(np.linspace(-6, 7, 120), np.linspace(-5, 10, 120))
ambiguous = model.is_ambiguous(np.column_stack([across.ravel(), up.ravel()])).reshape(across.shape)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.contourf(across, up, ambiguous, levels=[0.5, 1], colors=["#ffcc66"])
left.scatter(*X.T, c=model.labels_, s=3, cmap="tab10")
left.set_title("Where rows are ambiguous")
order = np.argsort(-model.predict_log_odds(X).max(1))
kept = np.arange(200, 2001, 100)
right.plot(kept / 2000, [accuracy_hungarian(group[order[:n]], model.labels_[order[:n]]) for n in kept])
right.set(xlabel="share of rows kept, the most certain ones", ylabel="right among them", title="Accuracy")
