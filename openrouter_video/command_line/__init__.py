"""What the `openrouter-video` command is made of: its options, checks, live view and reports; ``cli`` wires them."""
