"""The parts of the suite; each measures one thing on every subject, in rounds that alternate between them."""
