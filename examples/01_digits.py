"""
Clusters of handwritten digits
==============================

Images without labels become clusters, with probabilities, and new images of every cluster.
"""

# %%
# Ten clusters of scikit-learn's 1,797 digits, 8 by 8 pixels. Labels are used to count, never to fit.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from gmvae import GMVAE
from gmvae.metrics import accuracy_hungarian, nmi

digits = load_digits()
X = digits.images / 16
model = GMVAE(n_components=10, max_iter=25, tol=1.0, n_iter_no_change=5, random_state=0).fit(X)
print(f"accuracy {accuracy_hungarian(digits.target, model.labels_):.3f}, NMI {nmi(digits.target, model.labels_):.3f}")

# %%
# A row for each cluster: eight random samples of it.
images, _ = model.sample(80, component=np.repeat(np.arange(10), 8), mean=True)
figure, axes = plt.subplots(10, 8, figsize=(4, 5.3), layout="constrained")
figure.suptitle("Samples of each cluster")
for image, axis in zip(images, axes.flat, strict=True):
    axis.imshow(image[0], cmap="gray_r")
    axis.axis("off")
