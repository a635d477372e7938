"""The derivative tables: a family of operations a file."""
