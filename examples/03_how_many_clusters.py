"""
How many clusters?
==================

The number on which clusterings of halves of the data agree, before anything is trained.
"""

# %%
import matplotlib.pyplot as plt
from sklearn.datasets import load_wine
from sklearn.preprocessing import scale

from gmvae import GMVAE, choose_k

X = scale(load_wine().data)
choice = choose_k(GMVAE(random_state=0), X, range(2, 9), n_fits=0)
print("taken:", choice.n_components)

# %%
# Stability: both halves find the same clusters. Separation: boundaries between clusters cut little. Grapes of three
# cultivars went into these wines. `GMVAE("auto")` takes the number by itself.
numbers = [each.n_components for each in choice.candidates]
plt.figure(figsize=(5, 3.5), layout="constrained")
plt.plot(numbers, [each.criteria.stability for each in choice.candidates], "o-", label="stability")
plt.plot(numbers, [each.criteria.separation for each in choice.candidates], "s-", label="separation")
plt.axvline(choice.n_components, color="grey", linestyle=":")
plt.xlabel("clusters")
plt.title("Stability and separation of clusters of wines")
plt.legend()
