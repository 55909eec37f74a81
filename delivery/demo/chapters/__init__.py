"""Chapters: one part of the story a file; each takes the stage, acts through public doors, and claims what it saw."""
