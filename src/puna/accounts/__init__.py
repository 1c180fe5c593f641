"""Keys, what each may do, and what was used: kept in one SQLite file, read from memory."""
