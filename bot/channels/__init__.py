"""Ways to reach a phone. One shape (`contract.py`), one file each; only these files name a provider."""
