"""Work that outlives a connection, and what is kept of it: stored responses, conversations, runs in the background."""
