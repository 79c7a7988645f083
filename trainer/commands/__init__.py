"""The subcommands of `cl2cm` that training adds, one file each."""
