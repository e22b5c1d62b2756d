"""Readers of published weights, one module for each family of files."""
