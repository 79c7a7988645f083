"""The subcommands of ``cl2cm`` that a deployment needs, one module a job."""
