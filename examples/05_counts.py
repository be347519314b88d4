"""
Counts: texts of any length
===========================

Words of texts, reads of cells, visits of customers: one row has a hundred times the counts of another. The negative
binomial with the row's total as size factor models shares, so that clusters do not follow the length.
"""

# %%
# Texts of three topics, from a dozen words to some thousands.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import KMeans

from gmvae import GMVAE
from gmvae.metrics import ari

rng = np.random.default_rng(0)
topic = rng.integers(0, 3, 600)
shares = rng.dirichlet(np.full(30, 0.5), 3)
length = 20 + np.exp(rng.normal(5.5, 1.3, 600))
X = rng.poisson(length[:, None] * shares[topic] * rng.gamma(4, 1 / 4, (600, 30)))
print(f"{X.sum(1).min():,} to {X.sum(1).max():,} words in a text")

# %%
# k-means on the counts divides texts by their length. The likelihood has to be named, since whole numbers in a dense
# table need not be counts.
model = GMVAE(
    3, likelihood="negative-binomial", latent_dim=4, hidden_layer_sizes=(64, 64), max_iter=50, tol=0.1, random_state=0
).fit(X)
k_means = KMeans(3, random_state=0).fit(X)
print(f"adjusted Rand index: k-means {ari(topic, k_means.labels_):z.2f}, gmvae {ari(topic, model.labels_):z.2f}")

# %%
# Left, texts of all lengths in every cluster; right, the counts that each cluster expects of a text of median length.
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
of_clusters = [np.log10(X.sum(1)[model.labels_ == k]) for k in range(3)]
left.hist(of_clusters, 15, stacked=True, label=["cluster 0", "cluster 1", "cluster 2"])
left.set(xlabel="words in a text, power of ten", ylabel="texts", title="Lengths of texts")
left.legend()
shown = right.imshow(model.inverse_transform(model.components().means), aspect="auto")
right.set(xlabel="word", ylabel="cluster", yticks=range(3), title="Expected counts")
figure.colorbar(shown, label="expected count")
