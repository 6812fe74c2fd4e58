"""How good a sample looks, without the gold."""
