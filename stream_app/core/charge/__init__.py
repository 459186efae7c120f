"""Charge between anchors: the ledger of a battery system and of each of its packs."""
