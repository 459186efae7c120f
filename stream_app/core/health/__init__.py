"""What a battery system's own signals say of its charge, health, cycles and losses."""
