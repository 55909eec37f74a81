"""Translation: from the world to xDS resources. Pure, one file per xDS type, sorted, version = hash of the content."""
