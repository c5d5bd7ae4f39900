"""How is work spread? Threads, memory, devices. Knows no codec."""
