"""What exists on disk: model files, manifests and everything that makes or changes them."""
