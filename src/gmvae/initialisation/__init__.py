"""Starting clusters and the number of clusters, found without a model. Classes are never used."""
