"""
In a pipeline, and a grid search
================================

`GMVAE` is an estimator of scikit-learn. `score` is the mean log density of rows, so that a search needs no labels: it
compares densities of rows that a fit has not seen.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gmvae import GMVAE

wines = load_wine()
model = GMVAE(3, hidden_layer_sizes=(64,), max_iter=60, tol=0.05, random_state=0)
pipeline = make_pipeline(StandardScaler(), PCA(5), model)

# %%
# How many dimensions should the latent space have? Densities compare, as the steps before the model stay as they are.
# One split keeps the example short; take five.
split = ShuffleSplit(n_splits=1, test_size=0.3, random_state=0)
search = GridSearchCV(pipeline, {"gmvae__latent_dim": [1, 2, 5]}, cv=split).fit(wines.data)
print(search.best_params_)

# %%
# Left, the held-out log density for each; right, the clusters of the best.
results = search.cv_results_
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
dims = [str(each["gmvae__latent_dim"]) for each in results["params"]]
left.plot(dims, results["mean_test_score"], "o-")
left.set(xlabel="latent_dim", ylabel="held-out log density, nats", title="Density")
plane = search.best_estimator_[:-1].transform(wines.data)
right.scatter(*plane[:, :2].T, c=search.predict(wines.data), s=12, cmap="tab10")
right.set(xlabel="first principal component", ylabel="second", title="Clusters")
