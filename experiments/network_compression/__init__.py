"""Ge 2017: how small a network's file gets at no loss that counts."""
