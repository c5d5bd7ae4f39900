"""Metrics outside a search's aim, at the speed a search needs: the reference's side computed once, one core."""
