"""Chen 2008: double compression told from one file, and its first quality."""
