"""The converters as a user runs them."""
