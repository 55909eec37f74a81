"""Sources: where the mesh's own truth is kept. The wire side never comes here; both meet in the model."""
