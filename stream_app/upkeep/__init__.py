"""What an operator does with the states: look, save, restore, compare, move."""
