"""Model families, one file each, and how the family of a checkpoint is found."""
