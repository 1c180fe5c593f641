"""HTTP as all dialects use it: bodies in, JSON and streams out."""
