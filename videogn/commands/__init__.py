"""What `videogn COMMAND` does, a file for each command; cli.py picks one."""
