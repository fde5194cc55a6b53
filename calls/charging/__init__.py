"""What calls cost: prices, what is held ahead of them, who may begin one, the bill."""
