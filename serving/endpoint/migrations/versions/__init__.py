"""One step a file, named by its number: v001, v002 …; each names the one before."""
