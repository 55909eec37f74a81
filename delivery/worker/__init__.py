"""Worker: the Celery side. Task bodies only call flows; the sweeper finds what a lost message would have said."""
