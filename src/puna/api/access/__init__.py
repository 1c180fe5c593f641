"""Who may call: every way in yields one identity, and what is not known is denied."""
