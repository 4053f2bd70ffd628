"""The console, the phones, the survey pages and the REST API. Begin in `server.py`; each other module is one page."""
