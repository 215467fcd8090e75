"""A stand-in for the WhatsApp Cloud API: same calls, same errors, no internet."""
