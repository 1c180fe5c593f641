"""What is known of each request once it is over, and who wants to know."""
