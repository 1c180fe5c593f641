"""Which models are in memory: load, queue, keep-alive, memory, eviction."""
