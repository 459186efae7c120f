"""Reading exports and publishing them."""
