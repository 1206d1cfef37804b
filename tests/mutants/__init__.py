"""Seeded bugs: each is planted in a copied tree and must be caught by the test named beside it (`make mutants`)."""
