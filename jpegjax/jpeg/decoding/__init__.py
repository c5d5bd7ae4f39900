"""Files to pixels by way of devices."""
