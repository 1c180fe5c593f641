"""What exists on disk: names, blobs, manifests, and what can be done with them."""
