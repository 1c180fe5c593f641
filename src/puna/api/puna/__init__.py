"""Routes that are Puna's own."""
