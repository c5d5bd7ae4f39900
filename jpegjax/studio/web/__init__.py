"""The studio over HTTP: its doors, who may use them, and the socket."""
