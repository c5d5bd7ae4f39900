"""What of a decoded file is shown, and how: upright, restored."""
