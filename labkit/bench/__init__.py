"""How measurements are designed, made and kept."""
