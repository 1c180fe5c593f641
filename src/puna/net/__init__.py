"""Connections that must not lead into private networks: for pulls, and whatever else follows a stranger's address."""
