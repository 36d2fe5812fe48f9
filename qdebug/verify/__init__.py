"""Simulations held against real runtimes."""
