"""
A mixed table with gaps
=======================

Numbers, categories, answers of yes and no and empty cells, as a file has them.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from gmvae import GMVAE

rng = np.random.default_rng(0)
group = rng.integers(0, 3, 900)
frame = pd.DataFrame(
    {
        "age": np.round(rng.normal(np.array([25, 45, 65])[group], 6)),
        "income": np.round(np.exp(rng.normal(np.array([9.5, 10.8, 10.2])[group], 0.4))),
        "home": np.array(["flat", "house", "farm"])[np.where(rng.random(900) < 0.8, group, rng.integers(0, 3, 900))],
        "car": np.where(rng.random(900) < np.array([0.2, 0.9, 0.6])[group], "yes", "no"),
    }
)
frame = frame.mask(rng.random(frame.shape) < 0.1).dropna(how="all")
frame.head()

# %%
# Every column gets a likelihood of its own; empty cells drop out of the bound.
model = GMVAE(3, latent_dim=4, max_iter=60, tol=0.05, n_iter_no_change=10, random_state=0).fit(frame)
print(model.column_likelihoods_)
print(f"adjusted Rand index {adjusted_rand_score(group[frame.index], model.labels_):.2f}")

# %%
# What tells the clusters apart, and the gaps filled by what the model says of them.
model.describe(frame)[["cluster", "column", "level", "inside", "outside", "difference"]].head(8)

# %%
filled = model.impute(frame)
plt.figure(figsize=(5, 4), layout="constrained")
plt.scatter(filled["age"], filled["income"], c=model.labels_, s=6, cmap="tab10")
plt.yscale("log")
plt.xlabel("age")
plt.ylabel("income")
plt.title("Clusters, with gaps filled")
