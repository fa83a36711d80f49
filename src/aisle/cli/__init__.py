"""The command `aisle`: one thin file a command, loaded when it is called."""
