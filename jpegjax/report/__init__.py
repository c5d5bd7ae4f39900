"""What a person looks at: images × codecs × settings × metrics as numbers, curves and one page."""
