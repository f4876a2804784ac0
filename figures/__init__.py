"""Figures from committed or fresh tables; needs lab.results and matplotlib, never jax."""
